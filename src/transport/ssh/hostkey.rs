//! Whether the key that a host shows is one that it is known by.
//!
//! libssh2's own check takes a host that is known by another type of key for a changed one, and
//! says no line numbers; so it is judged here.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

pub(super) use super::known::KnownFiles;
use super::target::{Target, home};
use crate::inventory::spec::{HostKeyPolicy, SshSettings};
use crate::transport::TransportError;

/// One line of a known_hosts file that speaks of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: String,
    pub(super) key: String,
    pub(super) revoked: bool,
    /// It is no key of the host, but one that signs those of hosts.
    pub(super) authority: bool,
    pub(super) place: String,
}

/// What the files know of one host.
#[derive(Debug)]
pub(super) struct Known {
    entries: Vec<Entry>,
    /// The lines of its name without the port, where those with it say nothing: OpenSSH looks there, too. A key
    /// that stands there is trusted; another one was not changed, for it may be that of another sshd.
    without_port: Vec<Entry>,
    /// The file that new keys go to.
    file: Option<PathBuf>,
    name: String,
    /// Whether the name is hashed in a new line (`HashKnownHosts`).
    hash: bool,
    /// The place of a certificate authority for this host.
    authority: Option<String>,
}

impl Known {
    /// Looks a host up in the files.
    ///
    /// # Errors
    /// One of them is there and cannot be read: then nothing can be said of any key.
    pub(super) fn read(settings: &SshSettings, target: &Target, files: &KnownFiles) -> Result<Self, TransportError> {
        let (places, own) = places(settings, target);
        let bare = || target.host.to_lowercase();
        let usual = || known_name(&target.host, target.port);
        let name = target.more.alias.as_ref().map_or_else(usual, |alias| alias.to_lowercase());
        let mut entries = of_all(&places, &name, files)?;
        let silent = entries.iter().all(|entry| entry.revoked);
        let mut without_port = match silent && target.port != 22 && target.more.alias.is_none() {
            true => of_all(&places, &bare(), files)?,
            false => Vec::new(),
        };
        let signer = |entry: &&Entry| entry.authority && !entry.revoked;
        let authority = entries.iter().chain(&without_port).find(signer).map(|entry| entry.place.clone());
        // A certificate in the place of a key is of an earlier fleetclock; it is no key, and ends some day.
        let is_key = |entry: &Entry| !entry.authority && !entry.kind.contains("-cert-v0");
        entries.retain(is_key);
        without_port.retain(is_key);
        Ok(Known { entries, without_port, file: own, name, hash: target.more.hash, authority })
    }

    /// The place of a certificate authority that has to vouch for this host: there is no key of its own.
    pub(super) fn authority(&self) -> Option<&str> {
        self.authority.as_deref().filter(|_| self.keys().is_empty())
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

    /// The keys that the host is known by, in base64, each with its place.
    pub(super) fn keys(&self) -> Vec<(String, String)> {
        let good = self.entries.iter().filter(|entry| !entry.revoked);
        good.map(|entry| (entry.key.clone(), entry.place.clone())).collect()
    }

    /// Whether a key, in base64, is one that the host is known by.
    pub(super) fn trusts(&self, encoded: &str) -> bool {
        self.entries.iter().chain(&self.without_port).any(|entry| !entry.revoked && entry.key == encoded)
    }

    /// The name that the host is filed under.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The name as a new line has it.
    pub(super) fn filed_as(&self) -> std::io::Result<String> {
        if !self.hash {
            return Ok(self.name.clone());
        }
        let mut salt = [0; 20];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut salt)?;
        super::known::hashed(&self.name, salt).ok_or_else(|| std::io::Error::other("the name cannot be hashed"))
    }

    /// The file that new keys go to.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A revoked key is never trusted.
    pub(super) fn refuse_revoked(&self, key: &[u8], encoded: &str, to: &str) -> Result<(), TransportError> {
        let mut all = self.entries.iter().chain(&self.without_port);
        match all.find(|entry| entry.revoked && entry.key == encoded) {
            None => Ok(()),
            Some(entry) => {
                let cause = format!("{} is revoked by {}", fingerprint(key), entry.place);
                Err(refuse(to, cause, "the host must get a new key; do not trust it until then".to_owned()))
            }
        }
    }

    /// Judges the key that the host showed.
    pub(super) fn check(
        &self,
        key: &[u8],
        policy: HostKeyPolicy,
        to: &str,
        files: &KnownFiles,
    ) -> Result<(), TransportError> {
        let encoded = STANDARD.encode(key);
        self.refuse_revoked(key, &encoded, to)?;
        if self.trusts(&encoded) {
            return Ok(());
        }
        match (self.entries.iter().find(|entry| !entry.revoked), policy) {
            (Some(entry), _) => Err(self.changed(entry, key, to)),
            (None, HostKeyPolicy::AcceptNew) => self.remember(key, &encoded, to, files),
            (None, HostKeyPolicy::Strict) => Err(self.unknown(key, to)),
        }
    }

