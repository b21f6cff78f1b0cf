//! Private keys: read and opened once in a run, whatever the number of hosts. A passphrase costs
//! as much time as it is meant to cost, and that is not spent for each host again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ssh_key::{LineEnding, PrivateKey};

use super::job::{Content, Key};
use crate::transport::TransportError;

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
        let content = match std::fs::read_to_string(path) {
            Ok(text) => open(text, passphrase),
            Err(error) if TransportError::is_shortage(&error) => {
                return Err(TransportError::own(&format!("read the key {}", path.display()), &error));
            }
            Err(error) => Err(error.to_string()),
        };
        let key = Key { name: path.display().to_string(), content };
        known.insert(name, key.clone());
        Ok(key)
    }
}

/// The formats of PEM are left to libssh2, which is quick with them.
fn open(text: String, passphrase: Option<&str>) -> Result<Content, String> {
    let Ok(key) = PrivateKey::from_openssh(&text) else {
        return Ok(Content { private: text, public: None, passphrase: passphrase.map(str::to_owned) });
    };
    let public = key.public_key().to_openssh().ok();
    if !key.is_encrypted() {
        return Ok(Content { private: text, public, passphrase: None });
    }
    let Some(passphrase) = passphrase else { return Err("it is encrypted; set `passphrase`".to_owned()) };
    let opened = key.decrypt(passphrase).map_err(|error| match error {
        ssh_key::Error::Crypto => "cannot be opened; wrong `passphrase`?".to_owned(),
        other => format!("cannot be opened: {other}"),
    })?;
    let private = opened.to_openssh(LineEnding::LF).map_err(|error| format!("cannot be opened: {error}"))?;
    Ok(Content { private: private.to_string(), public, passphrase: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ssh-keygen -t ed25519 -N 'a passphrase' -a 1 -C test`.
    const ENCRYPTED: &str = include_str!("../../../tests/ssh/id_encrypted");

    #[test]
    fn an_encrypted_key_is_opened_and_a_wrong_passphrase_is_said() {
        let content = open(ENCRYPTED.to_owned(), Some("a passphrase")).unwrap();
        assert!(content.passphrase.is_none() && content.public.unwrap().starts_with("ssh-ed25519 AAAA"));
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
    fn what_is_no_key_of_openssh_is_left_to_the_library() {
        let content = open("-----BEGIN RSA PRIVATE KEY-----\n".to_owned(), Some("pw")).unwrap();
        assert_eq!((content.public, content.passphrase.as_deref()), (None, Some("pw")));
    }
}
