//! The questions: `evidence.sh` and `evidence_service.sh` taken apart and filled in for one host, with what the
//! time services know to ask themselves.

use std::time::Duration;

use crate::facts::services::{self, System};
use crate::inventory::HostSpec;
use crate::provider::{self, LinuxProvider};
use crate::transport::quote::sh;
use crate::{facts, firewall};

/// All questions, one after the other.
const SCRIPT: &str = concat!(include_str!("evidence.sh"), "\n", include_str!("evidence_service.sh"));

/// Where the questions about firewalls stand in it.
const FIREWALLS: &str = "#! firewalls\n";

/// The part of the script that the others need and that answers nothing.
const BEFORE: &str = "before";

/// Stands in a part for what the time service that was found is asked.
const SERVICE: &str = "@SERVICE@";

/// The same, where it answers its own tool.
const TALKING: &str = "@TALKING@";

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
    let providers = providers(spec);
    let fill = |ask: &Ask| {
        let own = arms(&providers, |provider| own(*provider, &ask.name), "");
        let talking = format!("[ \"$fc_talks\" = no ] || {own}");
        let text = of_services(&ask.body.replace(TALKING, &talking).replace(SERVICE, &own), &providers);
        text.replace("@SOURCES@", &sources(spec))
            .replace("@ASKERS@", &words(askers))
            .replace("@PROBE@", probe)
            .replace("@SALT@", salt)
            .replace("@SERVED@", &served(spec))
            .replace("@WAY@", firewall::firewalld::WAY)
            .replace("@FIREWALLD@", firewall::firewalld::FUNCTIONS)
            .replace("@NFT@", firewall::NFT)
            .replace("@IPTABLES@", firewall::IPTABLES)
            .replace("@KEEPERS@", firewall::KEEPERS)
            .replace("@BESIDE@", firewall::BESIDE)
            .replace("@CLOUD@", facts::linux::CLOUD)
    };
    let mut before = String::new();
    let mut asks = Vec::new();
    for ask in split(&script()) {
        match ask.name.as_str() {
            BEFORE => before = fill(&ask),
            _ => asks.push(Ask { body: fill(&ask), ..ask }),
        }
    }
    (before, asks)
}

/// Returns the command of a part as a finding shows it, for this service and its file.
pub fn shown(name: &str, service: Option<&str>, unit: &str, config: &str) -> String {
    let provider = provider::ALL.iter().find(|provider| Some(provider.name()) == service);
    let own = provider.and_then(|provider| split(provider.evidence()).into_iter().find(|ask| ask.name == name));
    let ask = own.or_else(|| split(&script()).into_iter().find(|ask| ask.name == name));
    let shown = ask.map_or_else(|| name.to_owned(), |ask| ask.shown);
    shown.replace("$fc_unit", unit).replace("$fc_config", config)
}

/// The time services that are looked for: the one that is named, else each that `auto` may choose.
fn providers(spec: &HostSpec) -> Vec<&'static dyn LinuxProvider> {
    let is_it = |provider: &&'static dyn LinuxProvider| {
        spec.provider.named().is_some_and(|named| named.name == provider.name())
    };
    let named: Vec<_> = provider::ALL.iter().copied().filter(is_it).collect();
    if named.is_empty() { provider::unnamed().collect() } else { named }
}

/// A `case` with what each time service has to say; `otherwise` for a host that has none of them.
fn arms(providers: &[&dyn LinuxProvider], body: impl Fn(&&dyn LinuxProvider) -> String, otherwise: &str) -> String {
    let arm = |provider: &&dyn LinuxProvider| {
        let body = body(provider);
        (!body.trim().is_empty()).then(|| format!("{})\n{}\n;;\n", provider.name(), body.trim_end()))
    };
    let arms: String = providers.iter().filter_map(arm).collect();
    let otherwise = if otherwise.is_empty() { String::new() } else { format!("*) {otherwise} ;;\n") };
    format!("case $fc_daemon in\n{arms}{otherwise}esac")
}