    fn changed(&self, entry: &Entry, key: &[u8], to: &str) -> TransportError {
        let old = STANDARD.decode(&entry.key).map_or_else(|_| "an unreadable key".to_owned(), |old| fingerprint(&old));
        let cause = format!("it has changed: known as {old} ({}), now {}", entry.place, fingerprint(key));
        let file = entry.place.rsplit_once(':').map_or(entry.place.as_str(), |(file, _)| file);
        let hint = format!(
            "if the server was re-installed, compare the new fingerprint at its console, then `fleetclock trust HOST` \
             (or `ssh-keygen -R '{}' -f {file}`); otherwise this may be a man-in-the-middle attack",
            self.name
        );
        refuse(to, cause, hint)
    }

    fn unknown(&self, key: &[u8], to: &str) -> TransportError {
        let file = self.file.as_ref().map_or("~/.ssh/known_hosts".into(), |file| file.display().to_string());
        let cause = format!("{} is not in {file}", fingerprint(key));
        let hint = "compare the fingerprint at the server's console, then `fleetclock trust HOST`; or set \
                    `ssh: { host_key: accept-new }`"
            .to_owned();
        refuse(to, cause, hint)
    }

    /// Adds the key at the end of the file, which is created if need be.
    fn remember(&self, key: &[u8], encoded: &str, to: &str, files: &KnownFiles) -> Result<(), TransportError> {
        let Some(file) = &self.file else {
            return Err(refuse(to, "there is no place to remember it".to_owned(), "set `known_hosts`".to_owned()));
        };
        let what = format!("write the new host key into {}", file.display());
        let line = self.filed_as().map(|name| format!("{name} {} {encoded}", kind(key)));
        line.and_then(|line| files.remember(file, &line)).map_err(|error| TransportError::own(&what, &error))
    }
}

/// What all files say of a name.
fn of_all(places: &[PathBuf], name: &str, files: &KnownFiles) -> Result<Vec<Entry>, TransportError> {
    let mut entries = Vec::new();
    for place in places {
        entries.extend(files.entries(place, name)?);
    }
    Ok(entries)
}

/// The files that are there for all users.
fn of_the_system() -> Vec<PathBuf> {
    ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from).to_vec()
}

/// The files, and the one of them that new keys go to.
fn places(settings: &SshSettings, target: &Target) -> (Vec<PathBuf>, Option<PathBuf>) {
    if let Some(file) = &settings.known_hosts {
        return (vec![file.clone()], Some(file.clone()));
    }
    let mut places = target.more.known_hosts.clone().unwrap_or_else(of_the_user);
    let own = places.first().cloned();
    places.extend(target.more.global_known_hosts.clone().unwrap_or_else(of_the_system));
    (places, own)
}

fn of_the_user() -> Vec<PathBuf> {
    let Some(home) = home() else { return Vec::new() };
    [".ssh/known_hosts", ".ssh/known_hosts2"].map(|name| home.join(name)).to_vec()
}

fn refuse(to: &str, cause: String, hint: String) -> TransportError {
    TransportError::HostKey { to: to.to_owned(), cause, hint }
}

