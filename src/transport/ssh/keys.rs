//! Private keys: read and opened once in a run, whatever the number of hosts. A passphrase costs
//! as much time as it is meant to cost, and that is not spent for each host again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use ssh_key::{LineEnding, PrivateKey};

use super::auth::special;
use super::job::{Content, Key};
use crate::input;
use crate::transport::TransportError;

/// Largest file of a key; those of the largest RSA keys have 13 kB.
const LARGEST: u64 = 1 << 20;

/// A key is known by its file and by what was tried to open it.
type Name = (PathBuf, Option<String>);

/// The keys of a run.
#[derive(Default)]
pub(super) struct Keys(Mutex<HashMap<Name, Key>>);

impl Keys {
    /// Reads and opens a key; the other hosts wait for that, and then have it.
    ///
    /// # Errors
    /// This machine is short of something.
    pub(super) fn get(&self, path: &Path, passphrase: Option<&str>) -> Result<Key, TransportError> {
        let name = (path.to_owned(), passphrase.map(str::to_owned));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(&name) {
            return Ok(key.clone());
        }
        let (public, content) = match input::text(path, LARGEST) {
            Ok(text) => (public(&text).or_else(|| beside(path)), open(text, passphrase)),
            Err(error) if TransportError::is_shortage(&error) => {
                return Err(TransportError::own(&format!("read the key {}", path.display()), &error));
            }
            Err(error) => (beside(path), Err(error.to_string())),
        };
        let token = public.as_deref().and_then(in_token);
        let (in_token, openssh) = (token.is_some(), certificate(path).or(token));
        let key = Key { name: path.display().to_string(), content, public, in_token, openssh };
        known.insert(name, key.clone());
        Ok(key)
    }
}

/// A certificate beside the key, which libssh2 would not show.
fn certificate(path: &Path) -> Option<String> {
    let mut name = path.as_os_str().to_owned();
    name.push("-cert.pub");
    Path::new(&name).exists().then(|| format!("{} is a certificate for its key", Path::new(&name).display()))
}

/// The public half of a key of OpenSSH, which is open even where the secret one is not.
fn public(text: &str) -> Option<String> {
    PrivateKey::from_openssh(text).ok()?.public_key().to_openssh().ok()
}

/// The public half in the file beside it, which `ssh-keygen` writes.
fn beside(path: &Path) -> Option<String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    input::text(Path::new(&name), LARGEST).ok()?.lines().next().map(str::to_owned)
}

/// A key of which the secret half is in a security token.
fn in_token(public: &str) -> Option<String> {
    let kind = public.split(' ').next()?;
    special(kind).map(|what| format!("its key is a {what} ({kind})"))
}

const LOCKED: &str = "it is encrypted; set `passphrase`";

const WRONG: &str = "cannot be opened; wrong `passphrase`?";

fn open(text: String, passphrase: Option<&str>) -> Result<Content, String> {
    let Ok(key) = PrivateKey::from_openssh(&text) else { return open_pem(text, passphrase) };
    let public = public(&text);
    if !key.is_encrypted() {
        return Ok(Content { private: text, public });
    }
    let Some(passphrase) = passphrase else { return Err(LOCKED.to_owned()) };
    let opened = key.decrypt(passphrase).map_err(|error| match error {
        ssh_key::Error::Crypto => WRONG.to_owned(),
        other => format!("cannot be opened: {other}"),
    })?;
    let private = opened.to_openssh(LineEnding::LF).map_err(|error| format!("cannot be opened: {error}"))?;
    Ok(Content { private: private.to_string(), public })
}

