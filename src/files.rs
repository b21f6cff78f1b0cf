//! Files on this machine: whole or not at all, for their owner only, and never through a link that
//! somebody may have put there.

use std::fs::File;
use std::io::{BufWriter, Error, Result, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use tempfile::NamedTempFile;

/// The rights of what may hold evidence or secrets.
const PRIVATE: u32 = 0o600;

/// Writes a file in one move; what was there before is replaced, a link too, and not what it
/// leads to. A pipe or a device is written to.
///
/// # Errors
/// It cannot be written, or what is there is another user's.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, bytes, PRIVATE)
}

/// The same with other rights.
///
/// # Errors
/// As for [`write()`].
pub fn write_with(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    prepare_for(path, mode)?.write(bytes)
}

/// A place that can be written to, found before the work whose result belongs there.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    mode: u32,
    file: Opened,
}

#[derive(Debug)]
enum Opened {
    /// A pipe or a device.
    Special(File),
    /// Takes the place of the file when it is whole; goes when it is not.
    New(NamedTempFile),
}

/// Opens what [`Place::write`] will write: what is wrong with the path is known now.
///
/// # Errors
/// It cannot be written, or what is there is another user's.
pub fn prepare(path: &Path) -> Result<Place> {
    prepare_for(path, PRIVATE)
}

/// The same with other rights.
///
/// # Errors
/// As for [`prepare()`].
pub fn prepare_for(path: &Path, mode: u32) -> Result<Place> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.file_name().is_none() || path.is_dir() {
        return Err(Error::other("it is a folder"));
    }
    let file = if is_special(path) {
        Opened::Special(special(path)?)
    } else {
        let made = tempfile::Builder::new().prefix(".fleetclock-").tempfile_in(folder);
        Opened::New(made.map_err(|error| in_folder(folder, &error))?)
    };
    Ok(Place { path: path.to_owned(), mode, file })
}

impl Place {
    /// Writes the file, as [`write()`] does.
    ///
    /// # Errors
    /// The disk is full, or the like.
    pub fn write(self, bytes: &[u8]) -> Result<()> {
        self.fill(|out| out.write_all(bytes))
    }

    /// The same piece by piece: what is too large to be in memory at once.
    ///
    /// # Errors
    /// As for [`Place::write()`], or those of `fill`; the file is then left as it was.
    pub fn fill(self, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let mut file = match self.file {
            Opened::Special(file) => return filled(&file, fill),
            Opened::New(file) => file,
        };
        filled(file.as_file_mut(), fill)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(self.mode))?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map(drop).map_err(|failed| failed.error)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn filled(file: &File, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    fill(&mut out)?;
    out.flush()
}

/// The rights that the user does not want new files to have. Asked of the kernel in a way that does not change them
/// for other threads in between.
pub fn mask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
}

/// Adds text at the end of a file, which is made if need be, in one write: others that do the same
/// cannot tear it.
///
/// # Errors
/// It cannot be written, or is a link.
pub fn append(path: &Path, text: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.append(true).create(true).mode(PRIVATE).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path);
    opened.map_err(|error| explain(path, error))?.write_all(text.as_bytes())
}

/// Says what is wrong with a folder in which a file cannot be made; the name of that file says nothing.
fn in_folder(folder: &Path, error: &Error) -> Error {
    if folder.is_dir() {
        Error::from(error.kind())
    } else {
        Error::other(format!("there is no folder {}", folder.display()))
    }
}

/// What is written to and never replaced.
fn is_special(path: &Path) -> bool {
    is_of_the_system(path) || std::fs::metadata(path).is_ok_and(|there| !there.is_file())
}

/// Whether the system made it, as /dev/stdout and /proc/self/fd/1: not where everybody may, as in /dev/shm.
fn is_of_the_system(path: &Path) -> bool {
    let Some(folder) = path.parent().and_then(|folder| folder.canonicalize().ok()) else { return false };
    let is_open = |folder: &Path| std::fs::metadata(folder).is_ok_and(|there| there.mode() & 0o002 != 0);
    folder.starts_with("/proc") || (folder.starts_with("/dev") && !folder.ancestors().any(is_open))
}

fn special(path: &Path) -> Result<File> {
    // /dev/stdout and its like are links of the system.
    let systems = is_of_the_system(path);
    let flags = if systems { OFlag::empty() } else { OFlag::O_NOFOLLOW };
    let file = std::fs::OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits())
        .open(path)
        .map_err(|error| explain(path, error))?;
    let owner = file.metadata()?.uid();
    if !systems && owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return Err(Error::other(format!("it is there already, and belongs to another user ({owner})")));
    }
    Ok(file)
}

fn explain(path: &Path, error: Error) -> Error {
    if std::fs::symlink_metadata(path).is_ok_and(|there| there.is_symlink()) {
        return Error::other("it is a symbolic link, and links are not written through; name the file itself");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_stands_in_the_memory_of_the_machine_is_a_file_as_any_other() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let (path, link) = (dir.path().join("p"), dir.path().join("l"));
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("two", 0o600));
        // A link that somebody has put there is replaced, and not written through.
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, b"three").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        write(Path::new("/dev/null"), b"gone").unwrap();
        assert!(!is_special(&path) && is_special(Path::new("/dev/stdout")) && is_special(Path::new("/proc/self/fd/1")));
        assert!(is_special(Path::new("/dev/fd/1")) && is_special(Path::new("/dev/no-such-device")));
    }

    #[test]
    fn a_file_is_private_and_replaced_in_one_move() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write(&path, b"one").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"two").unwrap();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("two", 0o600));
        write_with(&path, b"", 0o644).unwrap();
        assert_eq!((mode(&path), std::fs::read_dir(dir.path()).unwrap().count()), (0o644, 1));
        let nowhere = write(&dir.path().join("no/folder"), b"x").unwrap_err().to_string();
        assert_eq!(nowhere, format!("there is no folder {}", dir.path().join("no").display()));
        assert_eq!(write(dir.path(), b"x").unwrap_err().to_string(), "it is a folder");
        assert_eq!(write(Path::new(""), b"x").unwrap_err().to_string(), "it is a folder");
    }

    #[test]
    fn what_is_written_piece_by_piece_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let fill = |fill: fn(&mut dyn Write) -> Result<()>| prepare_for(&path, 0o644).unwrap().fill(fill);
        fill(|out| write!(out, "one").and_then(|()| write!(out, " two"))).unwrap();
        fill(|out| write!(out, "half").and_then(|()| Err(Error::other("no more")))).unwrap_err();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("one two", 0o644));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(mask() <= 0o777);
    }

    #[test]
    fn a_link_is_never_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
        std::fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        let refused = append(&link, "x").unwrap_err();
        assert!(refused.to_string().contains("symbolic link"), "{refused}");
        write(&link, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        assert_eq!((std::fs::read_to_string(&link).unwrap().as_str(), mode(&link)), ("new", 0o600));
        let device = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        assert!(write(&device, b"x").is_err());
    }

    #[test]
    fn a_device_is_written_to_and_lines_are_added() {
        write(Path::new("/dev/null"), b"x").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_hosts");
        append(&path, "a\n").unwrap();
        append(&path, "b\n").unwrap();
        assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("a\nb\n", 0o600));
    }
}
