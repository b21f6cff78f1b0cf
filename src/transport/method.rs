//! The programs that give root rights, as data: what they are called with, where they ask, and how
//! a refusal of theirs sounds.

use super::quote::sh;
use crate::inventory::spec::Become;

/// One program that gives root rights.
#[derive(Debug)]
pub(super) struct Method {
    /// The program.
    pub(super) name: &'static str,
    /// Its arguments where nobody can answer on a terminal. `None`: it needs one, whatever it asks.
    /// `PROMPT` stands for our question, `COMMAND` for the quoted text of the shell that it runs.
    plain: Option<&'static str>,
    /// Its arguments on a terminal.
    terminal: &'static str,
    /// Whether it can ask us over its streams; else a password takes a terminal.
    hears: bool,
    /// Whether it asks on its standard streams, so that those have to be the terminal.
    asks_on_streams: bool,
    /// Whose password it asks for, where it does not say so; `None` is the login's own.
    pub(super) of: Option<&'static str>,
    /// Words of a refusal, in small letters, and the way out.
    refusals: &'static [(&'static str, &'static str)],
}

/// Where nothing better is known.
const SEE: &str = "see that the program is installed and that the user may become root";

/// Says that a shell on a terminal may be asked for.
pub(super) const NEEDS_TERMINAL: &str = "must have a tty";

const SHELL: &str = "let sudoers allow `/bin/sh` for this user: all changes are one shell script, and rules for other commands do not help";

const SUDO: Method = Method {
    name: "sudo",
    plain: Some("-S -p PROMPT -- /bin/sh -c COMMAND"),
    terminal: "-p PROMPT -- /bin/sh -c COMMAND",
    hears: true,
    asks_on_streams: false,
    of: None,
    refusals: &[
        (NEEDS_TERMINAL, "write `Defaults:USER !requiretty` into sudoers"),
        ("is not allowed to execute", SHELL),
        ("not allowed to run sudo", SHELL),
        ("i'm afraid i can't do that", SHELL),
        ("not in the sudoers file", "give the user a line in sudoers that allows `/bin/sh`"),
        ("no new privileges", "start sshd without `NoNewPrivileges`: no program can give root rights under it"),
        (
            "must be owned by uid 0 and have the setuid bit",
            "put the setuid bit of sudo back, and mount its disk without `nosuid`",
        ),
        ("account validation failure", "unlock the account, or set a new password: it may have expired"),
        ("password expired", "set a new password for the account"),
        ("syntax error", "mend the sudoers file; `visudo -c` shows the place"),
        (
            "invalid option provided",
            "this sudo-rs knows no `-p`, which came with 0.2.5: renew it, or set another `become`",
        ),
        ("not found", "install sudo, or set another `become`: doas, su, run0"),
    ],
};

const METHODS: &[(Become, Method)] = &[
    (Become::Sudo, SUDO),
    (Become::Dzdo, Method { name: "dzdo", ..SUDO }),
    (
        Become::Doas,
        Method {
            name: "doas",
            // Without a terminal doas cannot ask; -n makes it say so instead of hanging.
            plain: Some("-n /bin/sh -c COMMAND"),
            terminal: "/bin/sh -c COMMAND",
            hears: false,
            asks_on_streams: false,
            of: None,
            refusals: &[("not permitted", "write `permit USER` into /etc/doas.conf"), ("not found", "install doas")],
        },
    ),
    (
        Become::Su,
        Method {
            name: "su",
            plain: None,
            terminal: "-s /bin/sh -c COMMAND root",
            hears: false,
            asks_on_streams: true,
            of: Some("root"),
            refusals: &[
                (
                    "permission denied",
                    "PAM lets only some users become root with su: put this one into its group (often `wheel`)",
                ),
                (
                    "authentication failure",
                    "correct `become_password`: su asks for the password of root; it was tried once",
                ),
                ("account", "unlock the account of root, or set another `become`"),
                ("must be run from a terminal", "set `PermitTTY yes` in the host's sshd_config"),
            ],
        },
    ),
    (
        Become::Run0,
        Method {
            name: "run0",
            plain: None,
            terminal: "--background= -- /bin/sh -c COMMAND",
            hears: false,
            asks_on_streams: true,
            of: None,
            refusals: &[
                (
                    "authentication failed",
                    "correct `become_password`: run0 asks for the password of the user whom polkit names; it was tried once",
                ),
                ("not found", "run0 came with systemd 256; set `become: sudo` on an older host"),
                (
                    "interactive authentication",
                    "install polkit with its agent (pkttyagent), or write a polkit rule for `org.freedesktop.systemd1.manage-units`",
                ),
                ("access denied", "let polkit allow `org.freedesktop.systemd1.manage-units` for this user"),
            ],
        },
    ),
    (Become::Pbrun, on_terminal("pbrun", "/bin/sh -c COMMAND")),
    (Become::Pmrun, on_terminal("pmrun", "/bin/sh -c COMMAND")),
];

