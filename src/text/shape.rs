//! Which parts of a file are secret, and how its lines may be shown.
//!
//! A wanted file is rendered twice: as it shall be, and with `***` for each secret. Where the two
//! differ there is a secret, whatever a template has made of it. What remains of such a line is its
//! shape; a line of the host that has it holds an older secret.

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::hide::{HIDDEN, Hider, telling};

/// What is shown of a line that could hold a secret of which nothing is known.
pub const NOT_SHOWN: &str = "(a line that is not shown, because this file holds a secret)";

/// What an old secret has at least, if it is to be told from other words.
const LONG: usize = 6;

/// What is known of the secrets of a wanted file.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The file with `***` for each secret; `None` if it could not be rendered so.
    masked: Option<String>,
    known: Hider,
    /// It is a file of keys, or one that not everybody may read.
    private: bool,
    /// The file is not the same without its secrets.
    secret: bool,
}

/// Both files as they may be shown, line by line and without line breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// What is on the host.
    pub host: Vec<String>,
    /// What is wanted.
    pub wanted: Vec<String>,
}

impl Wanted {
    /// A file that may hold secrets; `masked` is its text with `***` for each of them.
    pub fn new(masked: Option<String>, known: Hider) -> Self {
        Wanted { masked, known, private: false, secret: true }
    }

    /// A file whose template is given none.
    pub fn plain(known: Hider) -> Self {
        Wanted { masked: None, known, private: false, secret: false }
    }

    /// The same as a file of keys, or one that not everybody may read.
    #[must_use]
    pub fn privately(self, private: bool) -> Self {
        Wanted { private, ..self }
    }

    /// Returns whether the wanted file holds a secret.
    pub fn is_secret(&self, wanted: &str) -> bool {
        self.lines(wanted).iter().any(|line| line.secret)
    }

    /// Returns both files as they may be shown.
    pub fn sides(&self, host: &str, wanted: &str) -> Sides {
        let lines: Vec<Line> = self.lines(wanted);
        let holds = self.private || lines.iter().any(|line| line.secret) || has_private_key(host);
        let host = host.lines().map(|line| if holds { among(line, &lines) } else { self.open(line) });
        Sides {
            host: host.map(|line| self.open(&line)).collect(),
            wanted: lines.into_iter().map(|line| line.shown).collect(),
        }
    }

    /// Returns what stands in the place of the secrets, on both sides: what a template has made of
    /// them, what they were before, and lines of the host that are not shown. Programs may quote it.
    pub fn pieces(&self, host: &str, wanted: &str) -> Vec<String> {
        let lines = self.lines(wanted);
        if !lines.iter().any(|line| line.secret) {
            return Vec::new();
        }
        let own = lines.iter().filter(|line| line.secret).flat_map(Line::pieces);
        let old = host.lines().filter(|line| !is_public(line, &lines)).flat_map(|line| {
            let shape = shape_of(line, &lines).filter(|shape| *shape != HIDDEN);
            shape.map_or_else(|| vec![line.trim()], |shape| captured(shape, line).collect())
        });
        let long = |piece: &String| piece.len() >= LONG;
        own.map(str::to_owned)
            .chain(old.map(str::to_owned).filter(long))
            .filter(|piece| !piece.trim().is_empty())
            .collect()
    }

    fn open(&self, line: &str) -> String {
        telling(&self.known.text(line)).into_owned()
    }

    /// The wanted lines, each beside what may be shown of it.
    fn lines(&self, wanted: &str) -> Vec<Line> {
        let real: Vec<&str> = wanted.lines().collect();
        if !self.secret {
            return real.iter().map(|line| Line::new(line, self.open(line))).collect();
        }
        let Some(masked) = &self.masked else {
            return real.iter().map(|line| Line::new(line, NOT_SHOWN.to_owned())).collect();
        };
        let masked: Vec<&str> = masked.lines().collect();
        let pair = |op: &DiffOp| pairs(op, &real, &masked);
        let paired = capture_diff_slices(Algorithm::Myers, &real, &masked);
        paired.iter().flat_map(pair).map(|(line, shown)| Line::new(line, self.open(&shown))).collect()
    }
}

/// A wanted line.
struct Line {
    real: String,
    shown: String,
    secret: bool,
}

impl Line {
    fn new(real: &str, shown: String) -> Self {
        Line { secret: shown != real, real: real.to_owned(), shown }
    }

