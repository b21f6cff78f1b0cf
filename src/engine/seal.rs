//! The seal of a saved plan: it shows that this user made the plan on this machine. Anybody can
//! compute the digest of a plan; so what a plan consents to counts without a question only under
//! the seal, whose key stays here.

use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{files, history, input};

/// Length of the key, bytes.
const LENGTH: usize = 32;

/// Returns the seal of a text; the key is made when there is none yet.
///
/// # Errors
/// There is no place for the key, or others can read it.
pub(super) fn of(text: &[u8]) -> Result<String> {
    let folder = history::state()?;
    if !folder.join(NAME).exists() {
        make(&folder)?;
    }
    code(&read(&folder)?, text)
}

/// Whether a seal is one that [`of`] has made for this text.
pub(super) fn fits(seal: &str, text: &[u8]) -> bool {
    !seal.is_empty() && history::state().and_then(|folder| read(&folder)).is_ok_and(|key| is_of(&key, seal, text))
}

const NAME: &str = "plan-key";

fn is_of(key: &[u8], seal: &str, text: &[u8]) -> bool {
    let pairs = seal.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
    let bytes: Result<Vec<u8>, _> = pairs.map(|pair| u8::from_str_radix(pair, 16)).collect();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    mac.update(text);
    bytes.is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
}

fn code(key: &[u8], text: &[u8]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text);
    Ok(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn make(folder: &Path) -> Result<()> {
    let mut key = [0; LENGTH];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(NAME);
    files::write(&path, &key).with_context(|| format!("write {}", path.display()))
}

fn read(folder: &Path) -> Result<Vec<u8>> {
    let path = folder.join(NAME);
    let there = std::fs::symlink_metadata(&path)?;
    if !there.is_file() || there.mode() & 0o077 != 0 || there.uid() != nix::unistd::geteuid().as_raw() {
        bail!("{} is not this user's alone", path.display());
    }
    let key = input::read(&path, LENGTH as u64)?;
    if key.len() != LENGTH {
        bail!("{} is no key", path.display());
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_the_own_key_makes_the_seal() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make(one.path()).unwrap();
        make(other.path()).unwrap();
        let (own, foreign) = (read(one.path()).unwrap(), read(other.path()).unwrap());
        let seal = code(&own, b"plan").unwrap();
        assert!(is_of(&own, &seal, b"plan"));
        assert!(!is_of(&own, &seal, b"plan.") && !is_of(&foreign, &seal, b"plan"));
        for odd in ["", "0", "zz", "µ", &seal[1..], &format!("{seal}00")] {
            assert!(!is_of(&own, odd, b"plan"), "{odd}");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_none() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path()).unwrap();
        let path = dir.path().join(NAME);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(dir.path()).is_err());
    }
}
