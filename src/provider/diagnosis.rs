//! What a diagnosis has to know of a time service, beside what `verify` knows of it. Where a service has no answer the
//! usual one stands, and the rules that would need another stay silent.

use std::net::IpAddr;

use super::config::{Config, Language, UNKNOWN};
use super::started::CommandLine;

/// What a time service answers to the questions of `doctor`.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Who has asked it for time.
    pub visitors: Vec<Visitor>,
    /// What it says of the choice of its sources.
    pub choices: Vec<Choice>,
    /// What it says of the packets of its sources.
    pub packets: Vec<Packets>,
    /// How many of its sources it has been told to leave alone for now.
    pub offline: u32,
    /// Sources with NTS: address, and whether it has cookies for them.
    pub nts: Vec<(String, bool)>,
}

/// Somebody who has asked the service for time.
#[derive(Debug, Clone, PartialEq)]
pub struct Visitor {
    /// Its address.
    pub address: IpAddr,
    /// Questions that were not answered on purpose.
    pub drops: u64,
    /// Seconds since its last question.
    pub last: f64,
}

/// What the service says of the choice of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Numeric address.
    pub address: String,
    /// chronyd's letter of `selectdata`; a blank of ntpd.
    pub state: char,
    /// chronyd's options of the source as it uses them: `NPTR`.
    pub options: String,
    /// ntpd's reasons not to trust it, a bit each (`flash`).
    pub flash: u32,
}

/// What chronyd says of the packets of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packets {
    /// Numeric address.
    pub address: String,
    /// The port that is asked.
    pub port: u16,
    /// The tests of the last answer: ten digits, 0 is failed.
    pub tests: String,
    /// Questions.
    pub sent: u64,
    /// Answers.
    pub received: u64,
    /// Answers that were good for a measurement.
    pub good: u64,
}

/// The program by which a time service says what it does.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What installs it.
    pub install: &'static str,
    /// Whether it asks by the loopback interface, as any client would.
    pub by_loopback: bool,
    /// Whether it can change what the service does while it runs, and says every source by its address.
    pub commands: bool,
    /// Whether it says whom the service serves.
    pub says_access: bool,
}

/// A line of the configuration that keeps a service from answering its own tool.
#[derive(Debug, Clone)]
pub struct Gag {
    /// The line.
    pub line: String,
    /// What it does, after the line.
    pub does: String,
    /// Lines that let the tool ask again, where the line itself has another purpose, too.
    pub opened_by: Option<&'static [&'static str]>,
}

/// A source that was heard, and what may be said against it.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// What the service says of it.
    pub choice: Option<&'a Choice>,
    /// Its stratum, by its own answer.
    pub stratum: u8,
    /// How many sources of the service answer.
    pub good: usize,
}

/// What a diagnosis has to know of a time service.
pub trait Diagnosis {
    /// Returns the parts of the script of `doctor` that are about this service: its `evidence.sh`.
    fn evidence(&self) -> &'static str {
        ""
    }

    /// Returns the words in @ that those parts have, and what they stand for.
    fn words(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Reads what they printed; `text` is that of a part.
    fn read<'a>(&self, _text: &dyn Fn(&str) -> &'a str) -> Said {
        Said::default()
    }

    /// Returns what is particular to its configuration.
    fn language(&self) -> &'static Language {
        &UNKNOWN
    }

    /// Returns its own tool, if it has one.
    fn tool(&self) -> Option<Tool> {
        None
    }

    /// Returns whether it shows every source that it has, and not only the one that it asks now.
    fn shows_all_sources(&self) -> bool {
        true
    }

    /// Returns the file that names sources after the one that is managed, of `config`, which is what was read of all
    /// of them.
    fn last_word<'a>(&self, _config: &'a str) -> Option<&'a str> {
        None
    }

    /// Returns what keeps the servers of DHCP out, where no line of the managed file lets them in.
    fn without_dhcp(&self) -> Option<&'static str> {
        None
    }

    /// Returns regular expressions of what it writes into the journal when the clock jumped.
    fn jumps(&self) -> &'static [&'static str] {
        &[]
    }

    /// Returns how its command line is read, if that decides what rules.
    fn command_line(&self) -> Option<&'static CommandLine> {
        None
    }

    /// Returns the file where a system keeps the options that it is started with.
    fn defaults(&self, _file: &str, _unit: &str) -> Option<&'static str> {
        None
    }

    /// Returns whether its configuration lets an address ask; `None` where that cannot be told.
    fn lets_ask(&self, _config: &Config, _from: IpAddr) -> Option<bool> {
        None
    }

    /// Returns the line that lets an address ask.
    fn allowing(&self, _from: IpAddr) -> Option<String> {
        None
    }

    /// Returns how its configuration refuses an address, as it is said where its tool does not say it.
    fn refusing(&self, from: IpAddr) -> String {
        format!("its configuration does not let {from} ask")
    }

    /// Returns why it opens no port though it runs, if its configuration lets nobody ask.
    fn is_closed(&self, _config: &Config) -> Option<&'static str> {
        None
    }

    /// Returns the line that keeps it from answering its own tool.
    fn gag(&self, _config: &Config) -> Option<Gag> {
        None
    }

    /// Returns the line that makes it throw away the answers of a source.
    fn refuses_answers(&self, _config: &Config, _source: IpAddr) -> Option<String> {
        None
    }

    /// Returns whether it takes a key for trusted.
    fn trusts_key(&self, _config: &Config, _key: &str) -> bool {
        true
    }

    /// Returns the line that tells it not to move the clock.
    fn told_not_to_set(&self, _config: &Config) -> Option<String> {
        None
    }

    /// Returns the line that keeps it from following a source that it has heard, and the reason.
    fn setting(&self, _config: &Config, _heard: Heard<'_>) -> Option<(String, &'static str)> {
        None
    }

    /// Returns whether it counts a source that such a line keeps out as not heard.
    fn drops_by_settings(&self) -> bool {
        false
    }

    /// Returns the greatest root distance of a source that it follows, seconds, and the directive that sets it.
    fn max_distance(&self, _config: &Config) -> Option<(f64, &'static str)> {
        None
    }

    /// Returns whether it keeps a list of those who ask; `lacks` are the features that the host does not have.
    fn lists_visitors(&self, _config: &Config, _lacks: &[&str]) -> bool {
        true
    }

    /// Returns the offset above which it ends, seconds.
    fn gives_up_above_s(&self) -> Option<f64> {
        None
    }

    /// Returns whether it slews an offset however great it is, unless it is told to step.
    fn slews_whatever(&self) -> bool {
        false
    }
}
