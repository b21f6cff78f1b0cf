//! What is asked on a host, and what the answers say.

use std::net::IpAddr;

use crate::config::{Directive, Files, Language, READ};
use crate::facts::Facts;
use crate::model::Slice;
use crate::provider::HERE;

/// What was read of a Linux host.
#[derive(Debug, Clone)]
pub struct Linux {
    /// Its facts.
    pub facts: Facts,
    /// The time services that run.
    pub processes: Vec<Process>,
    /// Their files, and those that are there.
    pub files: Files,
    /// What systemd-timesyncd says of its servers, `KEY=value` lines.
    pub told: String,
    /// Who asks it.
    pub clients: Vec<IpAddr>,
}

/// A time service that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The name of the program, as the kernel has it.
    pub program: String,
    /// What it was started with.
    pub arguments: Vec<String>,
}

/// A time service of a Linux host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Chrony,
    Ntpd,
    Openntpd,
    NtpdRs,
    Timesyncd,
}

/// A service, the units that it goes by, its program, its language and its files.
struct Row {
    service: Service,
    name: &'static str,
    units: &'static [&'static str],
    program: &'static str,
    language: Language,
    option: &'static str,
    files: &'static [&'static str],
}

/// Those that set a clock best first: of two that run, the first is the one that is kept.
const SERVICES: &[Row] = &[
    Row {
        service: Service::Chrony,
        name: "chrony",
        units: &["chrony", "chronyd"],
        program: "chronyd",
        language: Language::Chrony,
        option: "-f",
        files: &["/etc/chrony/chrony.conf", "/etc/chrony.conf"],
    },
    Row {
        service: Service::Openntpd,
        name: "openntpd",
        units: &["openntpd"],
        program: "openntpd",
        language: Language::Openntpd,
        option: "-f",
        files: &["/etc/openntpd/ntpd.conf", "/etc/ntpd.conf"],
    },
    Row {
        service: Service::Ntpd,
        name: "ntpd",
        units: &["ntpsec", "ntp", "ntpd"],
        program: "ntpd",
        language: Language::Ntp,
        option: "-c",
        files: &["/etc/ntpsec/ntp.conf", "/etc/ntp.conf"],
    },
    Row {
        service: Service::NtpdRs,
        name: "ntpd-rs",
        units: &["ntpd-rs"],
        program: "ntp-daemon",
        language: Language::Toml,
        option: "-c",
        files: &["/etc/ntpd-rs/ntp.toml"],
    },
    Row {
        service: Service::Timesyncd,
        name: "timesyncd",
        units: &["systemd-timesyncd"],
        program: "systemd-timesyn",
        language: Language::Ini,
        option: "",
        files: &["/etc/systemd/timesyncd.conf"],
    },
];

/// Returns the parts that are asked: their names, and text for the host's shell.
pub fn asks() -> Vec<(&'static str, String)> {
    let text = include_str!("read.sh");
    let parts = text.split("\n#: ").skip(1).filter_map(|part| part.split_once('\n'));
    parts.map(|(name, body)| (name, format!("{READ}\n{}", body.replace("@HERE@", HERE)))).collect()
}

impl Linux {
    /// Reads the answers, in the order of [`asks`].
    pub fn parse(facts: Facts, answers: &[Slice]) -> Self {
        let text = |index: usize| answers.get(index).map_or("", |slice| slice.stdout.as_str());
        Linux {
            facts,
            processes: text(0).lines().filter_map(process).collect(),
            files: Files::parse(text(1)),
            told: text(2).to_owned(),
            clients: clients(text(3)),
        }
    }

    /// The service that is, or would be, the host's, and its configuration.
    pub(super) fn service(&self) -> Option<Found<'_>> {
        let active = |row: &&Row| row.units.iter().any(|unit| self.facts.units.get(*unit).is_some_and(|u| u.active));
        let runs = |row: &&Row| self.processes.iter().any(|process| process.program == row.program);
        let enabled = |row: &&Row| {
            let on = |unit: &&str| self.facts.units.get(*unit).is_some_and(|unit| unit.enabled == "enabled");
            row.units.iter().any(on)
        };
        let ways: [&dyn Fn(&&Row) -> bool; 4] = [&active, &runs, &enabled, &|row| self.config(row, &[]).is_some()];
        let row = ways.iter().find_map(|way| SERVICES.iter().find(|row| way(row)))?;
        let process = self.processes.iter().find(|process| process.program == row.program);
        let arguments = process.map(|process| process.arguments.as_slice()).unwrap_or_default();
        let beside = SERVICES.iter().filter(|other| other.service != row.service && active(other));
        Some(Found {
            service: row.service,
            name: row.name,
            language: row.language,
            file: self.config(row, arguments),
            standard: row.files,
            arguments,
            beside: beside.map(|other| other.name).collect(),
        })
    }

    /// The file that it loads: the one that it was told to, else the first that is there.
    fn config(&self, row: &Row, arguments: &[String]) -> Option<String> {
        let told = told(arguments, row.option).filter(|_| !row.option.is_empty());
        let there = row.files.iter().find(|file| self.files.text(file).is_some());
        told.or_else(|| there.map(|file| (*file).to_owned()))
    }
}

