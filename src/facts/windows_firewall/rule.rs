//! One rule of the Windows firewall, as the registry keeps it (MS-GPFAS 2.2.2.19): whether it is about
//! questions to the time service, and about whom.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::facts::registry::Registry;

/// The NTP port.
const NTP: u16 = 123;

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

/// The rules of one store that may be about questions to the time service.
pub(super) fn rules(registry: &Registry, key: &str, policy: bool) -> Vec<Rule> {
    registry.texts(key).filter_map(|text| rule(text, policy)).collect()
}

/// `v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|RA4=10.0.0.0/8|Name=x|`: a rule that
/// may be about questions to the time service; several fields of a kind are alternatives.
fn rule(text: &str, policy: bool) -> Option<Rule> {
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
    let ports: Vec<&str> = all(&["LPort", "LPort2_10", "LPort2_20", "LPort2_24", "LPort2_29"]).collect();
    let concerns = is("Active", "TRUE")
        && is("Dir", "In")
        && only("Protocol", &|value| matches!(value, "17" | "256" | "*"))
        && only("Svc", &|value| value == "*" || value.eq_ignore_ascii_case("w32time"))
        && only("App", &|value| value.to_ascii_lowercase().ends_with("svchost.exe"))
        && (ports.is_empty() || ports.iter().any(|port| holds_port(port)));
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
        doubtful: fields.iter().any(|(key, _)| !known(key)) || is("Action", "ByPass"),
    })
}

fn holds_port(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    matches!((first.trim().parse::<u16>(), last.trim().parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&NTP))
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
