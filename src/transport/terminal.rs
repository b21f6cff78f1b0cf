//! doas asks for a password on a terminal and nowhere else, and a terminal is no way for a script:
//! it is not clean and has one output. So doas runs on a terminal that carries the question and its
//! answer; its three streams go through named pipes to a plain shell, which carries the script.

use super::quote::sh;

/// What a plain shell says when the pipes are there.
pub(super) const READY: &str = "fc-ready";

/// Both sides of a doas that may ask.
pub(super) struct Terminal {
    /// The command line of the plain shell.
    pub(super) pipes: String,
    /// The command line on the terminal.
    pub(super) command: String,
    /// What comes before it is the login shell's.
    mark: String,
    heard: Vec<u8>,
    /// Where the mark may begin, or where what follows it does.
    from: usize,
    marked: bool,
}

/// What the terminal wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    /// The answer to its first question.
    Answer,
    /// An answer again.
    More,
}

impl Terminal {
    /// `inner` is what doas shall run.
    pub(super) fn new(token: &str, inner: &str) -> Self {
        let (mark, folder) = (format!("fc-ask-{token}"), format!("/tmp/fc-room-{token}"));
        // Nobody waits for ever at a pipe whose other end never comes.
        let pipes = format!(
            "umask 077; d={folder}; mkdir $d && mkfifo $d/in $d/out $d/err || exit; echo {READY}\n\
             (n=0; while [ -e $d ]; do sleep 1; n=$((n + 1)); [ $n -lt 60 ] || {{ rm -rf $d; kill 0; }}; done) \
             </dev/null >/dev/null 2>&1 &\n\
             exec 3<&0; cat <&3 >$d/in & in=$!; cat <$d/err >&2 & err=$!; exec 3<&-\n\
             cat <$d/out; wait $err; kill $in; exit 1"
        );
        // The terminal is gone as soon as nobody has it open: this shell keeps it until doas asks.
        let doas =
            format!("stty -echo; d={folder}; echo {mark}; exec 3>&1 <$d/in >$d/out 2>$d/err; rm -rf $d; doas {inner}");
        let run = |text: &str| format!("exec /bin/sh -c {}", sh(text));
        Terminal { pipes: run(&pipes), command: run(&doas), mark, heard: Vec::new(), from: 0, marked: false }
    }

    /// Takes in what was said there; nothing but questions is.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Wants {
        self.heard.extend_from_slice(bytes);
        if !self.marked {
            let rest = self.heard.get(self.from..).unwrap_or_default();
            let Some(at) = super::driver::find(rest, self.mark.as_bytes()) else {
                self.from = self.heard.len().saturating_sub(self.mark.len());
                return Wants::Nothing;
            };
            (self.from, self.marked) = (self.from + at + self.mark.len(), true);
        }
        let said = self.heard.get(self.from..).unwrap_or_default().trim_ascii_start();
        // A line ends where the question was answered.
        let end = said.iter().position(|byte| *byte == b'\n');
        let more = end.and_then(|end| said.get(end..)).unwrap_or_default().trim_ascii();
        match (said.is_empty(), more.is_empty()) {
            (true, _) => Wants::Nothing,
            (_, true) => Wants::Answer,
            (_, false) => Wants::More,
        }
    }

    /// How much was said there, bytes.
    pub(super) fn len(&self) -> usize {
        self.heard.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_told_from_noise_and_from_a_second_one() {
        let mut terminal = Terminal::new("0123", "/bin/sh");
        for (piece, wants) in [
            ("noise of the login\r\n", Wants::Nothing),
            ("fc-ask", Wants::Nothing),
            ("-0123\r\n", Wants::Nothing),
            ("\rdoas (paula@", Wants::Answer),
            ("h1) password: ", Wants::Answer),
            ("\r\n", Wants::Answer),
            ("Password: ", Wants::More),
        ] {
            assert_eq!(terminal.hear(piece.as_bytes()), wants, "{piece:?}");
        }
    }
}
