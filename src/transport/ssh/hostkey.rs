//! Known host keys, in OpenSSH's file format (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
//!
//! libssh2's own check takes a host that is known by another type of key for a changed one, and
//! says no line numbers; so the file is read here. Lines of `@cert-authority` are not used.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::target::{Target, home};
use crate::files;
use crate::inventory::spec::{HostKeyPolicy, SshSettings};
use crate::transport::TransportError;

/// One line of a known_hosts file that speaks of a host.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    kind: String,
    key: String,
    revoked: bool,
    place: String,
}

/// What the files know of one host.
#[derive(Debug)]
pub(super) struct Known {
    entries: Vec<Entry>,
    /// The file that new keys go to.
    file: Option<PathBuf>,
    name: String,
}

impl Known {
    /// Reads the files for a host.
    pub(super) fn read(settings: &SshSettings, target: &Target) -> Self {
        let own = settings.known_hosts.clone().or_else(|| home().map(|home| home.join(".ssh/known_hosts")));
        let mut files: Vec<PathBuf> = own.iter().cloned().collect();
        if settings.known_hosts.is_none() {
            files.push(PathBuf::from("/etc/ssh/ssh_known_hosts"));
        }
        let name = known_name(&target.host, target.port);
        let entries = files.iter().flat_map(|file| entries(file, &name)).collect();
        Known { entries, file: own, name }
    }

    /// The types of key that the host is known by: it has to be asked for one of these.
    pub(super) fn algorithms(&self) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        for entry in self.entries.iter().filter(|entry| !entry.revoked) {
            match entry.kind.as_str() {
                "ssh-rsa" => names.extend(["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]),
                other => names.push(other),
            }
        }
        (!names.is_empty()).then(|| names.join(","))
    }

    /// The same place, with nothing known.
    pub(super) fn forgotten(&self) -> Self {
        Known { entries: Vec::new(), file: self.file.clone(), name: self.name.clone() }
    }

    /// The keys that the host is known by, in base64, each with its place.
    pub(super) fn keys(&self) -> Vec<(String, String)> {
        let good = self.entries.iter().filter(|entry| !entry.revoked);
        good.map(|entry| (entry.key.clone(), entry.place.clone())).collect()
    }

    /// The name that the host is filed under.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The file that new keys go to.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A revoked key is never trusted.
    pub(super) fn refuse_revoked(&self, key: &[u8], encoded: &str, to: &str) -> Result<(), TransportError> {
        match self.entries.iter().find(|entry| entry.revoked && entry.key == encoded) {
            None => Ok(()),
            Some(entry) => {
                let cause = format!("{} is revoked by {}", fingerprint(key), entry.place);
                Err(refuse(to, cause, "the host must get a new key; do not trust it until then".to_owned()))
            }
        }
    }

    /// Judges the key that the host showed.
    pub(super) fn check(&self, key: &[u8], policy: HostKeyPolicy, to: &str) -> Result<(), TransportError> {
        let encoded = STANDARD.encode(key);
        self.refuse_revoked(key, &encoded, to)?;
        if self.entries.iter().filter(|entry| !entry.revoked).any(|entry| entry.key == encoded) {
            return Ok(());
        }
        match (self.entries.iter().find(|entry| !entry.revoked), policy) {
            (Some(entry), _) => Err(self.changed(entry, key, to)),
            (None, HostKeyPolicy::AcceptNew) => self.remember(key, &encoded, to),
            (None, HostKeyPolicy::Strict) => Err(self.unknown(key, to)),
        }
    }

    fn changed(&self, entry: &Entry, key: &[u8], to: &str) -> TransportError {
        let old = STANDARD.decode(&entry.key).map_or_else(|_| "an unreadable key".to_owned(), |old| fingerprint(&old));
        let cause = format!("it has changed: known as {old} ({}), now {}", entry.place, fingerprint(key));
        let file = entry.place.rsplit_once(':').map_or(entry.place.as_str(), |(file, _)| file);
        let hint = format!(
            "if the server was re-installed, compare the new fingerprint at its console, then `fleetclock trust HOST` \
             (or `ssh-keygen -R '{}' -f {file}`); otherwise somebody is in between",
            self.name
        );
        refuse(to, cause, hint)
    }

    fn unknown(&self, key: &[u8], to: &str) -> TransportError {
        let file = self.file.as_ref().map_or("~/.ssh/known_hosts".into(), |file| file.display().to_string());
        let cause = format!("{} is not in {file}", fingerprint(key));
        let hint = "compare the fingerprint at the server's console and connect once with ssh, or set \
                    `ssh: { host_key: accept-new }`"
            .to_owned();
        refuse(to, cause, hint)
    }

    /// Adds the key at the end of the file, which is created if need be.
    fn remember(&self, key: &[u8], encoded: &str, to: &str) -> Result<(), TransportError> {
        let Some(file) = &self.file else {
            return Err(refuse(to, "there is no place to remember it".to_owned(), "set `known_hosts`".to_owned()));
        };
        let line = format!("{} {} {encoded}\n", self.name, kind(key));
        append(file, &line).map_err(|error| {
            refuse(to, format!("write {}: {error}", file.display()), "see that the file can be written".to_owned())
        })
    }
}

fn append(file: &Path, line: &str) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    files::append(file, line)
}

fn refuse(to: &str, cause: String, hint: String) -> TransportError {
    TransportError::HostKey { to: to.to_owned(), cause, hint }
}

/// The name under which OpenSSH files a host.
fn known_name(host: &str, port: u16) -> String {
    if port == 22 { host.to_lowercase() } else { format!("[{}]:{port}", host.to_lowercase()) }
}

