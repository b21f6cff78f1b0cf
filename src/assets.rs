//! Playbooks and templates: in the program, and replaceable by a folder.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::exit::Hint;
use crate::input;

/// Largest playbook or template, bytes.
const LARGEST: u64 = 1 << 20;

/// Name and text of everything embedded.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("playbooks/linux-chrony.yml", include_str!("../playbooks/linux-chrony.yml")),
    ("playbooks/windows-w32time.yml", include_str!("../playbooks/windows-w32time.yml")),
    ("playbooks/linux-ntpd.yml", include_str!("../playbooks/linux-ntpd.yml")),
    ("playbooks/linux-timesyncd.yml", include_str!("../playbooks/linux-timesyncd.yml")),
    ("templates/chrony.conf.j2", include_str!("../templates/chrony.conf.j2")),
    ("templates/ntp.conf.j2", include_str!("../templates/ntp.conf.j2")),
    ("templates/timesyncd.conf.j2", include_str!("../templates/timesyncd.conf.j2")),
];

/// The JSON Schema of a playbook, made from the types.
pub const SCHEMA: &str = include_str!("../schemas/playbook.json");

/// Where an asset came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program itself.
    Embedded,
    /// A file of the user.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Embedded => f.write_str("embedded"),
            Origin::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One playbook or template.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Its text.
    pub text: String,
    /// Where it came from.
    pub origin: Origin,
}

/// The embedded assets, with a folder in front of them.
#[derive(Debug, Default)]
pub struct Assets {
    folder: Option<PathBuf>,
}

impl Assets {
    /// Looks in `folder` first.
    ///
    /// # Errors
    /// The folder is not there.
    pub fn new(folder: Option<PathBuf>) -> Result<Self> {
        let hint = "`fleetclock assets export DIR` makes one";
        if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(anyhow!("--assets: {} is no folder", folder.display()).hint(hint));
        }
        let assets = Assets { folder };
        if let Some(folder) = assets.folder.as_ref().filter(|_| assets.own().is_empty()) {
            let what =
                "it has no file in `playbooks` and none in `templates`, which are the folders that are looked into";
            return Err(anyhow!("--assets: nothing in {} would be used: {what}", folder.display()).hint(hint));
        }
        Ok(assets)
    }

    /// The names of all files in the two folders of the user's folder.
    fn own(&self) -> Vec<String> {
        let mut names = Vec::new();
        for part in ["playbooks", "templates"] {
            let folder = self.folder.as_ref().map(|folder| folder.join(part));
            let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
            let files = entries.filter(|entry| entry.path().is_file());
            let name = |entry: std::fs::DirEntry| Some(format!("{part}/{}", entry.file_name().to_str()?));
            names.extend(files.filter_map(name).filter(|name| check(name).is_ok()));
        }
        names.sort();
        names
    }

    /// Reads an asset by its name: `playbooks/NAME` or `templates/NAME`.
    ///
    /// # Errors
    /// There is none of that name, or the file cannot be read.
    pub fn read(&self, name: &str) -> Result<Asset> {
        check(name)?;
        if let Some(path) = self.folder.as_ref().map(|folder| folder.join(name)).filter(|path| path.exists()) {
            let text = input::text(&path, LARGEST).with_context(|| format!("read {}", path.display()))?;
            return Ok(Asset { text, origin: Origin::File(path) });
        }
        match EMBEDDED.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Ok(Asset { text: (*text).to_owned(), origin: Origin::Embedded }),
            None => Err(anyhow!("there is no {name} ({})", self.looked())
                .hint("`fleetclock assets list` shows those that there are")),
        }
    }

    fn looked(&self) -> String {
        match &self.folder {
            Some(folder) => format!("looked for in {} and in the program", folder.display()),
            None => "looked for in the program; `--assets DIR` names a folder with more".to_owned(),
        }
    }

    /// Returns the names with where each comes from: those of the program, then those that only the user has.
    pub fn list(&self) -> Vec<(String, Origin)> {
        let origin = |name: &str| match &self.folder {
            Some(folder) if folder.join(name).exists() => Origin::File(folder.join(name)),
            _ => Origin::Embedded,
        };
        let embedded = EMBEDDED.iter().map(|(name, _)| (*name).to_owned());
        let own = self.own().into_iter().filter(|name| !EMBEDDED.iter().any(|(known, _)| known == name));
        embedded.chain(own).map(|name| (name.clone(), origin(&name))).collect()
    }
}

/// A name stays inside its folder.
fn check(name: &str) -> Result<()> {
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\']);
    match name.split_once('/') {
        Some(("playbooks" | "templates", file)) if plain(file) => Ok(()),
        _ => bail!("`{name}` is no name of an asset (playbooks/NAME or templates/NAME)"),
    }
}

/// Writes the embedded assets out, to be edited; replaces nothing.
///
/// # Errors
/// A file is there already, or cannot be written.
pub fn export(folder: &Path) -> Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = EMBEDDED.iter().map(|(name, _)| folder.join(name)).collect();
    if let Some(path) = paths.iter().find(|path| path.exists()) {
        bail!("export: {} is there already; nothing was written", path.display());
    }
    for (path, (_, text)) in paths.iter().zip(EMBEDDED) {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        }
        let written = std::fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("write {}", path.display()))?;
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folders_is_embedded() {
        for folder in ["playbooks", "templates"] {
            for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
                let name = format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy());
                assert!(EMBEDDED.iter().any(|(known, _)| *known == name), "{name} is not embedded");
            }
        }
    }

    #[test]
    fn a_name_cannot_leave_its_folder() {
        for name in ["playbooks/../secret", "templates/a/b", "/etc/passwd", "playbooks/", "other/x"] {
            assert!(Assets::default().read(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_folder_in_which_nothing_would_be_used_is_refused_and_files_of_the_user_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let new = || Assets::new(Some(folder.path().to_owned()));
        std::fs::write(folder.path().join("chrony.conf.j2"), "").unwrap();
        assert!(new().unwrap_err().to_string().contains("no file in `playbooks`"));
        std::fs::create_dir(folder.path().join("playbooks")).unwrap();
        assert!(new().is_err());
        std::fs::write(folder.path().join("playbooks/own.yml"), "[]").unwrap();
        let list = new().unwrap().list();
        assert_eq!((list.len(), list[EMBEDDED.len()].0.as_str()), (EMBEDDED.len() + 1, "playbooks/own.yml"));
        assert!(new().unwrap().read("playbooks/none.yml").unwrap_err().to_string().contains("looked for in /"));
    }

    #[test]
    fn an_export_is_what_is_read_back_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        export(folder.path()).unwrap();
        let assets = Assets::new(Some(folder.path().to_owned())).unwrap();
        assert!(matches!(assets.read("templates/ntp.conf.j2").unwrap().origin, Origin::File(_)));
        assert!(export(folder.path()).is_err());
    }
}
