//! Files of known host keys, in OpenSSH's format (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), each parsed
//! once in a run and again when it has changed.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::hostkey::Entry;
use crate::files;
use crate::input;
use crate::transport::TransportError;

/// Largest known_hosts; one of 100,000 hosts with three keys each has 60 MB.
pub(super) const LARGEST: u64 = 128 << 20;

/// The files of a run.
#[derive(Default)]
pub(super) struct KnownFiles(Mutex<HashMap<PathBuf, Parsed>>);

/// One file, in a form in which a host is found quickly.
#[derive(Default)]
struct Parsed {
    /// What the file was like when it was read.
    stamp: Stamp,
    lines: Vec<Line>,
    /// Lines by the names that they have literally.
    plain: HashMap<String, Vec<usize>>,
    /// Lines with patterns, which have to be tried.
    patterns: Vec<usize>,
    /// Lines with hashes of which nobody has said the name yet. Each is of one name: it is tried until then.
    hashed: Vec<usize>,
    /// The names that were tried at those.
    tried: HashSet<String>,
    /// The number of the last line.
    last: usize,
}

/// Size, inode and time of change; nothing for a file that is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

struct Line {
    names: Names,
    entry: Entry,
}

enum Names {
    Patterns(String),
    /// The HMAC that has its salt, for half of the work is the same for every name.
    Hash {
        keyed: Hmac<Sha1>,
        hash: Vec<u8>,
    },
}

impl KnownFiles {
    /// The lines of a file that speak of a name, in the order of the file.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) fn entries(&self, file: &Path, name: &str) -> Result<Vec<Entry>, TransportError> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = |error: std::io::Error| TransportError::own(&format!("read {}", file.display()), &error);
        let stamp = stamp(file).map_err(own)?;
        let parsed = files.entry(file.to_owned()).or_default();
        if parsed.stamp != stamp {
            *parsed = Parsed { stamp, ..Parsed::read(file).map_err(own)? };
        }
        Ok(parsed.entries(name))
    }

    /// Adds a line. Nothing else is read again for it.
    pub(super) fn remember(&self, file: &Path, line: &str) -> std::io::Result<()> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = stamp(file)?;
        let start = if ends_open(file)? { "\n" } else { "" };
        append(file, &format!("{start}{line}\n"))?;
        if let Some(parsed) = files.get_mut(file).filter(|parsed| parsed.stamp == before) {
            parsed.add(line, file, parsed.last + 1);
            parsed.stamp = stamp(file)?;
        }
        Ok(())
    }
}

