//! What a diagnosis has to know of ntpd.

use std::net::{IpAddr, Ipv4Addr};

use super::{COMMAND_LINE, HERE, Ntpd, access};
use crate::config;
use crate::provider::config::{Config, Language};
use crate::provider::diagnosis::{Choice, Diagnosis, Gag, Heard, Said, Tool, Visitor};
use crate::provider::started::CommandLine;

/// The language of ntp.conf.
pub(crate) const LANGUAGE: Language = Language {
    syntax: config::Language::Ntp,
    sources: &["server", "pool", "peer"],
    harmless: &[
        "driftfile",
        "pidfile",
        "keys",
        "statsdir",
        "statistics",
        "filegen",
        "leapfile",
        "logfile",
        "logconfig",
    ],
    besides: &[],
    how_often: &["iburst", "burst", "minpoll", "maxpoll", "prefer"],
};

/// Its default of `tos maxdist`, seconds.
pub(crate) const DISTANCE: f64 = 1.5;

/// The bit of `flash` for a root distance that is too great.
const TOO_DISTANT: u32 = 0x0400;

/// What lets the host itself ask.
const ITSELF: &[&str] = &["restrict 127.0.0.1", "restrict ::1"];

impl Diagnosis for Ntpd {
    fn evidence(&self) -> &'static str {
        include_str!("evidence.sh")
    }

    fn words(&self) -> Vec<(&'static str, String)> {
        vec![("@HERE@", HERE.to_owned())]
    }

    fn read<'a>(&self, text: &dyn Fn(&str) -> &'a str) -> Said {
        Said {
            visitors: text("clients").lines().filter_map(visitor).collect(),
            choices: text("selection").split("\n\n").filter_map(choice).collect(),
            ..Said::default()
        }
    }

    fn language(&self) -> &'static Language {
        &LANGUAGE
    }

    fn tool(&self) -> Option<Tool> {
        let install = "apt-get install ntpsec, dnf install ntp, zypper install ntp";
        Some(Tool { name: "ntpq", install, by_loopback: true, commands: false, says_access: false })
    }

    /// Of ntpsec and of classic ntp.
    fn jumps(&self) -> &'static [&'static str] {
        &["time stepped by", "time reset [+-]"]
    }

    fn command_line(&self) -> Option<&'static CommandLine> {
        Some(&COMMAND_LINE)
    }

    fn defaults(&self, file: &str, unit: &str) -> Option<&'static str> {
        Some(match unit {
            _ if file.starts_with("/etc/ntpsec/") => "/etc/default/ntpsec",
            "ntp" => "/etc/default/ntp",
            _ => "/etc/sysconfig/ntpd",
        })
    }

    fn lets_ask(&self, config: &Config, from: IpAddr) -> Option<bool> {
        Some(access::serves(config, from))
    }

    fn allowing(&self, from: IpAddr) -> Option<String> {
        Some(format!("restrict {from} nomodify notrap nopeer noquery"))
    }

    fn refusing(&self, from: IpAddr) -> String {
        format!("the `restrict` line that fits {from} ignores it")
    }

    fn gag(&self, config: &Config) -> Option<Gag> {
        let (line, _) = access::restrict(config, Ipv4Addr::LOCALHOST.into())?;
        let does = "does not let `ntpq` ask, not even on the host itself".to_owned();
        (!access::answers_itself(config)).then_some(Gag { line, does, opened_by: Some(ITSELF) })
    }

    /// The `restrict` lines hold for its own sources, too. `noserve` lets answers pass; `restrict source` opens the
    /// way for what is configured.
    fn refuses_answers(&self, config: &Config, source: IpAddr) -> Option<String> {
        let (line, flags) = access::restrict(config, source)?;
        let by = flags.iter().find(|flag| matches!(flag.as_str(), "ignore" | "noserve" | "notrust"))?;
        let opened = config.all("restrict").any(|words| words.iter().any(|word| word == "source"));
        let narrow = !line.contains(" default");
        (by != "noserve" && (!opened || narrow)).then_some(line)
    }

    fn trusts_key(&self, config: &Config, key: &str) -> bool {
        config.all("trustedkey").flatten().any(|word| word == key)
    }

    fn told_not_to_set(&self, config: &Config) -> Option<String> {
        config.line("disable", |words| words.iter().any(|word| word == "ntp"))
    }

    /// By the bits of `flash`, and what of the configuration has set them.
    fn setting(&self, config: &Config, heard: Heard<'_>) -> Option<(String, &'static str)> {
        let value = |word: &str| {
            let lines = config.all("tos").filter_map(|words| {
                let at = words.iter().position(|other| other == word)?;
                Some((format!("tos {}", words.join(" ")), words.get(at + 1)?.parse::<f64>().ok()?))
            });
            lines.last()
        };
        let stratum = f64::from(heard.stratum);
        if let Some((line, _)) = value("floor").filter(|(_, floor)| stratum < *floor) {
            return Some((line, "its stratum is below the floor"));
        }
        if let Some((line, _)) = value("ceiling").filter(|(_, ceiling)| stratum >= *ceiling) {
            return Some((line, "its stratum is not below the ceiling"));
        }
        let flash = heard.choice.map_or(0, |choice| choice.flash);
        if let Some((line, _)) = value("maxdist").filter(|(_, most)| flash & TOO_DISTANT != 0 && *most < 1.0) {
            return Some((line, "its root distance is above the limit"));
        }
        let (line, _) = value("minsane").filter(|(_, least)| *least > heard.good as f64 && flash & !1 == 0)?;
        Some((line, "too few sources are good for a choice"))
    }

    /// It throws away what is not between floor and ceiling, and so does not hear it.
    fn drops_by_settings(&self) -> bool {
        true
    }

    fn max_distance(&self, _config: &Config) -> Option<(f64, &'static str)> {
        Some((DISTANCE, "tos maxdist"))
    }

    fn lists_visitors(&self, config: &Config, lacks: &[&str]) -> bool {
        let told_not_to = |words: &[String]| words.iter().any(|word| word == "monitor");
        !lacks.contains(&"mrulist") && config.line("disable", told_not_to).is_none()
    }

    /// Its panic threshold.
    fn gives_up_above_s(&self) -> Option<f64> {
        Some(1000.0)
    }
}

