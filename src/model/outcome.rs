//! How questions to a time source ended, from the port that the kernel chose and from port 123.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::word::Unknown;

/// How questions to a source ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Outcome {
    /// It answered with synchronised time.
    Ok,
    /// It never answered.
    #[default]
    Timeout,
    /// Nobody listens there.
    Refused,
    /// There is no way to it.
    Unreachable,
    /// A packet filter of the asking host itself has stopped the question.
    Filtered,
    /// It refuses to serve, and says why, if that is known here.
    Kiss(Option<Kiss>),
    /// It answered that its own clock is not set.
    Unsynchronised,
    /// It answered with something that cannot be used.
    Invalid,
    /// Its name leads to no address.
    Unresolved,
    /// The host has nothing to ask with.
    NoProbe,
    /// It could not be asked: another program holds the port to ask from.
    Held,
    /// It could not be asked: the user may not ask from that port.
    NoPermission,
}

/// The words but for those of a kiss with its code.
const WORDS: [(Outcome, &str); 12] = [
    (Outcome::Ok, "ok"),
    (Outcome::Timeout, "timeout"),
    (Outcome::Refused, "refused"),
    (Outcome::Unreachable, "unreachable"),
    (Outcome::Filtered, "filtered"),
    (Outcome::Kiss(None), KISS),
    (Outcome::Unsynchronised, "unsynchronised"),
    (Outcome::Invalid, "invalid"),
    (Outcome::Unresolved, "unresolved"),
    (Outcome::NoProbe, "no_probe"),
    (Outcome::Held, "held"),
    (Outcome::NoPermission, "no_permission"),
];

const KISS: &str = "kiss";

impl Outcome {
    /// All words, that of a kiss without its code.
    #[cfg(test)]
    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|(_, word)| *word)
    }

    /// Returns the outcome of a word of the report.
    fn read(text: &str) -> Option<Outcome> {
        match text.strip_prefix(KISS).and_then(|rest| rest.strip_prefix(' ')) {
            Some(code) => Some(Outcome::Kiss(Some(Kiss::of(code)))),
            None => WORDS.iter().find(|(_, word)| *word == text).map(|(outcome, _)| *outcome),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Kiss(Some(code)) => f.pad(&format!("{KISS} {code}")),
            _ => f.pad(WORDS.iter().find(|(outcome, _)| outcome == self).map_or("", |(_, word)| word)),
        }
    }
}

impl From<Outcome> for String {
    fn from(outcome: Outcome) -> String {
        outcome.to_string()
    }
}

impl TryFrom<String> for Outcome {
    type Error = Unknown;

    fn try_from(text: String) -> Result<Outcome, Unknown> {
        Outcome::read(&text).ok_or_else(|| Unknown::new("outcome of a measurement", text))
    }
}

/// The code with which a source refuses to serve (RFC 5905, section 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Kiss {
    /// It is asked too often.
    Rate,
    /// It does not serve this host.
    Deny,
    /// It serves nobody of this kind.
    Rstr,
    /// Another one, of its own.
    Other([u8; 4]),
}

impl Kiss {
    /// Returns a code by its four letters. What is neither letter nor digit is `?`: a server may write anything.
    pub fn of(text: &str) -> Kiss {
        match text {
            "RATE" => Kiss::Rate,
            "DENY" => Kiss::Deny,
            "RSTR" => Kiss::Rstr,
            _ => {
                let mut letters = text.chars().map(|c| if c.is_ascii_alphanumeric() { c as u8 } else { b'?' });
                Kiss::Other([0; 4].map(|_: u8| letters.next().unwrap_or(b'?')))
            }
        }
    }
}

impl fmt::Display for Kiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kiss::Rate => f.pad("RATE"),
            Kiss::Deny => f.pad("DENY"),
            Kiss::Rstr => f.pad("RSTR"),
            Kiss::Other(code) => f.pad(&code.map(char::from).iter().collect::<String>()),
        }
    }
}

