//! One rule of the Windows firewall, as the registry keeps it (MS-GPFAS 2.2.2.19): whether it is about
//! questions to the time service, and about whom.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::facts::registry::Registry;

/// Ports that somebody asks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Of TCP, else of UDP.
    pub tcp: bool,
    /// The first and the last.
    pub ports: (u16, u16),
}

impl Asked {
    /// That of NTP.
    pub const NTP: Self = Asked { tcp: false, ports: (123, 123) };

    /// The number of the protocol, as rules have it.
    pub fn protocol(self) -> &'static str {
        if self.tcp { "6" } else { "17" }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (protocol, (first, last)) = (if self.tcp { "tcp" } else { "udp" }, self.ports);
        match first == last {
            true => write!(f, "{protocol}/{first}"),
            false => write!(f, "{protocol}/{first}-{last}"),
        }
    }
}

/// A rule that may be about questions to the time service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) policy: bool,
    pub(super) block: bool,
    pub(super) profiles: Vec<String>,
    pub(super) remote: Vec<String>,
    /// It says more than is judged here.
    pub(super) doubtful: bool,
}

impl Rule {
    /// Whether it is about everybody, as far as it can be judged.
    pub(super) fn is_for_all(&self) -> bool {
        let all = |remote: &String| {
            let whole = |net: &str| net.parse::<IpNet>().is_ok_and(|net| fit_one(remote, net) == Fit::All);
            remote == "*" || whole("0.0.0.0/0") || whole("::/0")
        };
        !self.doubtful && (self.remote.is_empty() || self.remote.iter().any(all))
    }
}

/// How far a rule is about somebody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    No,
    Part,
    All,
}

/// The rules of one store that may be about questions to these ports.
pub(super) fn rules(registry: &Registry, key: &str, policy: bool, asked: Asked) -> Vec<Rule> {
    registry.texts(key).filter_map(|text| rule(text, policy, asked)).collect()
}

/// `v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|RA4=10.0.0.0/8|Name=x|`: a rule that
/// may be about questions to these ports; several fields of a kind are alternatives. Who answers at another port
/// than that of NTP is not known: a rule for one service or program may be about it.
fn rule(text: &str, policy: bool, asked: Asked) -> Option<Rule> {
    let fields: Vec<(&str, &str)> = text.split('|').filter_map(|field| field.split_once('=')).collect();
    let all = |names: &'static [&'static str]| {
        fields.iter().filter(move |(key, _)| names.contains(key)).map(|(_, value)| *value)
    };
    let is = |name: &'static str, wanted: &str| {
        fields.iter().any(|(key, value)| *key == name && value.eq_ignore_ascii_case(wanted))
    };
    let only = |name: &'static str, fits: &dyn Fn(&str) -> bool| {
        fields.iter().filter(|(key, _)| *key == name).all(|(_, value)| fits(value))
    };
    let is_there = |name: &str| fields.iter().any(|(key, _)| *key == name);
    let is_ntp = asked == Asked::NTP;
    let ports: Vec<&str> = all(&["LPort", "LPort2_10", "LPort2_20", "LPort2_24", "LPort2_29"]).collect();
    let concerns = is("Active", "TRUE")
        && is("Dir", "In")
        && only("Protocol", &|value| matches!(value, "256" | "*") || value == asked.protocol())
        && only("Svc", &|value| !is_ntp || value == "*" || value.eq_ignore_ascii_case("w32time"))
        && only("App", &|value| !is_ntp || value.to_ascii_lowercase().ends_with("svchost.exe"))
        && (ports.is_empty() || ports.iter().any(|text| meets(text, asked)));
    let all_ports = ports.is_empty() || ports.iter().any(|text| has_all(text, asked));
    let one_program = !is_ntp && (is_there("App") || !only("Svc", &|value| value == "*"));
    let known = |key: &str| {
        let more = ["RPort", "LA4", "LA6", "IF", "LU", "RU", "RM", "Sec", "AppPkg", "PFN", "RA4NOT"];
        !more.iter().any(|start| key.starts_with(start))
    };
    concerns.then(|| Rule {
        name: all(&["Name"]).next().unwrap_or("without a name").to_owned(),
        policy,
        block: is("Action", "Block"),
        profiles: all(&["Profile"]).map(str::to_owned).collect(),
        remote: all(&["RA4", "RA6", "RA42", "RA62"]).map(str::to_owned).collect(),
        doubtful: one_program || !all_ports || fields.iter().any(|(key, _)| !known(key)) || is("Action", "ByPass"),
    })
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

fn meets(text: &str, asked: Asked) -> bool {
    range(text).is_some_and(|(first, last)| first <= asked.ports.1 && asked.ports.0 <= last)
}

fn has_all(text: &str, asked: Asked) -> bool {
    range(text).is_some_and(|(first, last)| first <= asked.ports.0 && asked.ports.1 <= last)
}

/// How far a rule is about somebody.
pub(super) fn fit(rule: &Rule, from: IpNet) -> Fit {
    let best = rule.remote.iter().map(|remote| fit_one(remote, from)).max_by_key(|fit| *fit as u8);
    match best {
        Some(Fit::No) => Fit::No,
        Some(Fit::Part) => Fit::Part,
        // A rule that blocks a part blocks somebody; one that allows has to allow all.
        _ if rule.doubtful => Fit::Part,
        _ => Fit::All,
    }
}

/// `10.0.0.0/255.255.255.0`, `10.0.0.0/24`, `10.0.0.1`, `10.0.0.1-10.0.0.9`, or a word such as
/// `LocalSubnet`, of which it is not known here what it stands for.
fn fit_one(remote: &str, from: IpNet) -> Fit {
    if let Some((first, last)) = remote.split_once('-')
        && let (Ok(first), Ok(last)) = (first.parse::<IpAddr>(), last.parse::<IpAddr>())
    {
        let (low, high) = (from.network(), from.broadcast());
        let same = first.is_ipv4() == low.is_ipv4();
        return match (same && first <= low && high <= last, same && low <= last && first <= high) {
            (true, _) => Fit::All,
            (_, true) => Fit::Part,
            _ => Fit::No,
        };
    }
    match network(remote) {
        Some(network) if network.contains(&from) => Fit::All,
        Some(network) if from.contains(&network) => Fit::Part,
        Some(_) => Fit::No,
        None => Fit::Part,
    }
}

/// A network in one of the spellings of Windows.
pub fn network(text: &str) -> Option<IpNet> {
    if let Some((address, mask)) = text.split_once('/')
        && let (Ok(address), Ok(mask)) = (address.parse::<IpAddr>(), mask.parse::<IpAddr>())
    {
        return IpNet::with_netmask(address, mask).ok().map(|net| net.trunc());
    }
    text.parse::<IpNet>().map(|net| net.trunc()).or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}
