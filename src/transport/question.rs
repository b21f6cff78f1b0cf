//! Questions of a login and of a program that gives root rights. What is asked depends on PAM, on policies
//! and on a language; what is certain is that a question is the last thing said, without an end of line.

use super::factor::wants_other;

/// What a program that gives root rights wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    /// The answer to its first question.
    Answer,
    /// The password again.
    Again,
    /// Something else than the password: its words.
    More(String),
}

/// The questions on one stream.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// Where what came after our answer begins.
    answered: Option<usize>,
    /// The words of the first question.
    first: String,
}

impl Questions {
    /// Looks at all that was said. `quiet`: nothing has come for a while, so that what stands there
    /// is no half of a line.
    pub(super) fn look(&mut self, said: &[u8], ours: &str, quiet: bool) -> Wants {
        let said_len = said.len();
        let answered = self.answered.unwrap_or(0);
        let from = answered.max(said_len.saturating_sub(LONGEST));
        let text = String::from_utf8_lossy(said.get(from..).unwrap_or_default()).into_owned();
        let (before, line) = text.rsplit_once('\n').unwrap_or(("", &text));
        let line = visible(line);
        let Some((own, is_ours)) = theirs(&line, ours) else { return Wants::Nothing };
        let known = is_ours || own.to_lowercase().ends_with("password:");
        if line.is_empty() || !(known || quiet) {
            return Wants::Nothing;
        }
        if wants_other(own) {
            return Wants::More(own.to_owned());
        }
        if self.answered.is_none() {
            self.first = line;
            self.answered = Some(said_len);
            return Wants::Answer;
        }
        let refused = REFUSED.iter().any(|sign| before.to_lowercase().contains(sign));
        if line == self.first || is_ours || refused { Wants::Again } else { Wants::More(line) }
    }

    /// What was said after the answer, in plain text.
    pub(super) fn after(&self, said: &[u8]) -> String {
        let rest = said.get(self.answered.unwrap_or(0)..).unwrap_or_default();
        String::from_utf8_lossy(rest).lines().map(|line| visible(line) + "\n").collect()
    }

    /// The user whose password was asked for, where our question was used.
    pub(super) fn user(&self, ours: &str) -> Option<String> {
        let (_, rest) = self.first.split_once(ours)?;
        let name = rest.trim_start().split(':').next().unwrap_or_default().trim();
        (!name.is_empty() && !name.contains('%')).then(|| name.to_owned())
    }
}

/// How far back a question is looked for, bytes.
const LONGEST: usize = 4096;

/// Said of a password that was refused.
const REFUSED: &[&str] = &["sorry", "incorrect", "fail", "wrong", "again"];

/// What a program asks in its own words, and whether our question is there as a whole: it ends with a colon.
/// sudo-rs puts ours into brackets and that of PAM behind them; `None` is what has no bracket at its end yet.
fn theirs<'a>(line: &'a str, ours: &str) -> Option<(&'a str, bool)> {
    let Some((before, rest)) = line.split_once(ours).filter(|_| !ours.is_empty()) else { return Some((line, false)) };
    if !before.ends_with(BRACKET) {
        return Some(("", rest.contains(':')));
    }
    rest.split_once(']').map(|(_, own)| (own.trim(), own.trim_end().ends_with(':')))
}

/// How sudo-rs begins its questions.
const BRACKET: &str = "[sudo: ";

/// Without colours, and without what is only there to move the cursor.
fn visible(line: &str) -> String {
    let mut plain = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                let _ = chars.by_ref().find(char::is_ascii_alphabetic);
            }
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces as they came from real programs; `.` is a while without a word.
    fn play(pieces: &[&str]) -> Vec<Wants> {
        let (mut asked, mut said, mut wants) = (Questions::default(), String::new(), Vec::new());
        for piece in pieces {
            if *piece != "." {
                said.push_str(piece);
            }
            match asked.look(said.as_bytes(), "fc-p", *piece == ".") {
                Wants::Nothing => {}
                other => wants.push(other),
            }
        }
        wants
    }

    #[test]
    fn one_question_is_one_answer() {
        for pieces in [
            &["We trust you ... these things:", "\n  #1) Respect\n", "fc-p for root: "][..],
            &["fc-p for ro", "ot: ", "."],
            &["[sudo: fc-p for admin: ] Password: "],
            &["[sudo: fc-p for admin: ", ".", "] Pass", "word: ", ".", "\n"],
            &["fc-p for otp: ", "\n"],
            &["[sudo] password for token: ", "."],
            &["Password: ", "\r\n", "."],
            &["\u{1b}[0mAuthenticating as: root\r\n", "Password: ", "\r\n", "\u{1b}[1;31m"],
            &["doas (paula@h1) password: ", "\r\n"],
            &["암호: ", ".", "\r\n", "."],
            &["Passwort für ops: ", ".", "\n"],
            &["[corp] your secret", "."],
        ] {
            assert_eq!(play(pieces), [Wants::Answer], "{pieces:?}");
        }
        assert_eq!(play(&["half of a li", "ne\n", "."]), []);
    }

    #[test]
    fn the_same_question_again_is_a_refusal_and_another_one_is_another_factor() {
        for pieces in [
            &["fc-p for root: ", "Sorry, try again.\nfc-p for root: "][..],
            &[
                "[sudo: fc-p for admin: ] Password: ",
                "\nsudo-rs: Authentication failed, try again.\n[sudo: fc-p for admin: ] Password: ",
            ],
            &["암호: ", ".", "\r\n미안합니다.\r\n암호: ", "."],
            &["Passwort: ", ".", "\r\nSorry, try again.\r\nPasswort für ops: ", "."],
        ] {
            assert_eq!(play(pieces).last(), Some(&Wants::Again), "{pieces:?}");
        }
        let more = play(&["fc-p for ops: ", "\nVerification code: ", "."]);
        assert_eq!(more, [Wants::Answer, Wants::More("Verification code:".into())]);
    }

    #[test]
    fn a_first_question_for_a_factor_or_a_choice_gets_no_password() {
        for (pieces, words) in [
            (
                &[
                    "==== AUTHENTICATING ====\nMultiple identities can be used for authentication:\n 1.  ops\n 2.  eve\n\
                   Choose identity to authenticate as (1-2): ",
                    ".",
                ][..],
                "Choose identity to authenticate as (1-2):",
            ),
            (
                &["Duo two-factor login for ops\n\n 1. Duo Push\n\nPasscode or option (1-1): ", "."],
                "Passcode or option (1-1):",
            ),
            (&["Verification code: ", "."], "Verification code:"),
            (&["One-time password: "], "One-time password:"),
            (&["[sudo: fc-p for admin: ", "] Verification", " code: "], "Verification code:"),
        ] {
            assert_eq!(play(pieces), [Wants::More(words.into())], "{pieces:?}");
        }
    }

    #[test]
    fn our_question_says_whose_password_it_is_about() {
        for (said, user) in [
            ("fc-p for root: ", Some("root")),
            ("[sudo: fc-p for admin: ] Password: ", Some("admin")),
            ("fc-p for %p: ", Some("")),
            ("Password: ", None),
        ] {
            let mut asked = Questions::default();
            asked.look(said.as_bytes(), "fc-p for", true);
            assert_eq!(asked.user("fc-p for"), user.filter(|name| !name.is_empty()).map(str::to_owned), "{said}");
        }
    }
}