    /// What stands in the place of its secrets; all of it where its shape does not tell, as where a
    /// condition of the template hangs on a secret.
    fn pieces(&self) -> Vec<&str> {
        let whole = || Some(self.real.trim()).filter(|line| line.len() >= LONG).into_iter().collect();
        capture(&self.shown, &self.real).unwrap_or_else(whole)
    }
}

/// Lines that became others without the secrets stand side by side, if they are as many. If they are
/// not, there is a secret of several lines: those that fit are taken from both ends, and what is left
/// between them is shown as nothing but `***`.
fn pairs<'a>(op: &DiffOp, real: &[&'a str], masked: &[&str]) -> Vec<(&'a str, String)> {
    let ours = real.get(op.old_range()).unwrap_or_default();
    let theirs = masked.get(op.new_range()).unwrap_or_default();
    let alike = ours.len() == theirs.len();
    let fits = |(line, shape): &(&&str, &&str)| alike || **shape != HIDDEN && capture(shape, line).is_some();
    let head = ours.iter().zip(theirs).take_while(fits).count();
    let rest = |lines: usize| lines.saturating_sub(head);
    let tail = ours
        .iter()
        .rev()
        .zip(theirs.iter().rev())
        .take(rest(ours.len()).min(rest(theirs.len())))
        .take_while(fits)
        .count();
    let shown = |index: usize| match ours.len() - index {
        _ if index < head => theirs.get(index),
        left if left <= tail => theirs.get(theirs.len() - left),
        _ => None,
    };
    ours.iter().enumerate().map(|(index, line)| (*line, shown(index).unwrap_or(&HIDDEN).to_string())).collect()
}

/// A line of the host in a file that holds secrets: as it is if that is wanted and no secret, by
/// its shape if a secret is wanted there.
fn among(line: &str, wanted: &[Line]) -> String {
    if line.trim().is_empty() || is_public(line, wanted) {
        return line.to_owned();
    }
    shape_of(line, wanted).unwrap_or(NOT_SHOWN).to_owned()
}

fn is_public(line: &str, wanted: &[Line]) -> bool {
    wanted.iter().any(|other| !other.secret && other.real == line)
}

/// The wanted line with a secret that a line looks like; the one that says most of it.
fn shape_of<'a>(line: &str, wanted: &'a [Line]) -> Option<&'a str> {
    let alike = |other: &&Line| other.secret && (other.real == line || captured(&other.shown, line).next().is_some());
    wanted.iter().filter(alike).map(|other| other.shown.as_str()).max_by_key(|shape| shape.len())
}

/// What stands in a line where its shape has `***`; nothing if the line has another shape.
fn captured<'a>(shape: &str, line: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
    let found = capture(shape, line).unwrap_or_default();
    found.into_iter()
}

fn capture<'a>(shape: &str, line: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = shape.split(HIDDEN);
    let mut rest = line.strip_prefix(parts.next()?)?;
    let parts: Vec<&str> = parts.collect();
    let (last, middle) = parts.split_last()?;
    let mut found = Vec::new();
    for part in middle {
        let (before, after) = if part.is_empty() { ("", rest) } else { rest.split_once(part)? };
        found.push(before);
        rest = after;
    }
    found.push(rest.strip_suffix(last)?);
    Some(found)
}

/// What stands in a text where its shape has `***`, if it is long enough to be told from other words. Of a
/// text that has another shape, each line is looked at by itself.
pub fn pieces(shape: &str, real: &str) -> Vec<String> {
    let lines = || Wanted::new(Some(shape.to_owned()), Hider::default()).pieces("", real);
    let found = capture(shape, real).map_or_else(lines, |found| found.into_iter().map(str::to_owned).collect());
    found.into_iter().filter(|piece| piece.trim().len() >= 4).collect()
}

fn has_private_key(text: &str) -> bool {
    text.contains("PRIVATE KEY-----")
}