fn entries(file: &Path, name: &str) -> Vec<Entry> {
    let Ok(text) = std::fs::read_to_string(file) else { return Vec::new() };
    let place = |number: usize| format!("{}:{}", file.display(), number + 1);
    text.lines().enumerate().filter_map(|(number, line)| entry(line, name, place(number))).collect()
}

/// Whether a line gives a host a key that is not revoked.
pub(super) fn speaks_of(line: &str, name: &str) -> bool {
    entry(line, name, String::new()).is_some_and(|entry| !entry.revoked)
}

/// Reads `[marker] names type key`.
fn entry(line: &str, name: &str, place: String) -> Option<Entry> {
    let mut words = line.split_whitespace().peekable();
    let revoked = match words.peek()? {
        &"@revoked" => words.next().is_some(),
        marker if marker.starts_with(['@', '#']) => return None,
        _ => false,
    };
    let names = words.next()?;
    let found = if names.starts_with("|1|") { hashed(names, name) } else { listed(names, name) };
    let (kind, key) = (words.next()?.to_owned(), words.next()?.to_owned());
    found.then_some(Entry { kind, key, revoked, place })
}

/// A comma separated list of patterns; a leading `!` excludes.
fn listed(names: &str, name: &str) -> bool {
    let mut found = false;
    for pattern in names.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if wild(pattern, name) => return false,
            None if wild(pattern, name) => found = true,
            _ => {}
        }
    }
    found
}

fn wild(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    match pattern.split_once(['*', '?']) {
        None => pattern == name,
        Some((head, _)) if !name.starts_with(head) => false,
        Some((head, rest)) => {
            let tail = name.get(head.len()..).unwrap_or_default();
            let one = pattern.get(head.len()..).is_some_and(|text| text.starts_with('?'));
            let mut cuts = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
            if one {
                cuts.nth(1).is_some_and(|at| wild(rest, tail.get(at..).unwrap_or_default()))
            } else {
                cuts.any(|at| wild(rest, tail.get(at..).unwrap_or_default()))
            }
        }
    }
}

/// `|1|salt|HMAC-SHA1(salt, name)`.
fn hashed(names: &str, name: &str) -> bool {
    let mut parts = names.trim_start_matches("|1|").split('|').map(|part| STANDARD.decode(part).unwrap_or_default());
    let (Some(salt), Some(hash)) = (parts.next(), parts.next()) else { return false };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(&salt) else { return false };
    mac.update(name.as_bytes());
    mac.verify_slice(&hash).is_ok()
}

/// The fingerprint as OpenSSH prints it.
pub(super) fn fingerprint(key: &[u8]) -> String {
    let mut text = String::new();
    let _ = write!(text, "{} SHA256:{}", kind(key), STANDARD_NO_PAD.encode(Sha256::digest(key)));
    text
}

/// The type of a key is the first string of its blob (RFC 4253 section 6.6).
pub(super) fn kind(key: &[u8]) -> String {
    let length = key.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes) as usize);
    let name = key.get(4..4 + length.min(64)).unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIBWjEaCjTAnHkB3S4Yc1Ldqf3QBsjUVyKNeVPhtYjGWn";

    fn known(line: &str, name: &str) -> bool {
        entry(line, name, String::new()).is_some()
    }

    #[test]
    fn names_patterns_and_ports_are_found() {
        assert!(known(&format!("a,10.0.0.1 ssh-ed25519 {KEY}"), "10.0.0.1"));
        assert!(known(&format!("*.corp,!bad.corp ssh-ed25519 {KEY}"), "web.corp"));
        assert!(!known(&format!("*.corp,!bad.corp ssh-ed25519 {KEY}"), "bad.corp"));
        assert!(known(&format!("web? ssh-ed25519 {KEY}"), "web1"));
        assert!(!known(&format!("web? ssh-ed25519 {KEY}"), "web"));
        assert!(known(&format!("[h]:2222 ssh-ed25519 {KEY}"), &known_name("H", 2222)));
        assert!(!known(&format!("# h ssh-ed25519 {KEY}"), "h"));
    }

    #[test]
    fn a_hashed_name_is_found() {
        // `ssh-keygen -H` of the name `example.com` with a salt of twenty zero bytes.
        let mut mac = Hmac::<Sha1>::new_from_slice(&[0; 20]).unwrap();
        mac.update(b"example.com");
        let hash = STANDARD.encode(mac.finalize().into_bytes());
        let line = format!("|1|{}|{hash} ssh-ed25519 {KEY}", STANDARD.encode([0; 20]));
        assert!(known(&line, "example.com"));
        assert!(!known(&line, "example.org"));
    }

    #[test]
    fn a_host_known_by_one_type_of_key_is_asked_for_that_type() {
        let entry = entry(&format!("h ssh-rsa {KEY}"), "h", String::new()).unwrap();
        let known = Known { entries: vec![entry], file: None, name: "h".into() };
        assert_eq!(known.algorithms().unwrap(), "rsa-sha2-512,rsa-sha2-256,ssh-rsa");
    }

    #[test]
    fn a_changed_key_is_fatal_whatever_the_policy() {
        let entry = entry(&format!("h ssh-ed25519 {KEY}"), "h", "/kh:7".into()).unwrap();
        let known = Known { entries: vec![entry], file: None, name: "h".into() };
        let error = known.check(b"other", HostKeyPolicy::AcceptNew, "h:22").unwrap_err();
        assert!(error.to_string().contains("/kh:7") && error.hint().unwrap().contains("ssh-keygen -R 'h' -f /kh"));
    }
}
