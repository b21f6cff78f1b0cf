//! What a diagnosis has to know of chronyd.

use std::net::IpAddr;

use super::{BEFORE_4, COMMAND_LINE, Chrony, READ_OLD, access};
use crate::config;
use crate::provider::config::{Config, Language};
use crate::provider::diagnosis::{Choice, Diagnosis, Gag, Heard, Packets, Said, Tool, Visitor};
use crate::provider::started::CommandLine;

/// The language of chrony.conf.
pub(crate) const LANGUAGE: Language = Language {
    syntax: config::Language::Chrony,
    sources: &["server", "pool", "peer"],
    harmless: &[
        "driftfile",
        "logdir",
        "log",
        "dumpdir",
        "pidfile",
        "keyfile",
        "rtcsync",
        "leapsectz",
        "ntsdumpdir",
        "logchange",
        "mailonchange",
        "hwclockfile",
    ],
    besides: &["allow", "deny", "makestep", "cmdallow", "cmddeny", "smoothtime", "ratelimit", "clientloglimit"],
    how_often: &["iburst", "burst", "minpoll", "maxpoll", "presend", "polltarget", "prefer"],
};

/// Its default `maxdistance`, seconds.
const DISTANCE: f64 = 3.0;

impl Diagnosis for Chrony {
    fn evidence(&self) -> &'static str {
        include_str!("evidence.sh")
    }

    fn words(&self) -> Vec<(&'static str, String)> {
        vec![("@BEFORE_4@", BEFORE_4.to_owned()), ("@READ_OLD@", READ_OLD.replace("{}", "\"$fc_f\""))]
    }

    fn read<'a>(&self, text: &dyn Fn(&str) -> &'a str) -> Said {
        Said {
            visitors: text("clients").lines().filter_map(visitor).collect(),
            choices: text("selection").lines().filter_map(choice).collect(),
            packets: text("packets").lines().filter_map(packets).collect(),
            offline: text("online").trim().split(',').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0),
            nts: text("proofs").lines().filter_map(nts).collect(),
        }
    }

    fn language(&self) -> &'static Language {
        &LANGUAGE
    }

    fn tool(&self) -> Option<Tool> {
        let install = "apt-get install chrony, dnf install chrony, zypper install chrony";
        Some(Tool { name: "chronyc", install, by_loopback: false, commands: true, says_access: true })
    }

    fn jumps(&self) -> &'static [&'static str] {
        &["time jump detected", "was stepped by"]
    }

    fn command_line(&self) -> Option<&'static CommandLine> {
        Some(&COMMAND_LINE)
    }

    fn defaults(&self, file: &str, _unit: &str) -> Option<&'static str> {
        Some(if file.starts_with("/etc/chrony/") { "/etc/default/chrony" } else { "/etc/sysconfig/chronyd" })
    }

    fn lets_ask(&self, config: &Config, from: IpAddr) -> Option<bool> {
        access::allowed(config, from)
    }

    fn allowing(&self, from: IpAddr) -> Option<String> {
        Some(format!("allow {from}"))
    }

    fn is_closed(&self, config: &Config) -> Option<&'static str> {
        let nobody = config.all("allow").next().is_none();
        nobody.then_some("chronyd opens it only when it allows somebody")
    }

    fn gag(&self, config: &Config) -> Option<Gag> {
        let line = config.line("bindcmdaddress", |words| words.first().is_some_and(|word| word == "/"))?;
        Some(Gag { line, does: "closes the way that `chronyc` takes".to_owned(), opened_by: None })
    }

    /// By its letter of `selectdata`.
    fn setting(&self, config: &Config, heard: Heard<'_>) -> Option<(String, &'static str)> {
        let choice = heard.choice?;
        let (word, reason) = match choice.state {
            'N' if choice.options.contains('N') => ("authselectmode", "only sources that prove themselves count"),
            'W' | 'w' => ("minsources", "too few sources are good for a choice"),
            'd' | 'D' => ("maxdistance", "its root distance is above the limit"),
            '~' => ("maxjitter", "it scatters more than the limit"),
            'O' => ("local", "its stratum is not below the one that this host claims itself"),
            _ => return None,
        };
        Some((config.line(word, |_| true)?, reason))
    }

    fn max_distance(&self, config: &Config) -> Option<(f64, &'static str)> {
        let set = config.value("maxdistance").and_then(|text| text.parse().ok());
        Some((set.unwrap_or(DISTANCE), "maxdistance"))
    }

    fn lists_visitors(&self, config: &Config, _lacks: &[&str]) -> bool {
        config.value("noclientlog").is_none()
    }

    /// By 1/12 at most.
    fn slews_whatever(&self) -> bool {
        true
    }
}

/// Reads a line of `chronyc -c clients`: address, packets, dropped, interval, .., last.
fn visitor(line: &str) -> Option<Visitor> {
    let fields: Vec<&str> = line.split(',').collect();
    let [address, _, drops, _, _, last, ..] = fields[..] else { return None };
    Some(Visitor { address: address.parse().ok()?, drops: drops.parse().ok()?, last: last.parse().ok()? })
}

/// Reads a line of `chronyc -c selectdata`: state, address, .., score, low, high, leap.
fn choice(line: &str) -> Option<Choice> {
    let fields: Vec<&str> = line.split(',').collect();
    let [state, address, _, _, _, _, _, _, effective @ .., _, _, _, _, _] = fields.get(..17)? else { return None };
    let options = effective.iter().filter(|word| **word != "-").copied().collect();
    Some(Choice { address: (*address).to_owned(), state: state.chars().next()?, options, flash: 0 })
}

/// Reads a line of `chronyc -c ntpdata`.
fn packets(line: &str) -> Option<Packets> {
    let fields: Vec<&str> = line.split(',').collect();
    let [address, _, port, ..] = fields[..] else { return None };
    let [.., one, two, three, _, _, _, _, sent, received, _, good] = fields[..] else { return None };
    Some(Packets {
        address: address.to_owned(),
        port: port.parse().ok()?,
        tests: [one, two, three].concat(),
        sent: sent.parse().ok()?,
        received: received.parse().ok()?,
        good: good.parse().ok()?,
    })
}

/// Reads a line of `chronyc -c authdata`: address, mode, key, type, length, last, attempts, NAK, cookies, length.
fn nts(line: &str) -> Option<(String, bool)> {
    let fields: Vec<&str> = line.split(',').collect();
    let [address, "NTS", _, _, _, _, _, _, cookies, ..] = fields[..] else { return None };
    Some((address.to_owned(), cookies != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chronyd_says_of_its_sources_is_read() {
        let found = choice("N,10.10.10.1,N,N,-,-,-,-,N,-,-,-,-,0,1.0,-0.1,0.1,Normal");
        assert_eq!(found.map(|c| (c.state, c.options)), Some(('N', "N".to_owned())));
        let line = "10.10.10.1,0A0A0A01,1123,10.10.10.2,0A0A0A02,Normal,4,Server,10,6,64,-26,0.0,0.0,0.0,7F7F0101,,1.3,-0.0,0.0,0.0,0.0,0.00,111,110,1111,No,No,Kernel,Kernel,6,5,5,4";
        let read = packets(line).unwrap();
        assert_eq!(
            (read.port, read.tests.as_str(), read.sent, read.received, read.good),
            (1123, "1111101111", 6, 5, 4)
        );
        // What a chronyc before 3.0 says to the question.
        assert_eq!(packets("Unrecognized command"), None);
    }
}