fn stamp(file: &Path) -> std::io::Result<Stamp> {
    match std::fs::metadata(file) {
        Ok(data) => Ok(Some((data.size(), data.ino(), data.mtime(), data.mtime_nsec()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the last line of a file has no end.
fn ends_open(file: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let Some((size, ..)) = stamp(file)?.filter(|(size, ..)| *size > 0) else { return Ok(false) };
    let mut last = [0];
    std::fs::File::open(file)?.read_exact_at(&mut last, size - 1)?;
    Ok(last != *b"\n")
}

fn append(file: &Path, line: &str) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    files::append(file, line)
}

impl Parsed {
    fn read(file: &Path) -> std::io::Result<Self> {
        let mut parsed = Parsed::default();
        // `UserKnownHostsFile /dev/null` is how one says that nothing is remembered.
        let nothing = file == Path::new("/dev/null");
        let text = match input::read(file, LARGEST) {
            _ if nothing => return Ok(parsed),
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(parsed),
            Err(error) => return Err(error),
        };
        for (number, line) in text.lines().enumerate() {
            parsed.add(line, file, number + 1);
        }
        Ok(parsed)
    }

    fn add(&mut self, text: &str, file: &Path, number: usize) {
        self.last = number;
        let Some((names, mut entry)) = split(text) else { return };
        entry.place = format!("{}:{number}", file.display());
        let index = self.lines.len();
        let names = match hash(names) {
            Some((keyed, hash)) => Names::Hash { keyed, hash },
            None => Names::Patterns(names.to_owned()),
        };
        match &names {
            Names::Patterns(names) if !names.contains(['*', '?', '!']) => {
                for name in names.split(',') {
                    self.plain.entry(name.to_lowercase()).or_default().push(index);
                }
            }
            Names::Patterns(_) => self.patterns.push(index),
            Names::Hash { .. } => {
                self.hashed.push(index);
                self.tried.clear();
            }
        }
        self.lines.push(Line { names, entry });
    }

    fn entries(&mut self, name: &str) -> Vec<Entry> {
        let name = name.to_lowercase();
        self.try_hashed(&name);
        let mut found: Vec<usize> = self.plain.get(&name).cloned().unwrap_or_default();
        let speaks = |index: &usize| self.lines.get(*index).is_some_and(|line| line.names.speak_of(&name));
        found.extend(self.patterns.iter().copied().filter(speaks));
        found.sort_unstable();
        found.dedup();
        found.iter().filter_map(|index| Some(self.lines.get(*index)?.entry.clone())).collect()
    }

    /// Finds the hashed lines of a name; from then on they are found as the others are.
    fn try_hashed(&mut self, name: &str) {
        if self.hashed.is_empty() || !self.tried.insert(name.to_owned()) {
            return;
        }
        let lines = &self.lines;
        let speaks = |index: &usize| lines.get(*index).is_some_and(|line| line.names.speak_of(name));
        let (found, left): (Vec<usize>, Vec<usize>) = self.hashed.iter().partition(|index| speaks(index));
        self.hashed = left;
        if !found.is_empty() {
            self.plain.entry(name.to_owned()).or_default().extend(found);
        }
    }
}

impl Names {
    fn speak_of(&self, name: &str) -> bool {
        match self {
            Names::Patterns(names) => listed(names, name),
            Names::Hash { keyed, hash } => {
                let mut mac = keyed.clone();
                mac.update(name.as_bytes());
                mac.verify_slice(hash).is_ok()
            }
        }
    }
}

/// Whether a line gives a host a key that is not revoked.
pub(super) fn speaks_of(line: &str, name: &str) -> bool {
    let mut parsed = Parsed::default();
    parsed.add(line, Path::new(""), 1);
    parsed.entries(name).iter().any(|entry| !entry.revoked && !entry.authority)
}

/// Reads `[marker] names type key`; the place is still to be said.
fn split(line: &str) -> Option<(&str, Entry)> {
    let mut words = line.split_whitespace().peekable();
    let (revoked, authority) = match words.peek()? {
        &"@revoked" => (words.next().is_some(), false),
        &"@cert-authority" => (false, words.next().is_some()),
        marker if marker.starts_with(['@', '#']) => return None,
        _ => (false, false),
    };
    let names = words.next()?;
    let (kind, key) = (words.next()?.to_owned(), words.next()?.to_owned());
    if !is_key(&kind, &key) {
        return None;
    }
    Some((names, Entry { kind, key, revoked, authority, place: String::new() }))
}

/// Whether the second word is a key of the type that the first one names, as every key says of itself. Lines of
/// protocol 1 (`1024 35 NUMBER`) have none, and OpenSSH passes them over as well.
fn is_key(kind: &str, key: &str) -> bool {
    let length = u32::try_from(kind.len()).unwrap_or(u32::MAX);
    let wanted = [&length.to_be_bytes()[..], kind.as_bytes()].concat();
    // As many letters as the name takes, for a file may have many long keys.
    let letters = wanted.len().div_ceil(3) * 4;
    key.get(..letters).and_then(|start| STANDARD.decode(start).ok()).is_some_and(|start| start.starts_with(&wanted))
}

/// The name of a host as `HashKnownHosts` has it written.
pub(super) fn hashed(name: &str, salt: [u8; 20]) -> Option<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(&salt).ok()?;
    mac.update(name.to_lowercase().as_bytes());
    Some(format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(mac.finalize().into_bytes())))
}

/// `|1|salt|HMAC-SHA1(salt, name)`.
fn hash(names: &str) -> Option<(Hmac<Sha1>, Vec<u8>)> {
    let (salt, hash) = names.strip_prefix("|1|")?.split_once('|')?;
    Some((Hmac::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?, STANDARD.decode(hash).ok()?))
}

/// A comma separated list of patterns; a leading `!` excludes.
pub(super) fn listed(names: &str, name: &str) -> bool {
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

/// `*` and `?`, in time that grows with the product of the lengths and no faster.
pub(super) fn wild(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where the last star was, and how much of the name it has eaten.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || Some(c) == name.get(n) => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, eaten)) = star else { return false };
                star = Some((at, eaten + 1));
                (p, n) = (at + 1, eaten + 1);
            }
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIBWjEaCjTAnHkB3S4Yc1Ldqf3QBsjUVyKNeVPhtYjGWn";

    /// The beginning of a key of RSA.
    const RSA: &str = "AAAAB3NzaC1yc2EAAAADAQABAAAAAQ==";

    fn known(names: &str, name: &str) -> bool {
        speaks_of(&format!("{names} ssh-ed25519 {KEY}"), name)
    }

    #[test]
    fn names_patterns_and_ports_are_found() {
        for (names, name, wanted) in [
            ("a,10.0.0.1", "10.0.0.1", true),
            ("*.corp,!bad.corp", "web.corp", true),
            ("*.corp,!bad.corp", "bad.corp", false),
            ("web?", "web1", true),
            ("web?", "web", false),
            ("[h]:2222", "[h]:2222", true),
            ("Web1", "WEB1", true),
            ("*", "anything", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("# h", "h", false),
        ] {
            assert_eq!(known(names, name), wanted, "{names} {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_longer_than_others() {
        assert!(!known(&"*a".repeat(200), &"a".repeat(199)));
        assert!(!wild(&format!("{}b", "*a".repeat(50)), &"a".repeat(5000)));
    }

    #[test]
    fn a_line_of_protocol_1_and_one_that_is_broken_are_no_keys() {
        for (line, is_one) in [
            (format!("h ssh-ed25519 {KEY}"), true),
            ("h 1024 35 123456789012345678901234567890".to_owned(), false),
            ("h 2048 65537 2271828182845904523536028747135266249775724709369995".to_owned(), false),
            (format!("h ssh-rsa {KEY}"), false),
            ("h ssh-ed25519 AAAA".to_owned(), false),
            ("h ssh-ed25519 é".to_owned(), false),
            (format!("h  {KEY}"), false),
        ] {
            assert_eq!(speaks_of(&line, "h"), is_one, "{line}");
        }
    }

    #[test]
    fn a_name_is_hashed_as_ssh_keygen_does_it() {
        // Written by `ssh-keygen -H` of OpenSSH 9.2.
        let salt = "lr3qgSxnCT831K/LPQG5ZlaqAe0=";
        let line = "|1|lr3qgSxnCT831K/LPQG5ZlaqAe0=|2JUkLUMkFpbF+2HJnQlT3om+iA8=";
        let salt: [u8; 20] = STANDARD.decode(salt).unwrap().try_into().unwrap();
        assert_eq!(hashed("Example.com", salt).unwrap(), line);
        assert!(known(line, "example.com") && !known(line, "example.org"));
    }

    #[test]
    fn a_hashed_name_is_found() {
        // `ssh-keygen -H` of the name `example.com` with a salt of twenty zero bytes.
        let mut mac = Hmac::<Sha1>::new_from_slice(&[0; 20]).unwrap();
        mac.update(b"example.com");
        let hash = STANDARD.encode(mac.finalize().into_bytes());
        let names = format!("|1|{}|{hash}", STANDARD.encode([0; 20]));
        assert!(known(&names, "example.com"));
        assert!(!known(&names, "example.org"));
    }

    #[test]
    fn hashed_lines_are_found_by_every_name_and_again() {
        let hashed = |name: &str| {
            let mut mac = Hmac::<Sha1>::new_from_slice(name.as_bytes()).unwrap();
            mac.update(name.as_bytes());
            let hash = STANDARD.encode(mac.finalize().into_bytes());
            format!("|1|{}|{hash} ssh-ed25519 {KEY}", STANDARD.encode(name))
        };
        let mut parsed = Parsed::default();
        let lines =
            [hashed("a"), hashed("b"), format!("a ssh-rsa {RSA}"), hashed("a"), format!("@revoked {}", hashed("b"))];
        lines.iter().enumerate().for_each(|(index, line)| parsed.add(line, Path::new("f"), index + 1));
        let mut places = |name: &str| -> Vec<String> { parsed.entries(name).into_iter().map(|e| e.place).collect() };
        for _ in 0..2 {
            assert_eq!(places("B"), ["f:2", "f:5"]);
            assert_eq!(places("a"), ["f:1", "f:3", "f:4"]);
            assert_eq!(places("c"), [""; 0]);
        }
        parsed.add(&hashed("c"), Path::new("f"), 6);
        assert_eq!((parsed.entries("c").len(), parsed.hashed.len()), (1, 0));
    }

    #[test]
    fn a_new_line_is_known_at_once_and_so_is_a_file_that_somebody_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, files) = (dir.path().join("sub/known_hosts"), KnownFiles::default());
        assert_eq!(files.entries(&file, "h").unwrap(), []);
        files.remember(&file, &format!("h ssh-ed25519 {KEY}")).unwrap();
        let entries = files.entries(&file, "h").unwrap();
        assert_eq!((entries.len(), entries[0].place.clone()), (1, format!("{}:1", file.display())));
        std::fs::write(&file, format!("# moved\n@revoked h ssh-ed25519 {KEY}\n# no end")).unwrap();
        let entries = files.entries(&file, "h").unwrap();
        assert_eq!((entries.len(), entries[0].revoked), (1, true));
        assert!(entries[0].place.ends_with(":2"));
        files.remember(&file, &format!("i ssh-ed25519 {KEY}")).unwrap();
        let told = files.entries(&file, "i").unwrap();
        assert_eq!((told.len(), &told), (1, &KnownFiles::default().entries(&file, "i").unwrap()));
    }
}
