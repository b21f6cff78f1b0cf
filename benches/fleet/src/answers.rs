//! What a host answers to a script: what a real one has answered before, or, while the recordings
//! are made, what a real one answers now.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::mask::{fill, marks, mask};

/// Both outputs of a script.
#[derive(Clone, Default)]
pub struct Answer {
    pub stdout: String,
    pub stderr: String,
}

/// Where the answers of a group of hosts come from.
pub enum Answers {
    /// Recordings, by their masked scripts.
    Recorded(HashMap<String, Answer>),
    /// A command that runs scripts on a real host; what it answers is recorded in the folder.
    Real { command: String, folder: PathBuf, count: Mutex<usize> },
}

impl Answers {
    /// Reads the recordings of a folder: `N.script`, `N.out` and `N.err`.
    pub fn load(folder: &Path) -> std::io::Result<Self> {
        let mut recorded = HashMap::new();
        for entry in std::fs::read_dir(folder)? {
            let script = entry?.path();
            if script.extension().is_some_and(|extension| extension == "script") {
                let read = |extension| std::fs::read_to_string(script.with_extension(extension));
                recorded.insert(read("script")?, Answer { stdout: read("out")?, stderr: read("err")? });
            }
        }
        if recorded.is_empty() {
            return Err(std::io::Error::other(format!("{} has no recordings", folder.display())));
        }
        Ok(Answers::Recorded(recorded))
    }

    /// A real host, of which the recordings go to an empty folder.
    pub fn real(command: &str, folder: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Answers::Real { command: command.to_owned(), folder, count: Mutex::new(0) })
    }

    /// The answer to a script; nothing if it was never recorded.
    pub fn to(&self, script: &str) -> std::io::Result<Option<Answer>> {
        let marks = marks(script);
        match self {
            Answers::Recorded(recorded) => Ok(recorded
                .get(&mask(script, &marks))
                .map(|answer| Answer { stdout: fill(&answer.stdout, &marks), stderr: fill(&answer.stderr, &marks) })),
            Answers::Real { command, folder, count } => {
                let answer = run(command, script)?;
                // One at a time: the lock is held until all three files are there.
                let mut count = count.lock().map_err(|_| std::io::Error::other("another recording failed"))?;
                let file = |extension: &str| folder.join(format!("{:02}.{extension}", *count));
                std::fs::write(file("script"), mask(script, &marks))?;
                std::fs::write(file("out"), mask(&answer.stdout, &marks))?;
                std::fs::write(file("err"), mask(&answer.stderr, &marks))?;
                *count += 1;
                Ok(Some(answer))
            }
        }
    }
}

/// Runs a script by a command that takes it on standard input.
fn run(command: &str, script: &str) -> std::io::Result<Answer> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.spawn()?;
    let (mut stdin, script) = (child.stdin.take(), script.to_owned());
    let writer = std::thread::spawn(move || stdin.as_mut().map(|stdin| stdin.write_all(script.as_bytes())));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Answer { stdout: text(output.stdout), stderr: text(output.stderr) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_answers_the_same_script_with_other_marks() {
        let folder = std::env::temp_dir().join(format!("fleet-simulator-{}", std::process::id()));
        let script = |mark: &str| format!("echo fc-{mark}; echo x; echo fc-{mark} >&2\n");
        let (first, second) = ("0123456789abcdef0", "fedcba98765432100");
        let real = Answers::real("sh -s", folder.clone()).unwrap();
        assert_eq!(real.to(&script(first)).unwrap().unwrap().stdout, format!("fc-{first}\nx\n"));
        let recorded = Answers::load(&folder).unwrap();
        let answer = recorded.to(&script(second)).unwrap().unwrap();
        assert_eq!((answer.stdout, answer.stderr), (format!("fc-{second}\nx\n"), format!("fc-{second}\n")));
        assert!(recorded.to("echo y\n").unwrap().is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
