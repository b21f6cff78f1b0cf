//! A host that was installed anew shows another key. The old one is replaced when somebody has
//! compared the new one; nothing else in the file is touched.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::carrier;
use super::hostkey::{self, fingerprint};
use super::way::Way;
use crate::files;
use crate::inventory::spec::{Client, SshSettings};
use crate::transport::worker::{Lease, Request, Stage};
use crate::transport::{Shared, TransportError};

/// The key that a host shows now, and those that it is known by.
#[derive(Debug)]
pub struct HostKey {
    /// Fingerprints with the place of each.
    pub known: Vec<(String, String)>,
    /// The fingerprint of the one that it shows.
    pub shown: String,
    /// Whether the one that it shows is one that it is known by.
    pub trusted: bool,
    key: Vec<u8>,
    name: String,
    /// The name as the new line has it.
    filed_as: String,
    file: Option<PathBuf>,
    label: String,
}

/// Asks a host for its key; does not log in, except to bastions on the way.
pub(in crate::transport) fn look(
    address: &str,
    settings: &SshSettings,
    shared: &Shared,
) -> Result<HostKey, TransportError> {
    let way = Way::find(address, settings, shared)?;
    let label = way.label();
    let known = way.known.last();
    // By the types that it is known by, so that a key that did not change is seen as such.
    let show = |by_known| show(address, &way, settings, shared, by_known);
    let key = match show(true) {
        Err(TransportError::Unreachable { .. } | TransportError::HostKey { .. })
            if known.is_some_and(|known| known.algorithms().is_some()) =>
        {
            show(false)?
        }
        other => other?,
    };
    let Some(known) = known else {
        return Err(TransportError::Lost { to: label, cause: "there is no way to it".to_owned() });
    };
    let encoded = STANDARD.encode(&key);
    known.refuse_revoked(&key, &encoded, &label)?;
    let old = known.keys();
    Ok(HostKey {
        trusted: known.trusts(&encoded),
        known: old.into_iter().map(|(old, place)| (readable(&old), place)).collect(),
        shown: fingerprint(&key),
        name: known.name().to_owned(),
        filed_as: known.filed_as().map_err(|error| TransportError::own("make a salt", &error))?,
        file: known.file().map(Path::to_owned),
        label,
        key,
    })
}

/// The key that the host at the end of the way shows; its bastions have to be trusted.
fn show(
    address: &str,
    way: &Way,
    settings: &SshSettings,
    shared: &Shared,
    by_known: bool,
) -> Result<Vec<u8>, TransportError> {
    let mut job = way.job(settings, shared)?;
    if let Some(last) = job.hops.last_mut().filter(|_| !by_known) {
        last.algorithms = None;
    }
    let types = job.hops.last().and_then(|last| last.algorithms.clone());
    if carrier::choose(way, &job, settings.client)?.is_some() {
        return carrier::look(address, way, settings, shared, types);
    }
    let mut lease = Lease::take(&shared.workers, way.label())?;
    lease.begin(Stage::Handshake, settings.timeout, std::time::Duration::ZERO);
    lease.send(&Request::Key(Box::new(job)), &[])?;
    let mut shown = Vec::new();
    let looked = lease.connected(&mut |lease, hop, key| {
        if hop + 1 < way.targets.len() {
            return way.judge(lease, hop, key, settings, shared);
        }
        shown = key.to_vec();
        Ok(())
    });
    match looked {
        Ok(()) => Ok(shown),
        Err(failed) if failed.openssh.is_some() && settings.client == Client::Auto && carrier::is_installed() => {
            carrier::look(address, way, settings, shared, types)
        }
        Err(failed) => Err(*failed.error),
    }
}

fn readable(encoded: &str) -> String {
    STANDARD.decode(encoded).map_or_else(|_| "an unreadable key".to_owned(), |key| fingerprint(&key))
}