/// The value of an option, behind it or in the next word.
fn told(arguments: &[String], option: &str) -> Option<String> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix(option) {
            Some("") => return words.next().cloned(),
            Some(value) if value.starts_with('/') => return Some(value.to_owned()),
            _ => {}
        }
    }
    None
}

/// The service of a host.
pub(super) struct Found<'a> {
    pub(super) service: Service,
    pub(super) name: &'static str,
    pub(super) language: Language,
    /// The file that it loads; none has a service that goes by what is built into it.
    pub(super) file: Option<String>,
    /// The files that fleetclock writes.
    pub(super) standard: &'static [&'static str],
    /// What it was started with.
    pub(super) arguments: &'a [String],
    /// Other services that run.
    pub(super) beside: Vec<&'static str>,
}

impl Found<'_> {
    /// Its directives, in the order in which it takes them.
    pub(super) fn directives(&self, files: &Files) -> Vec<Directive> {
        let Some(file) = &self.file else { return Vec::new() };
        let mut list = files.directives(self.language, file);
        if self.service == Service::Timesyncd {
            let mut more: Vec<&str> = files.names().filter(|name| name.contains("/timesyncd.conf.d/")).collect();
            // In the order in which it reads them. One of the same name in another folder would hide one: all are said.
            more.sort_by_key(|name| name.rsplit('/').next());
            list.extend(more.into_iter().flat_map(|name| files.directives(self.language, name)));
        }
        list
    }
}

fn process(line: &str) -> Option<Process> {
    let mut words = line.split_whitespace().map(str::to_owned);
    Some(Process { program: words.next()?, arguments: words.skip(1).collect() })
}

/// Those who have asked for time: of chrony the NTP packets count, of ntpd the mode of a client (3) or of an old
/// one (1).
fn clients(printed: &str) -> Vec<IpAddr> {
    let client = |line: &str| {
        let (service, line) = line.split_once(' ')?;
        if service == "chrony" {
            let fields: Vec<&str> = line.split(',').collect();
            let asked = fields.get(1)?.parse::<u64>().ok()? > 0;
            return asked.then(|| fields.first()?.parse().ok())?;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        let mode = fields.get(4)?;
        matches!(*mode, "1" | "3").then(|| fields.last()?.parse().ok())?
    };
    let mut all: Vec<IpAddr> = printed.lines().filter_map(client).filter(super::tells).collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_read_from_both_services() {
        let printed = "chrony 10.0.0.9,12,0,6,127,3,0,0,127,4294967295\nchrony 127.0.0.1,0,0,127,127,1,9,0,4,0\n\
            ntp Ctrl-C will stop MRU retrieval and display partial results.\nntp lstint avgint rstr r m v  count rport remote address\n\
            ntp     12     64    0 . 3 4     55   123 10.0.0.3\nntp     30   1024    0 . 4 4      5   123 192.0.2.1\n";
        assert_eq!(clients(printed), ["10.0.0.3", "10.0.0.9"].map(|a| a.parse::<IpAddr>().unwrap()));
    }

    #[test]
    fn each_part_is_asked_in_its_order() {
        let names: Vec<&str> = asks().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["processes", "files", "told", "clients"]);
        assert!(asks().iter().all(|(_, body)| !body.contains('@')));
    }

    /// What is adopted shall not go on beside the service that is chosen.
    #[test]
    fn what_is_adopted_is_known_as_a_time_service() {
        use crate::facts::services::{processes, units};
        for row in SERVICES {
            assert!(row.units.iter().all(|unit| units().any(|known| known == *unit)), "{}", row.name);
            assert!(processes().any(|known| known == row.program), "{}", row.name);
        }
    }

    #[test]
    fn the_file_that_a_service_was_told_comes_first() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(told(&words("-F 1 -f /srv/c.conf"), "-f").as_deref(), Some("/srv/c.conf"));
        assert_eq!(told(&words("-g -c/srv/n.conf"), "-c").as_deref(), Some("/srv/n.conf"));
        assert_eq!(told(&words("-F 1"), "-f"), None);
    }
}
