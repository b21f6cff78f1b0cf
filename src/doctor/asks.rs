//! The questions: `evidence.sh` and `evidence_service.sh` taken apart and filled in for one host.

use std::time::Duration;

use crate::inventory::HostSpec;
use crate::inventory::spec::ProviderChoice;
use crate::provider;
use crate::transport::quote::sh;
use crate::{facts, firewall};

/// All questions, one after the other.
const SCRIPT: &str = concat!(include_str!("evidence.sh"), "\n", include_str!("evidence_service.sh"));

/// Where the questions about firewalls stand in it.
const FIREWALLS: &str = "#! firewalls\n";

/// The part of the script that the others need and that answers nothing.
const BEFORE: &str = "before";

/// The names that a time service may go by, in the order in which they are looked for.
const UNITS: &[&str] = &["chrony", "chronyd", "ntpsec", "ntp", "ntpd"];

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The name of the part.
    pub name: String,
    /// The command as a finding shows it.
    pub shown: String,
    /// The shell text that runs.
    pub body: String,
}

/// Somebody who asked this host for time and got no good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The address that its questions came from.
    pub address: String,
    /// How long ago its first question was sent.
    pub ago: Duration,
}

/// Returns what runs before the questions, and the questions for a host. `probe` measures its
/// sources; `salt` is the same for all hosts of a run, and of no other.
pub fn asks(spec: &HostSpec, askers: &[Asker], probe: &str, salt: &str) -> (String, Vec<Ask>) {
    let fill = |text: &str| {
        text.replace("@UNITS@", &units(spec.provider))
            .replace("@SOURCES@", &sources(spec))
            .replace("@ASKERS@", &words(askers))
            .replace("@CHRONY@", status(ProviderChoice::Chrony))
            .replace("@NTPD@", status(ProviderChoice::Ntpd))
            .replace("@PASSED_CHRONY@", &passed(ProviderChoice::Chrony))
            .replace("@PASSED_NTPD@", &passed(ProviderChoice::Ntpd))
            .replace("@HERE@", provider::HERE)
            .replace("@PROBE@", probe)
            .replace("@SALT@", salt)
            .replace("@SERVED@", &served(spec))
            .replace("@WAY@", firewall::firewalld::WAY)
            .replace("@FIREWALLD@", firewall::firewalld::FUNCTIONS)
            .replace("@BEFORE_4@", provider::BEFORE_4)
            .replace("@READ_OLD@", &provider::READ_OLD.replace("{}", "\"$fc_f\""))
            .replace("@NFT@", firewall::NFT)
            .replace("@IPTABLES@", firewall::IPTABLES)
            .replace("@KEEPERS@", firewall::KEEPERS)
            .replace("@BESIDE@", firewall::BESIDE)
            .replace("@CLOUD@", facts::linux::CLOUD)
    };
    let mut before = String::new();
    let mut asks = Vec::new();
    for ask in split() {
        match ask.name.as_str() {
            BEFORE => before = fill(&ask.body),
            _ => asks.push(Ask { body: fill(&ask.body), ..ask }),
        }
    }
    (before, asks)
}

/// Returns the command of a part as a finding shows it, for this service and its file.
pub fn shown(name: &str, unit: &str, config: &str) -> String {
    let ask = split().into_iter().find(|ask| ask.name == name);
    let shown = ask.map_or_else(|| name.to_owned(), |ask| ask.shown);
    shown.replace("$fc_unit", unit).replace("$fc_config", config)
}

fn units(choice: ProviderChoice) -> String {
    let wanted = provider::ALL.iter().find(|provider| provider.choice() == choice);
    let fits = |unit: &&&str| wanted.is_none_or(|provider| provider.units().contains(unit));
    UNITS.iter().filter(fits).copied().collect::<Vec<_>>().join(" ")
}

fn sources(spec: &HostSpec) -> String {
    spec.time.sources.iter().map(|source| sh(&source.address)).collect::<Vec<_>>().join(" ")
}

/// `ADDRESS=SECONDS` for each; digits, dots and colons only, so they need no quotes.
fn words(askers: &[Asker]) -> String {
    let plain = |asker: &&Asker| asker.address.parse::<std::net::IpAddr>().is_ok();
    let word = |asker: &Asker| format!("{}={}", asker.address, asker.ago.as_secs());
    askers.iter().filter(plain).map(word).collect::<Vec<_>>().join(" ")
}

/// An address of each network that is served, whose packets may come from there.
fn served(spec: &HostSpec) -> String {
    let networks = spec.time.serve.iter().map(|network| firewall::firewalld::askers(*network));
    networks.collect::<Vec<_>>().join(" ")
}

fn status(choice: ProviderChoice) -> &'static str {
    provider::ALL.iter().find(|provider| provider.choice() == choice).map_or("false", |provider| provider.status())
}

fn passed(choice: ProviderChoice) -> String {
    let provider = provider::ALL.iter().find(|provider| provider.choice() == choice);
    provider.map_or_else(String::new, |provider| provider.passed_over())
}

fn split() -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    let script = SCRIPT.replace(FIREWALLS, &firewall::registry::evidence());
    for line in script.lines() {
        if let Some((name, shown)) = line.strip_prefix("#: ").and_then(|rest| rest.split_once(": ")) {
            asks.push(Ask { name: name.to_owned(), shown: shown.to_owned(), body: String::new() });
        } else if let Some(ask) = asks.last_mut() {
            ask.body.push_str(line);
            ask.body.push('\n');
        }
    }
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "the shell text itself is what is tested")]
    fn run(script: &str) -> String {
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// `systemctl show` as it reads its command line: what begins with `-` is an option up to `--`.
    #[test]
    fn a_slice_that_begins_with_a_dash_is_no_option() {
        let show = SCRIPT.lines().find(|line| line.starts_with("fc_show() ")).unwrap();
        let systemctl =
            r#"systemctl() { shift 3; case $1 in --) shift ;; -*) return 1 ;; esac; echo "IPAddressDeny=$1"; }"#;
        assert_eq!(run(&format!("{systemctl}\n{show}\nfc_show IPAddressDeny -.slice")), "-.slice\n");
    }

    #[test]
    fn a_dot_in_a_name_stands_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts");
        std::fs::write(&file, "10.0.0.8 ntpxlab\n10.0.0.9 NTP.lab\n").unwrap();
        let body = split().into_iter().find(|ask| ask.name == "hosts").unwrap().body;
        let script = body.replace("@SOURCES@", "ntp.lab").replace("/etc/hosts", file.to_str().unwrap());
        assert_eq!(run(&script), "2:10.0.0.9 NTP.lab\n");
    }
}