/// A program that asks as su does, and that we know from its manual only.
const fn on_terminal(name: &'static str, terminal: &'static str) -> Method {
    Method {
        name,
        plain: None,
        terminal,
        hears: false,
        asks_on_streams: true,
        of: None,
        refusals: &[
            ("not found", "install the program, or set another `become`"),
            ("reject", "let its policy allow `/bin/sh` as root for this user"),
            ("denied", "let its policy allow `/bin/sh` as root for this user"),
        ],
    }
}

impl Method {
    /// The program of a setting; there is none for a login that is root.
    pub(super) fn of(setting: Become) -> Option<&'static Method> {
        METHODS.iter().find(|(method, _)| *method == setting).map(|(_, method)| method)
    }

    /// Whether a terminal is needed from the start.
    pub(super) fn needs_terminal(&self, has_password: bool) -> bool {
        self.plain.is_none() || (has_password && !self.hears)
    }

    /// Whether the question comes on the streams, and not beside them.
    pub(super) fn asks_on_streams(&self) -> bool {
        self.asks_on_streams
    }

    /// The words that run `text` in a shell with root rights, for a shell.
    pub(super) fn command(&self, prompt: &str, text: &str, on_terminal: bool) -> String {
        let arguments = if on_terminal { self.terminal } else { self.plain.unwrap_or(self.terminal) };
        let arguments = arguments.replace("PROMPT", &sh(prompt)).replace("COMMAND", &sh(text));
        format!("{} {arguments}", self.name)
    }

    /// The way out of a refusal.
    pub(super) fn hint(&self, words: &str) -> &'static str {
        let words = words.to_lowercase();
        self.refusals.iter().find(|(sign, _)| words.contains(sign)).map_or(SEE, |(_, hint)| hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_runs_one_shell() {
        for (setting, on_terminal, command) in [
            (Become::Sudo, false, "sudo -S -p 'p %p: ' -- /bin/sh -c 'echo '\\''a'\\'''"),
            (Become::Sudo, true, "sudo -p 'p %p: ' -- /bin/sh -c 'echo '\\''a'\\'''"),
            (Become::Dzdo, false, "dzdo -S -p 'p %p: ' -- /bin/sh -c 'echo '\\''a'\\'''"),
            (Become::Doas, false, "doas -n /bin/sh -c 'echo '\\''a'\\'''"),
            (Become::Su, true, "su -s /bin/sh -c 'echo '\\''a'\\''' root"),
            (Become::Run0, true, "run0 --background= -- /bin/sh -c 'echo '\\''a'\\'''"),
            (Become::Pbrun, true, "pbrun /bin/sh -c 'echo '\\''a'\\'''"),
        ] {
            let method = Method::of(setting).unwrap();
            assert_eq!(method.command("p %p: ", "echo 'a'", on_terminal), command);
        }
        assert!(Method::of(Become::None).is_none());
    }

    #[test]
    fn a_program_that_is_too_old_is_named() {
        for (setting, words, feature) in [
            (Become::Sudo, "sudo: invalid option provided\nusage: sudo -h | -K | -k | -V", "prompt"),
            (Become::Run0, "sh: 1: run0: not found", "run0"),
        ] {
            let hint = Method::of(setting).unwrap().hint(words);
            let row = crate::facts::versions::FEATURES.iter().find(|row| row.name == feature).unwrap();
            assert!(hint.contains(row.since), "{hint}");
        }
        // C sudo's own words for what it does not know are another matter.
        assert_eq!(Method::of(Become::Sudo).unwrap().hint("sudo: invalid option -- 'z'"), SEE);
    }

    #[test]
    fn a_terminal_is_asked_for_where_it_is_needed() {
        for (setting, password, needs) in [
            (Become::Sudo, true, false),
            (Become::Doas, false, false),
            (Become::Doas, true, true),
            (Become::Su, false, true),
            (Become::Run0, false, true),
            (Become::Pmrun, true, true),
        ] {
            assert_eq!(Method::of(setting).unwrap().needs_terminal(password), needs, "{setting:?}");
        }
    }
}