/// What a time service is asked in a part.
fn own(provider: &dyn LinuxProvider, part: &str) -> String {
    match part {
        "status" => provider.status().to_owned(),
        "passed" => provider.passed_over(),
        _ => {
            split(provider.evidence()).into_iter().find(|ask| ask.name == part).map_or_else(String::new, |ask| ask.body)
        }
    }
}

/// Fills in what the time services say of themselves.
fn of_services(text: &str, providers: &[&dyn LinuxProvider]) -> String {
    let units: Vec<&str> = providers.iter().flat_map(|provider| provider.units()).copied().collect();
    let all: Vec<String> = services::units().map(|unit| format!("{unit}.service")).collect();
    let processes: Vec<&str> = services::processes().collect();
    let programs: Vec<&str> = services::of(System::Linux).flat_map(|service| service.processes).copied().collect();
    let jumps: Vec<&str> = provider::ALL.iter().flat_map(|provider| provider.jumps()).copied().collect();
    let names = |provider: &&dyn LinuxProvider| {
        let service = provider.service();
        let (units, files) = (service.units.join(" | "), service.files.join(" "));
        format!("{units}) fc_daemon={}; fc_files='{files}' ;;", service.name)
    };
    let names: Vec<String> = providers.iter().map(names).collect();
    let text = text
        .replace("@UNITS@", &units.join(" "))
        .replace("@NAMES@", &names.join("\n"))
        .replace("@ALL_UNITS@", &all.join(" "))
        .replace("@PROCESSES@", &processes.join(" | "))
        .replace("@PROGRAMS@", &programs.join("|"))
        .replace("@JUMPS@", &jumps.join("|"))
        .replace("@TALKS@", &arms(providers, |provider| provider.talks().to_owned(), "false"))
        .replace("@CLIENTS@", &arms(providers, |provider| own(*provider, "clients"), ""));
    providers.iter().flat_map(|provider| provider.words()).fold(text, |text, (name, word)| text.replace(name, &word))
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

/// All questions, with those of the firewalls in their place.
fn script() -> String {
    SCRIPT.replace(FIREWALLS, &firewall::registry::evidence())
}

fn split(script: &str) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
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
    use crate::inventory::spec::ProviderChoice;

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
        let body = split(&script()).into_iter().find(|ask| ask.name == "hosts").unwrap().body;
        let script = body.replace("@SOURCES@", "ntp.lab").replace("/etc/hosts", file.to_str().unwrap());
        assert_eq!(run(&script), "2:10.0.0.9 NTP.lab\n");
    }

    /// What a service is asked has a place in the script, and nothing is left to be filled in.
    #[test]
    fn every_part_of_a_service_is_asked_and_filled_in() {
        for provider in provider::ALL {
            for part in split(provider.evidence()).iter().filter(|part| part.name != BEFORE) {
                let text = split(&script()).into_iter().find(|ask| ask.name == part.name).map(|ask| ask.body);
                let named =
                    text.is_some_and(|text| text.contains(SERVICE) || text.contains(TALKING) || part.name == "clients");
                assert!(named, "evidence.sh has no @SERVICE@ in `{}`, which {} is asked", part.name, provider.name());
            }
        }
        let named = provider::ALL.iter().map(|provider| ProviderChoice::Named(provider.service()));
        for provider in named.chain([ProviderChoice::Auto]) {
            let spec = HostSpec { provider, ..crate::engine::sample::host("h1") };
            let (before, all) = asks(&spec, &[], "true", "salt");
            let all: String = all.iter().map(|ask| ask.body.as_str()).chain([before.as_str()]).collect();
            let is_word = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            assert_eq!(all.split('@').skip(1).find(is_word), None);
            assert!(run(&format!("sh -n <<'END'\n{all}\nEND\necho $?")).ends_with("0\n"));
        }
    }
}