impl HostKey {
    /// Puts the key that is shown in the place of those that are known.
    ///
    /// # Errors
    /// The old one is known by a pattern or by the system's file, or the file cannot be written.
    pub fn replace(&self) -> Result<(), TransportError> {
        let refuse = |cause: String, hint: &str| TransportError::HostKey {
            to: self.label.clone(),
            cause,
            hint: hint.to_owned(),
        };
        let none = || refuse("there is no place to remember it".to_owned(), "set `known_hosts`");
        let file = self.file.as_ref().ok_or_else(none)?;
        let own = format!("{}:", file.display());
        if let Some((_, place)) = self.known.iter().find(|(_, place)| !place.starts_with(&own)) {
            return Err(refuse(
                format!("the old key is in {place}"),
                "that is not the file that is written; take the line out there",
            ));
        }
        let failed = |error: std::io::Error| {
            refuse(format!("write {}: {error}", file.display()), "see that the file can be written")
        };
        let old = match crate::input::text(file, super::known::LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let kept = without(&old, &self.name).map_err(|line| {
            refuse(format!("the old key is known by a pattern, {}:{line}", file.display()), "take the line out by hand")
        })?;
        let new = format!("{kept}{} {} {}\n", self.filed_as, hostkey::kind(&self.key), STANDARD.encode(&self.key));
        write(file, &new).map_err(failed)
    }
}

/// The text without the keys of a name; or the number of a line that names it by a pattern.
fn without(text: &str, name: &str) -> Result<String, usize> {
    let mut kept = String::new();
    for (number, line) in text.lines().enumerate() {
        if !super::known::speaks_of(line, name) {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let (names, rest) = line.trim_start().split_once(char::is_whitespace).unwrap_or((line, ""));
        let others: Vec<&str> = names.split(',').filter(|other| !other.eq_ignore_ascii_case(name)).collect();
        if !names.starts_with("|1|") && others.len() == names.split(',').count() {
            return Err(number + 1);
        }
        if !names.starts_with("|1|") && !others.is_empty() {
            kept.push_str(&format!("{} {rest}\n", others.join(",")));
        }
    }
    Ok(kept)
}

/// In one move, with the rights of the old file.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let there = std::fs::symlink_metadata(file);
    if there.as_ref().is_ok_and(|there| !there.is_file()) {
        // `known_hosts: /dev/null` is a habit of many, and must not cost them the device.
        return Err(std::io::Error::other("it is a link or no regular file; name the file itself"));
    }
    let mode = there.map_or(0o600, |there| there.permissions().mode());
    files::write_with(file, text.as_bytes(), mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWjEaCjTAnHkB3S4Yc1Ldqf3QBsjUVyKNeVPhtYjGWn";

    #[test]
    fn only_the_keys_of_the_host_go() {
        let text = format!("# mine\nweb1 {KEY}\nweb1,10.0.0.1 {KEY} note\nweb10 {KEY}\n@revoked web1 {KEY}\n");
        let left = format!("# mine\n10.0.0.1 {KEY} note\nweb10 {KEY}\n@revoked web1 {KEY}\n");
        assert_eq!(without(&text, "web1").unwrap(), left);
        assert_eq!(without(&format!("a {KEY}\nweb* {KEY}\n"), "web1"), Err(2));
    }

    #[test]
    fn the_new_key_takes_the_place_of_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        std::fs::write(&file, format!("h {KEY}\nother {KEY}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let place = format!("{}:1", file.display());
        let mut key = HostKey {
            known: vec![("old".into(), place)],
            shown: "new".into(),
            trusted: false,
            key: b"\0\0\0\x0bssh-ed25519new".to_vec(),
            name: "h".into(),
            filed_as: "h".into(),
            file: Some(file.clone()),
            label: "h:22".into(),
        };
        key.replace().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(&format!("other {KEY}\nh ssh-ed25519 ")) && text.lines().count() == 2, "{text}");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        key.file = Some(dir.path().to_owned());
        key.known.clear();
        assert!(key.replace().is_err(), "a folder was replaced");
        key.known.push((String::new(), String::new()));
        key.file = Some(file);
        key.known[0].1 = "/etc/ssh/ssh_known_hosts:3".into();
        assert!(key.replace().unwrap_err().to_string().contains("/etc/ssh/ssh_known_hosts:3"));
    }
}