/// The formats of PEM: libssh2 reads them, and is quick with those that are open.
fn open_pem(text: String, passphrase: Option<&str>) -> Result<Content, String> {
    // `BEGIN ENCRYPTED PRIVATE KEY` (RFC 7468) or `Proc-Type: 4,ENCRYPTED` (RFC 1421).
    if !text.contains("ENCRYPTED") {
        return Ok(Content { private: text, public: None });
    }
    let passphrase = passphrase.ok_or_else(|| LOCKED.to_owned())?;
    let key = PKey::private_key_from_pem_passphrase(text.as_bytes(), passphrase.as_bytes()).map_err(|e| why(&e))?;
    let private = key.private_key_to_pem_pkcs8().map_err(|error| why(&error))?;
    let private = String::from_utf8(private).map_err(|error| format!("cannot be opened: {error}"))?;
    Ok(Content { private, public: None })
}

/// A wrong passphrase shows as padding or as a structure that makes no sense; a cipher that is not
/// supported is something else.
fn why(error: &ErrorStack) -> String {
    match error.errors().iter().filter_map(openssl::error::Error::reason).find(|reason| reason.contains("unsupported"))
    {
        Some(reason) => format!("cannot be opened: {reason}"),
        None => WRONG.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ssh-keygen -t ed25519 -N 'a passphrase' -a 1 -C test`.
    const ENCRYPTED: &str = include_str!("../../../tests/ssh/id_encrypted");

    #[test]
    fn an_encrypted_key_is_opened_and_a_wrong_passphrase_is_said() {
        let content = open(ENCRYPTED.to_owned(), Some("a passphrase")).unwrap();
        assert!(content.public.unwrap().starts_with("ssh-ed25519 AAAA"));
        assert!(!PrivateKey::from_openssh(&content.private).unwrap().is_encrypted());
        let why = |passphrase| open(ENCRYPTED.to_owned(), passphrase).err().unwrap();
        assert_eq!(why(Some("another")), "cannot be opened; wrong `passphrase`?");
        assert_eq!(why(None), "it is encrypted; set `passphrase`");
    }

    #[test]
    fn a_key_is_opened_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, ENCRYPTED).unwrap();
        let keys = Keys::default();
        keys.get(&file, Some("a passphrase")).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(keys.get(&file, Some("a passphrase")).unwrap().content.is_ok());
        assert!(keys.get(&file, None).unwrap().content.is_err());
    }

    #[test]
    fn the_public_half_of_a_locked_key_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let public = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let key = Keys::default().get(&file, None).unwrap();
            assert!(key.content.is_err() && !key.in_token);
            key.public
        };
        assert!(public(ENCRYPTED).unwrap().starts_with("ssh-ed25519 AAAA"));
        let pem = include_str!("../../../tests/ssh/id_pem");
        assert_eq!(public(pem), None);
        std::fs::write(dir.path().join("key.pub"), "ecdsa-sha2-nistp256 AAAA me\n").unwrap();
        assert_eq!(public(pem).as_deref(), Some("ecdsa-sha2-nistp256 AAAA me"));
        std::fs::write(dir.path().join("key.pub"), "sk-ssh-ed25519@openssh.com AAAA me\n").unwrap();
        let key = Keys::default().get(&file, None).unwrap();
        assert!(key.in_token && key.openssh.unwrap().contains("key in a security token"));
    }

    #[test]
    fn keys_in_pem_are_opened_once_as_well() {
        // `openssl genpkey -algorithm ed25519 -aes-256-cbc`, and `ssh-keygen -t ecdsa -m PEM`.
        for locked in [include_str!("../../../tests/ssh/id_pkcs8"), include_str!("../../../tests/ssh/id_pem")] {
            let content = open(locked.to_owned(), Some("a passphrase")).unwrap();
            assert!(content.private.starts_with("-----BEGIN PRIVATE KEY-----"));
            PKey::private_key_from_pem(content.private.as_bytes()).unwrap();
            assert_eq!(open(locked.to_owned(), Some("another")).err().unwrap(), WRONG);
            assert_eq!(open(locked.to_owned(), None).err().unwrap(), LOCKED);
        }
    }

    #[test]
    fn an_open_key_in_pem_is_left_to_the_library() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\n";
        let content = open(text.to_owned(), Some("pw")).unwrap();
        assert_eq!((content.private.as_str(), content.public), (text, None));
    }
}
