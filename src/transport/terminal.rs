//! Most programs that give root rights ask for a password on a terminal and nowhere else, and a terminal
//! is no way for a script: it is not clean and has one output. So the program runs on a terminal that
//! carries the question and its answer; the three streams of the shell go through named pipes to a
//! plain shell of the user, which carries the script.

use std::time::Duration;

use super::method::Method;
use super::quote::sh;

/// What a plain shell says when the pipes are there.
pub(super) const READY: &str = "fc-ready";

/// Begins what is said when the login shell has run our command.
pub(super) const BEGUN: &str = "fc-begin-";

/// Both sides of a program that may ask.
pub(super) struct Terminal {
    /// The command line of the plain shell.
    pub(super) pipes: String,
    /// The command line on the terminal.
    pub(super) command: String,
}

impl Terminal {
    /// `begin` is said when the login shell has run our text, `shell` is the text that gets root rights; it may take
    /// as long to come as the script has.
    pub(super) fn new(
        method: &Method,
        token: &str,
        prompt: &str,
        begin: &str,
        shell: &str,
        deadline: Duration,
    ) -> Self {
        let longest = deadline.as_secs() + 2;
        let folder = format!("/tmp/fc-room-{token}");
        // Nobody waits for ever at a pipe whose other end never comes. One line: csh takes no more in quotes.
        let pipes = format!(
            "umask 077; d={folder}; echo {begin}; mkdir $d && mkfifo $d/in $d/out $d/err || exit; echo {READY}; \
             (n=0; while [ -e $d ]; do sleep 1; n=$((n + 1)); [ $n -lt {longest} ] || {{ rm -rf $d; kill 0; }}; done) \
             </dev/null >/dev/null 2>&1 & \
             exec 3<&0; cat <&3 >$d/in & in=$!; cat <$d/err >&2 & err=$!; exec 3<&-; \
             cat <$d/out; wait $err; kill $in; exit 1"
        );
        let open = "exec <$d/in >$d/out 2>$d/err; rm -rf $d";
        let (before, shell) = if method.asks_on_streams() {
            (String::new(), format!("d={folder}; {open}; {shell}"))
        } else {
            // The terminal is gone as soon as nobody has it open: this shell keeps it until the question.
            ("exec 3>&1 <$d/in >$d/out 2>$d/err; rm -rf $d; ".to_owned(), shell.to_owned())
        };
        let run = method.command(prompt, &shell, true);
        // Whoever waits at the pipes of a shell that never came is let go.
        let command = format!(
            "{ENGLISH}stty -echo; d={folder}; echo {begin}; {before}{run}; n=$?; [ ! -e $d ] || {{ {open}; }}; exit $n"
        );
        Terminal { pipes: started(&pipes), command: started(&command) }
    }
}

/// The words of programs are read in one language; a login's own may be any.
pub(super) const ENGLISH: &str =
    "LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; ";

/// A command line that any login shell understands.
pub(super) fn started(text: &str) -> String {
    format!("exec /bin/sh -c {}", sh(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::spec::Become;

    #[test]
    fn a_slow_program_has_the_time_of_its_script() {
        let method = Method::of(Become::Su).unwrap();
        let terminal = Terminal::new(method, "t", "p", "b", "true", Duration::from_secs(90));
        assert!(terminal.pipes.contains("[ $n -lt 92 ]"), "{}", terminal.pipes);
    }
}
