//! Reads files that a user names, within bounds. A device never ends and a pipe may never begin;
//! neither may fill the memory or hold the program for ever.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a pipe may say nothing: whoever writes into it may have to ask for a passphrase first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads a file or a pipe of at most `most` bytes.
///
/// # Errors
/// It cannot be read, is larger, is a folder or a device, or a pipe that nobody writes into.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    read_within(path, most, PATIENCE)
}

/// As [`read`], for text.
///
/// # Errors
/// As there; or it is not UTF-8.
pub fn text(path: &Path, most: u64) -> Result<String> {
    String::from_utf8(read(path, most)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Opens a file of at most `most` bytes that is read piece by piece; a pipe is none.
///
/// # Errors
/// It cannot be opened, is larger, or is no file.
pub fn open(path: &Path, most: u64) -> Result<std::io::Take<File>> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Error::other("it is no file"));
    }
    if about.len() > most {
        return Err(too_large(about.len(), most));
    }
    // What it grows by meanwhile is not read.
    Ok(file.take(most))
}

fn too_large(size: u64, most: u64) -> Error {
    Error::new(ErrorKind::FileTooLarge, format!("it has {size} bytes; the limit is {most}"))
}

fn read_within(path: &Path, most: u64, patience: Duration) -> Result<Vec<u8>> {
    // Without O_NONBLOCK, opening a pipe waits until somebody opens its other end.
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "it is a folder, not a file"));
    }
    if kind.is_char_device() || kind.is_block_device() {
        return Err(Error::other("it is a device, not a file"));
    }
    let size = file.metadata()?.len();
    if size > most {
        return Err(too_large(size, most));
    }
    let bytes = if kind.is_fifo() { drain(file, most, patience)? } else { take(&file, most)? };
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// One byte more than is allowed shows that it is too large; a file may grow while it is read.
fn take(file: &File, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn drain(mut pipe: File, most: u64, patience: Duration) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 65536];
    while bytes.len() as u64 <= most {
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        if poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], patience)? == 0 {
            return Err(Error::new(ErrorKind::TimedOut, "it is a pipe, and nobody writes into it"));
        }
        match pipe.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;

    fn why(path: &Path) -> String {
        read_within(path, 100, Duration::from_millis(50)).unwrap_err().to_string()
    }

    #[test]
    fn only_what_comes_to_an_end_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [b'x'; 100]).unwrap();
        assert_eq!(read(&path, 100).unwrap().len(), 100);
        assert_eq!(why(dir.path()), "it is a folder, not a file");
        for device in ["/dev/zero", "/dev/null", "/dev/urandom"] {
            assert_eq!(why(Path::new(device)), "it is a device, not a file");
        }
        std::fs::write(&path, [b'x'; 101]).unwrap();
        assert_eq!(why(&path), "it has 101 bytes; the limit is 100");
        assert_eq!(text(&path, 200).unwrap().len(), 101);
    }

    #[test]
    fn what_is_read_piece_by_piece_has_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "ten bytes!").unwrap();
        let mut text = String::new();
        open(&path, 10).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "ten bytes!");
        let why = |path: &Path| open(path, 9).unwrap_err().to_string();
        assert_eq!(why(&path), "it has 10 bytes; the limit is 9");
        let pipe = dir.path().join("p");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        for path in [&pipe, Path::new("/dev/zero"), dir.path()] {
            assert_eq!(why(path), "it is no file");
        }
    }

    #[test]
    fn a_pipe_is_read_to_its_end_and_no_further_than_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        assert_eq!(why(&path), "it is a pipe, and nobody writes into it");
        for (size, fits) in [(0, true), (100, true), (101, false), (1 << 20, false)] {
            let (end, writer) = (path.clone(), vec![b'y'; size]);
            // The reader leaves a pipe that is too large; the writer then gets an error.
            let writer = std::thread::spawn(move || std::fs::write(end, writer));
            assert_eq!(read(&path, 100).map(|bytes| bytes.len()).ok(), fits.then_some(size));
            let _ = writer.join();
        }
    }

    #[test]
    fn the_kernel_says_a_size_of_nothing_for_its_own_files() {
        assert!(!read(Path::new("/proc/self/status"), 1 << 20).unwrap().is_empty());
        assert_eq!(why(Path::new("/proc/self/status")), "it has more than 100 bytes");
    }
}
