//! The package files of a folder, read once in a run, whichever hosts they are for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use sha2::{Digest, Sha256};

use super::{Format, Header, deb, rpm};
use crate::exit::Hint as _;
use crate::input;

/// Largest file that is taken, bytes; all that goes to one host has to fit into one script.
pub(super) const LARGEST: u64 = 32 << 20;

/// Most files of a folder: more than that is a repository.
const MOST: usize = 1000;

/// A package file.
#[derive(Debug, Clone)]
pub struct File {
    /// Its name in the folder.
    pub name: String,
    /// What kind it is.
    pub format: Format,
    /// Its length, bytes.
    pub size: u64,
    /// Its digest.
    pub sha256: String,
    /// What it says of itself.
    pub header: Header,
}

/// A folder with package files.
#[derive(Debug, Clone, Default)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Those that are whole.
    pub files: Vec<File>,
    /// The names of the others, and what is wrong with them.
    pub damaged: Vec<(String, String)>,
}

impl Folder {
    /// Reads all package files of a folder; those in folders within it are left out.
    ///
    /// # Errors
    /// It cannot be read, or has too many.
    pub fn read(path: &Path) -> Result<Folder> {
        let doing = || format!("read the packages of {}", path.display());
        let hint =
            "`packages: { from: ... }` names a folder of this machine; a relative path is relative to the inventory";
        let mut folder = Folder { path: path.to_owned(), ..Folder::default() };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).with_context(doing).hint(hint)? {
            let entry = entry.with_context(doing)?;
            names.extend(entry.file_name().into_string().ok().and_then(|name| Some((format(&name)?, name))));
        }
        if names.len() > MOST {
            let why = anyhow!("{} has {} package files, and {MOST} are read", path.display(), names.len());
            return Err(why.hint("name a folder with the time service and what it needs, or set up a repository"));
        }
        names.sort_by(|one, other| one.1.cmp(&other.1));
        for (format, name) in names {
            match file(path, format, &name) {
                Ok(file) => folder.files.push(file),
                Err(why) => folder.damaged.push((name, why)),
            }
        }
        Ok(folder)
    }

    /// Returns the content of a file, if it is still the one that was read.
    ///
    /// # Errors
    /// It cannot be read, or is another one now.
    pub fn content(path: &Path, sha256: &str) -> Result<Vec<u8>> {
        let bytes = input::read(path, LARGEST).with_context(|| format!("read {}", path.display()))?;
        match digest(&bytes) == sha256 {
            true => Ok(bytes),
            false => Err(anyhow!("{} has changed since the plan was made", path.display()).hint("plan again")),
        }
    }
}

fn format(name: &str) -> Option<Format> {
    let ends = |format: &Format| name.rsplit_once('.').is_some_and(|(_, ending)| ending == format.ending());
    [Format::Deb, Format::Rpm].into_iter().find(ends)
}

fn file(folder: &Path, format: Format, name: &str) -> Result<File, String> {
    let bytes = input::read(&folder.join(name), LARGEST).map_err(|error| error.to_string())?;
    let header = match format {
        Format::Deb => deb::read(&bytes)?,
        Format::Rpm => rpm::read(&bytes)?,
    };
    Ok(File { name: name.to_owned(), format, size: bytes.len() as u64, sha256: digest(&bytes), header })
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The folders of a run.
#[derive(Debug, Default)]
pub struct Folders(Mutex<BTreeMap<PathBuf, Arc<Folder>>>);

impl Folders {
    /// Returns what is in a folder.
    ///
    /// # Errors
    /// As for [`Folder::read`].
    pub fn get(&self, path: &Path) -> Result<Arc<Folder>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = known.get(path) {
            return Ok(Arc::clone(folder));
        }
        let folder = Arc::new(Folder::read(path)?);
        known.insert(path.to_owned(), Arc::clone(&folder));
        Ok(folder)
    }
}