/// Whether a file is known to hold keys or not to be meant for everybody.
pub fn is_private(path: &str, modes: &[&str]) -> bool {
    let keys = [".keys", ".key", ".pem", ".p12", ".pfx", ".secret", ".env", "/shadow", "/gshadow"];
    let closed = |mode: &&str| u32::from_str_radix(mode, 8).is_ok_and(|mode| mode & 0o004 == 0);
    keys.iter().any(|end| path.ends_with(end)) || modes.iter().any(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(masked: &str, secrets: &[&str], host: &str, wanted: &str) -> Sides {
        Wanted::new(Some(masked.to_owned()), Hider::new(secrets.iter().copied())).sides(host, wanted)
    }

    #[test]
    fn what_a_template_made_of_a_secret_is_hidden_too() {
        let shown = sides("up ***\nx\n", &["hunter"], "up OLDER\nx\n", "up HUNTER\nx\n");
        assert_eq!(
            (shown.host, shown.wanted),
            (vec!["up ***".to_owned(), "x".into()], vec!["up ***".into(), "x".into()])
        );
    }

    #[test]
    fn several_secrets_in_a_line_and_one_that_is_a_part_of_the_other() {
        let shown = sides("u *** p *** e\n", &["abc", "abcdef"], "u old1 p old2 e\n", "u abc p abcdef e\n");
        assert_eq!((shown.host[0].as_str(), shown.wanted[0].as_str()), ("u *** p *** e", "u *** p *** e"));
    }

    #[test]
    fn a_secret_of_several_lines_is_hidden_line_by_line() {
        let pem = "-----BEGIN KEY-----\nabcd1234\n-----END KEY-----";
        let shown = sides(
            "a\n***\nb\n",
            &[pem],
            "a\n-----BEGIN KEY-----\nold1\n-----END KEY-----\nb\n",
            &format!("a\n{pem}\nb\n"),
        );
        assert_eq!(shown.wanted, ["a", "***", "***", "***", "b"]);
        assert_eq!(shown.host, ["a", "***", "***", "***", "b"]);
        let shown = sides("t ***\n***\nu=***\n", &[pem, "tok"], "t old\n", &format!("t tok\n{pem}\nu=tok\n"));
        assert_eq!(
            (shown.wanted, shown.host),
            (["t ***", "***", "***", "***", "u=***"].map(str::to_owned).to_vec(), vec!["t ***".to_owned()])
        );
    }

    #[test]
    fn without_a_masked_text_nothing_is_shown() {
        let wanted = Wanted::new(None, Hider::default());
        let shown = wanted.sides("old\n", "new\n");
        assert_eq!((shown.host, shown.wanted), (vec![NOT_SHOWN.to_owned()], vec![NOT_SHOWN.to_owned()]));
    }

    #[test]
    fn a_private_file_shows_no_line_of_the_host_alone() {
        assert!(is_private("/etc/ntp.keys", &["0644"]) && is_private("/etc/x", &["0644", "600"]));
        assert!(!is_private("/etc/chrony.conf", &["0644", "644"]));
        let shown = Wanted::plain(Hider::default()).privately(true).sides("1 M old\n# ours\n", "# ours\n");
        assert_eq!(shown.host, [NOT_SHOWN, "# ours"]);
        let key = "-----BEGIN PRIVATE KEY-----\nMII\n";
        assert_eq!(Wanted::default().sides(key, "x\n").host, [NOT_SHOWN, NOT_SHOWN]);
    }

    #[test]
    fn a_text_that_hangs_on_a_secret_is_a_piece_as_a_whole() {
        assert_eq!(pieces("a *** b", "a HUNTER2 b"), ["HUNTER2"]);
        assert_eq!(pieces("a b", "a b"), [] as [&str; 0]);
        assert_eq!(
            pieces("one\nset ***\nelse", "one\nset HUNTER2\nset --more HUNTER2"),
            ["HUNTER2", "set --more HUNTER2"]
        );
        assert_eq!(pieces("without", "with HUNTER2"), ["with HUNTER2"]);
        let unfilled = Wanted::new(None, Hider::default());
        assert_eq!(unfilled.pieces("", "key HUNTER2\n}\n"), ["key HUNTER2"]);
    }

    #[test]
    fn the_pieces_are_what_programs_may_quote() {
        let wanted = Wanted::new(Some("t *** u\n".into()), Hider::new(["hunter2"]));
        assert_eq!(wanted.pieces("t OLDER1 u\nz\nold line\n", "t HUNTER2 u\n"), ["HUNTER2", "OLDER1", "old line"]);
        let wanted = Wanted::new(Some("a comment\n***\n".into()), Hider::default());
        assert_eq!(wanted.pieces("a comment\nOLDPEM\n", "a comment\nNEWPEM\n"), ["NEWPEM", "OLDPEM"]);
    }
}
