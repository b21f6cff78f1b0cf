//! A login by questions (keyboard-interactive, RFC 4256).

use std::net::Shutdown;
use std::os::fd::OwnedFd;

use socket2::SockRef;
use ssh2::{KeyboardInteractivePrompt, Prompt};

use crate::transport::factor::wants_other;

/// Answers the first hidden question of a login with the password, and no other with anything.
pub(super) struct Answer<'a> {
    password: &'a str,
    /// Where the conversation is ended.
    socket: &'a OwnedFd,
    /// Whether the password was given; it may be on its way.
    pub(super) given: bool,
    rounds: u32,
    /// What was asked that we do not answer.
    pub(super) asked: Option<String>,
}

/// A server may say something in a round without a question; this many are enough.
const ROUNDS: u32 = 16;

impl<'a> Answer<'a> {
    pub(super) fn new(password: &'a str, socket: &'a OwnedFd) -> Self {
        Answer { password, socket, given: false, rounds: 0, asked: None }
    }

    /// The question among these that has no answer here.
    fn unanswered(&self, questions: &[Prompt<'_>]) -> Option<String> {
        let mut hidden = usize::from(self.given);
        let unanswered = questions.iter().find(|question| {
            hidden += usize::from(!question.echo);
            question.echo || hidden > 1 || wants_other(&question.text)
        });
        match unanswered {
            Some(question) => Some(question.text.trim().chars().take(80).collect()),
            None => (self.rounds > ROUNDS).then(|| "nothing, again and again".to_owned()),
        }
    }

    /// How it went, for the list of what was tried.
    pub(super) fn words(&self) -> String {
        match (&self.asked, self.given) {
            (None, _) => "keyboard-interactive".to_owned(),
            (Some(asked), true) => {
                format!("keyboard-interactive (the password was given once; then the server asked `{asked}`)")
            }
            (Some(asked), false) => {
                format!("keyboard-interactive (the server asked `{asked}`, and the password was not given)")
            }
        }
    }
}

impl KeyboardInteractivePrompt for Answer<'_> {
    fn prompt<'b>(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'b>]) -> Vec<String> {
        self.rounds += 1;
        self.asked = self.asked.take().or_else(|| self.unanswered(prompts));
        if self.asked.is_some() {
            // There is no other way to end the conversation; nothing is sent any more.
            let _ = SockRef::from(self.socket).shutdown(Shutdown::Both);
            return Vec::new();
        }
        self.given |= !prompts.is_empty();
        prompts.iter().map(|_| self.password.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    fn question(text: &str, echo: bool) -> Prompt<'_> {
        Prompt { text: text.into(), echo }
    }

    /// The answers to each round, and what is said of it.
    fn talk(rounds: &[&[(&str, bool)]]) -> (Vec<String>, String, bool) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let ours = OwnedFd::from(ours);
        let mut answer = Answer::new("pw", &ours);
        let mut answers = Vec::new();
        for round in rounds {
            let questions: Vec<_> = round.iter().map(|(text, echo)| question(text, *echo)).collect();
            answers.extend(answer.prompt("u", "", &questions));
        }
        theirs.set_nonblocking(true).unwrap();
        let ended = theirs.read(&mut [0]).is_ok();
        (answers, answer.words(), ended)
    }

    #[test]
    fn the_password_answers_the_first_hidden_question_and_no_other() {
        let (answers, words, ended) = talk(&[&[("Password: ", false)], &[]]);
        assert_eq!((answers, words.as_str(), ended), (vec!["pw".to_owned()], "keyboard-interactive", false));
        let (answers, words, ended) = talk(&[&[("Password: ", false)], &[("One-time code: ", false)]]);
        assert_eq!((answers, ended), (vec!["pw".to_owned()], true));
        assert!(words.ends_with("given once; then the server asked `One-time code:`)"), "{words}");
        for round in [&[("Password: ", false), ("Code: ", false)], &[("Code: ", true), ("Password: ", false)]] {
            let (answers, words, ended) = talk(&[round]);
            assert_eq!((answers, ended), (Vec::<String>::new(), true));
            assert!(words.contains("asked `Code:`, and the password was not given"), "{words}");
        }
    }

    #[test]
    fn a_second_factor_does_not_get_the_password() {
        for text in ["Verification code: ", "(ops@h) YubiKey for `ops': ", "Password & verification code: "] {
            let (answers, words, ended) = talk(&[&[(text, false)]]);
            assert_eq!((answers, ended), (Vec::<String>::new(), true), "{text}");
            assert!(words.contains("and the password was not given"), "{words}");
        }
        for text in ["Password: ", "Password for ops@pincode.example: ", "Passwort: "] {
            assert_eq!(talk(&[&[(text, false)]]).0, ["pw"], "{text}");
        }
    }

    #[test]
    fn a_server_that_asks_nothing_for_ever_is_left() {
        let rounds = [&[][..]; 20];
        let (answers, words, ended) = talk(&rounds);
        assert!(answers.is_empty() && ended && words.contains("again and again"), "{words}");
    }
}