impl From<Kiss> for String {
    fn from(kiss: Kiss) -> String {
        kiss.to_string()
    }
}

impl From<String> for Kiss {
    fn from(text: String) -> Kiss {
        Kiss::of(&text)
    }
}

/// How a source answers questions from source port 123.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Port123 {
    /// So ended our own questions from there.
    Asked(Outcome),
    /// The time service of the host asks from there itself, and is answered.
    Service,
    /// It answers one time, and not the next.
    Unsure,
}

/// Words beside those of an outcome.
pub(super) const SERVICE: &str = "service";
pub(super) const UNSURE: &str = "unsure";

impl Port123 {
    /// Returns whether questions from port 123 are answered; `None` where it is not known.
    pub fn answers(self) -> Option<bool> {
        use Outcome::*;
        match self {
            Port123::Service | Port123::Asked(Ok | Kiss(_) | Unsynchronised | Invalid) => Some(true),
            Port123::Asked(Timeout | Refused | Unreachable | Filtered) => Some(false),
            Port123::Unsure | Port123::Asked(Held | NoPermission | Unresolved | NoProbe) => None,
        }
    }
}

impl fmt::Display for Port123 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Port123::Asked(outcome) => outcome.fmt(f),
            Port123::Service => f.pad(SERVICE),
            Port123::Unsure => f.pad(UNSURE),
        }
    }
}

impl From<Port123> for String {
    fn from(port: Port123) -> String {
        port.to_string()
    }
}

impl TryFrom<String> for Port123 {
    type Error = Unknown;

    fn try_from(text: String) -> Result<Port123, Unknown> {
        match text.as_str() {
            SERVICE => Ok(Port123::Service),
            UNSURE => Ok(Port123::Unsure),
            _ => Outcome::read(&text)
                .map(Port123::Asked)
                .ok_or_else(|| Unknown::new("outcome from source port 123", text)),
        }
    }
}

/// What has measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Prober {
    /// The program that travels to the host.
    Static,
    /// bash on the host, where the program does not run.
    Bash,
    /// PowerShell on a Windows host.
    Powershell,
    /// `w32tm /stripchart` on a Windows host.
    W32tm,
    /// This machine.
    #[default]
    Local,
    /// Nothing: the host has neither.
    None,
}

impl Prober {
    /// Returns the word of the report.
    pub fn word(self) -> &'static str {
        match self {
            Prober::Static => "static",
            Prober::Bash => "bash",
            Prober::Powershell => "powershell",
            Prober::W32tm => "w32tm",
            Prober::Local => "local",
            Prober::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_is_written() {
        let outcomes = WORDS.iter().map(|(outcome, _)| *outcome);
        let kisses = [Kiss::Rate, Kiss::Deny, Kiss::Rstr, Kiss::of("XNOW")].map(|code| Outcome::Kiss(Some(code)));
        for outcome in outcomes.chain(kisses) {
            let text = outcome.to_string();
            assert!(!text.is_empty() && Outcome::try_from(text.clone()).unwrap() == outcome, "{text}");
            assert_eq!(Port123::try_from(text).unwrap(), Port123::Asked(outcome));
        }
        assert_eq!(Outcome::Kiss(Some(Kiss::Rate)).to_string(), "kiss RATE");
        for port in [Port123::Service, Port123::Unsure] {
            assert_eq!(Port123::try_from(port.to_string()).unwrap(), port);
        }
        let unknown = Outcome::try_from("fine".to_owned()).unwrap_err();
        assert_eq!(unknown.to_string(), "`fine` is no outcome of a measurement");
        assert!(Port123::try_from("fine".to_owned()).is_err() && Outcome::try_from("service".to_owned()).is_err());
    }

    #[test]
    fn a_code_is_four_letters_whatever_a_server_writes() {
        for (text, shown) in
            [("RATE", "RATE"), ("XNOW", "XNOW"), ("\u{1b}[2J more", "??2J"), ("X", "X???"), ("", "????")]
        {
            assert_eq!(Kiss::of(text).to_string(), shown);
        }
    }
}