/// The name under which OpenSSH files a host.
fn known_name(host: &str, port: u16) -> String {
    if port == 22 { host.to_lowercase() } else { format!("[{}]:{port}", host.to_lowercase()) }
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

    fn known(kind: &str, place: &str) -> Known {
        let entry = Entry { kind: kind.into(), key: KEY.into(), revoked: false, authority: false, place: place.into() };
        Known {
            entries: vec![entry],
            without_port: Vec::new(),
            file: None,
            name: "h".into(),
            hash: false,
            authority: None,
        }
    }

    /// What the lines of a file say of a host at a port.
    fn read(lines: &str, port: u16, alias: Option<&str>) -> (Known, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        std::fs::write(&file, lines).unwrap();
        let settings = crate::transport::ssh::carrier::tests::settings();
        let settings = SshSettings { known_hosts: Some(file), ..settings };
        let mut target = crate::transport::ssh::carrier::tests::targets(&[None]).remove(0);
        (target.host, target.port, target.more.alias) = ("H".to_owned(), port, alias.map(str::to_owned));
        (Known::read(&settings, &target, &KnownFiles::default()).unwrap(), dir)
    }

    /// As `check_host_key` of OpenSSH's `sshconnect.c` does it.
    #[test]
    fn a_port_that_nothing_is_known_of_has_the_keys_of_the_bare_name() {
        let key = STANDARD.decode(KEY).unwrap();
        let old = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQ==";
        let own = format!("ssh-ed25519 {KEY}");
        for (lines, port, alias, wanted) in [
            (format!("h {own}"), 2222, None, "trusted"),
            (format!("h,10.0.0.1 {own}\n"), 2222, None, "trusted"),
            (format!("h {own}"), 2222, Some("other"), "is not in"),
            // That of another sshd on the same machine has not changed.
            (format!("h {old}"), 2222, None, "is not in"),
            (format!("[h]:2222 {old}\nh {own}"), 2222, None, "it has changed"),
            (format!("[h]:2222 {own}\nh {old}"), 2222, None, "trusted"),
            (format!("[h]:2222 {own}"), 22, None, "is not in"),
            (format!("@revoked h {own}"), 2222, None, "is revoked by"),
            (format!("@revoked [h]:2222 {own}\nh {own}"), 2222, None, "is revoked by"),
        ] {
            let (known, _dir) = read(&lines, port, alias);
            let said = known.check(&key, HostKeyPolicy::Strict, "h:2222", &KnownFiles::default());
            let said = said.map_or_else(|error| error.to_string(), |()| "trusted".to_owned());
            assert!(said.contains(wanted), "{lines} {port}: {said}");
            assert_eq!(known.trusts(KEY), wanted == "trusted" || lines.starts_with("@revoked [h]"), "{lines}");
        }
        for (lines, wanted) in [
            (format!("@cert-authority h {own}"), true),
            (format!("@cert-authority h {own}\n[h]:2222 {old}"), false),
            (format!("@cert-authority *:22 {own}"), false),
        ] {
            assert_eq!(read(&lines, 2222, None).0.authority().is_some(), wanted, "{lines}");
        }
    }

    #[test]
    fn names_carry_ports_that_are_not_the_usual_one() {
        assert_eq!((known_name("H", 22), known_name("H", 2222)), ("h".to_owned(), "[h]:2222".to_owned()));
    }

    #[test]
    fn a_host_known_by_one_type_of_key_is_asked_for_that_type() {
        assert_eq!(known("ssh-rsa", "").algorithms().unwrap(), "rsa-sha2-512,rsa-sha2-256,ssh-rsa");
    }

    #[test]
    fn the_inventory_or_else_the_ssh_config_says_which_files_there_are() {
        let path = |name: &str| PathBuf::from(name);
        let (usual, system) = (of_the_user(), of_the_system());
        let all = |own: &[PathBuf], others: &[PathBuf]| [own, others].concat();
        for (inventory, user, global, wanted, own) in [
            (None, None, None, all(&usual, &system), usual.first().cloned()),
            (None, None, Some(vec![path("/g")]), all(&usual, &[path("/g")]), usual.first().cloned()),
            (None, Some(vec![path("/u"), path("/v")]), None, all(&[path("/u"), path("/v")], &system), Some(path("/u"))),
            (None, Some(vec![]), Some(vec![path("/g")]), vec![path("/g")], None),
            (Some(path("/i")), Some(vec![path("/u")]), Some(vec![path("/g")]), vec![path("/i")], Some(path("/i"))),
        ] {
            let settings = crate::transport::ssh::carrier::tests::settings();
            let settings = SshSettings { known_hosts: inventory, ..settings };
            let mut target = crate::transport::ssh::carrier::tests::targets(&[None]).remove(0);
            (target.more.known_hosts, target.more.global_known_hosts) = (user, global);
            assert_eq!(places(&settings, &target), (wanted, own));
        }
    }

    #[test]
    fn a_changed_key_is_fatal_whatever_the_policy() {
        let known = known("ssh-ed25519", "/kh:7");
        let error = known.check(b"other", HostKeyPolicy::AcceptNew, "h:22", &KnownFiles::default()).unwrap_err();
        assert!(error.to_string().contains("/kh:7") && error.hint().unwrap().contains("ssh-keygen -R 'h' -f /kh"));
    }

    #[test]
    fn the_second_file_of_a_user_counts_as_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["known_hosts", "known_hosts2"].map(|name| dir.path().join(name));
        std::fs::write(&files[1], format!("h ssh-ed25519 {KEY}\n")).unwrap();
        let settings = crate::transport::ssh::carrier::tests::settings();
        let settings = SshSettings { known_hosts: None, ..settings };
        let mut target = crate::transport::ssh::carrier::tests::targets(&[None]).remove(0);
        (target.host, target.port) = ("h".to_owned(), 22);
        (target.more.known_hosts, target.more.global_known_hosts) = (Some(files.to_vec()), Some(Vec::new()));
        let known = Known::read(&settings, &target, &KnownFiles::default()).unwrap();
        assert_eq!(known.keys(), [(KEY.to_owned(), format!("{}:1", files[1].display()))]);
        // New keys go to the first.
        assert_eq!(known.file(), Some(files[0].as_path()));
    }

    #[test]
    fn a_new_name_is_hashed_where_the_ssh_config_wants_that() {
        let (mut known, dir) = read("", 2222, None);
        for hash in [true, false] {
            known.hash = hash;
            let file = dir.path().join(format!("known_{hash}"));
            (known.file, known.entries) = (Some(file.clone()), Vec::new());
            let key = STANDARD.decode(KEY).unwrap();
            known.check(&key, HostKeyPolicy::AcceptNew, "h:2222", &KnownFiles::default()).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.starts_with(if hash { "|1|" } else { "[h]:2222 " }), "{text}");
            assert!(super::super::known::speaks_of(text.trim(), "[h]:2222"), "{text}");
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_our_own_trouble_and_no_changed_key() {
        let dir = tempfile::tempdir().unwrap();
        let error = KnownFiles::default().entries(dir.path(), "h").unwrap_err();
        assert!(error.is_own() && error.to_string().starts_with("on this machine: read "), "{error}");
    }
}
