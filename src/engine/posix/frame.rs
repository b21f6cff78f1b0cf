//! Several scripts in one execution: each part's output is framed by a random boundary, so
//! that one round trip answers many questions and no output can pass for a frame.

use std::hash::{BuildHasher, Hasher, RandomState};

use anyhow::{Context, Result};

use crate::model::Slice;
use crate::text::decisive::decisive;
use crate::transport::Output;

/// Builds one script out of parts.
#[derive(Debug)]
pub(crate) struct Frames {
    boundary: String,
    text: String,
    count: usize,
    /// The last part has not printed its end mark yet.
    open: bool,
}

/// Takes the output of such a script apart.
#[derive(Debug, Clone)]
pub(crate) struct Splitter {
    boundary: String,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Frames { boundary: boundary(), text: String::new(), count: 0, open: false }
    }

    /// Adds text that runs outside every frame: functions, settings.
    pub(crate) fn raw(&mut self, text: &str) {
        self.mark(None);
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Adds a part that runs in a subshell of its own, and returns its number.
    pub(crate) fn part(&mut self, body: &str) -> usize {
        let index = self.count;
        self.mark(Some(&format!("begin {index}")));
        self.count += 1;
        self.open = true;
        self.text.push_str(&format!("(\n{body}\n)\nfc_status=$?\n"));
        index
    }

    /// Prints marks on both outputs, after the end mark that the last part may owe: each write is
    /// a packet of its own on the wire. An end mark starts a line of its own whatever came before.
    fn mark(&mut self, begin: Option<&str>) {
        let end = std::mem::take(&mut self.open).then(|| format!("end {} $fc_status", self.count - 1));
        let newline = if end.is_some() { "\\n" } else { "" };
        let marks: String =
            end.as_deref().into_iter().chain(begin).map(|word| format!(" \"{} {word}\"", self.boundary)).collect();
        if !marks.is_empty() {
            // printf repeats its format for each mark; what is between two of them is nobody's.
            let line = format!("printf '{newline}%s\\n'{marks}");
            self.text.push_str(&format!("{line}\n{line} >&2\n"));
        }
    }

    pub(crate) fn boundary(&self) -> &str {
        &self.boundary
    }

    /// Returns the script, and what takes its output apart.
    pub(crate) fn finish(mut self) -> (String, Splitter) {
        self.mark(None);
        (self.text, Splitter { boundary: self.boundary })
    }
}

impl Splitter {
    pub(crate) fn new(boundary: &str) -> Self {
        Splitter { boundary: boundary.to_owned() }
    }

    /// Returns what part `index` printed, or `None` if it never ended.
    pub(crate) fn find(&self, output: &Output, index: usize) -> Option<Slice> {
        let (stdout, status) = self.cut(&output.stdout, index)?;
        let (stderr, _) = self.cut(&output.stderr, index)?;
        Some(Slice { stdout, stderr, status })
    }

    /// As `find`, where the part must have ended.
    ///
    /// # Errors
    /// The output stops before the part ended; shows the last lines of standard error.
    pub(crate) fn part(&self, output: &Output, index: usize) -> Result<Slice> {
        self.find(output, index).with_context(|| {
            let status = output.status;
            if !output.stdout.contains(&self.boundary) {
                let words = decisive(&output.stdout, &output.stderr);
                let words = if words.is_empty() { "and it said nothing".to_owned() } else { words };
                return format!("the login shell did not run the script (exit status {status}): {words}");
            }
            let words = decisive("", self.last_words(&output.stderr));
            format!("the script stopped early (exit status {status}): {words}")
        })
    }

    fn cut(&self, text: &str, index: usize) -> Option<(String, i32)> {
        let begin = format!("{} begin {index}\n", self.boundary);
        let end = format!("\n{} end {index} ", self.boundary);
        let after = text.get(text.find(&begin)? + begin.len()..)?;
        // The part may have printed nothing: then the break before the end mark is its first character.
        let (body, rest) = after.split_once(&end)?;
        let status = rest.lines().next()?.trim().parse().ok()?;
        Some((body.to_owned(), status))
    }

    /// What came after the last mark.
    fn last_words<'a>(&self, stderr: &'a str) -> &'a str {
        stderr.rsplit_once(&self.boundary).and_then(|(_, rest)| rest.split_once('\n')).map_or(stderr, |(_, rest)| rest)
    }

    /// Reads a line of the running script: the part that begins with it, if it is such a mark.
    pub(crate) fn begins(&self, line: &str) -> Option<usize> {
        line.strip_prefix(&self.boundary)?.strip_prefix(" begin ")?.trim().parse().ok()
    }

    /// Reads a line of the running script: the text of a progress line.
    pub(crate) fn progress<'a>(&self, line: &'a str) -> Option<&'a str> {
        line.strip_prefix(&self.boundary)?.strip_prefix(" progress ")
    }
}

/// A word that no output contains by chance; std's hasher is seeded by the system's randomness.
fn boundary() -> String {
    let state = RandomState::new();
    let half = |salt: u64| {
        let mut hasher = state.build_hasher();
        hasher.write_u64(salt);
        hasher.finish()
    };
    format!("fc-{:016x}{:016x}", half(1), half(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> Output {
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        Output {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().unwrap_or(-1),
        }
    }

    #[test]
    fn each_part_has_its_own_output_and_status() {
        let mut frames = Frames::new();
        frames.part("printf one; echo err >&2; exit 3");
        frames.part(":");
        frames.part("echo three");
        let (script, splitter) = frames.finish();
        let output = run(&script);
        let one = splitter.part(&output, 0).unwrap();
        assert_eq!((one.stdout.as_str(), one.stderr.as_str(), one.status), ("one", "err\n", 3));
        assert_eq!(splitter.part(&output, 1).unwrap(), Slice::default());
        assert_eq!(splitter.part(&output, 2).unwrap().stdout, "three\n");
    }

    #[test]
    fn a_script_that_stops_is_an_error_with_its_last_words() {
        let mut frames = Frames::new();
        frames.part("echo one");
        frames.raw("echo disk is gone >&2; exit 9");
        frames.part("echo two");
        let (script, splitter) = frames.finish();
        let error = splitter.part(&run(&script), 1).unwrap_err().to_string();
        assert!(error.contains("exit status 9") && error.contains("disk is gone"), "{error}");
    }
}