/// Reads a line of `ntpq -c mrulist`: last, interval, restrictions, rate, mode, version, count, score, drop, port,
/// address.
fn visitor(line: &str) -> Option<Visitor> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (last, address) = (fields.first()?.parse().ok()?, fields.last()?.parse().ok()?);
    let drops = fields.len().checked_sub(3).and_then(|at| fields.get(at)?.parse().ok()).unwrap_or(0);
    Some(Visitor { address, drops, last })
}

/// Reads a block of `ntpq -c rv`.
fn choice(block: &str) -> Option<Choice> {
    let pairs = block.split([',', '\n']).filter_map(|pair| pair.trim().split_once('='));
    let value = |key: &str| pairs.clone().find(|(name, _)| *name == key).map(|(_, value)| value);
    let flash = value("flash")?.split(' ').next()?;
    let flash = u32::from_str_radix(flash.trim_start_matches("0x"), 16).ok()?;
    Some(Choice { address: value("srcadr")?.to_owned(), state: ' ', options: String::new(), flash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ntpd_says_of_its_sources_is_read() {
        let text = "srcadr=10.10.10.1, srcport=123, dstadr=10.10.10.3, stratum=10,\nreach=007, keyid=0, flash=1400 peer_dist, peer_unreach";
        let found = choice(text);
        assert_eq!(found.map(|c| (c.address, c.flash)), Some(("10.10.10.1".to_owned(), 0x1400)));
    }
}
