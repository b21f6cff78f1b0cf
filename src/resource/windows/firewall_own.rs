//! The rules that fleetclock itself has made in the Windows firewall: they are known by their names, and those of
//! ports that no step names any more are taken away.

use std::collections::BTreeSet;

use anyhow::Result;
use ipnet::IpNet;

use crate::facts::registry::Registry;
use crate::facts::windows_firewall::{OURS, RULES, network, query_ours};
use crate::firewall::firewalld::Opening;
use crate::model::Slice;
use crate::resource::{Delta, Fix, Resource};

/// The name of our rule for the port of NTP.
pub(super) const NTP: &str = "fleetclock-ntp";

/// The name of our rule for a port.
pub(super) fn name(port: &Opening) -> String {
    if port.is_ntp() { NTP.to_owned() } else { format!("{OURS}{}-{}", port.ports(), port.protocol()) }
}

/// The port that a rule of this name is for, if it is one of ours.
fn named(name: &str) -> Option<Opening> {
    if name == NTP {
        return Some(Opening::default());
    }
    let (ports, protocol) = name.strip_prefix(OURS)?.rsplit_once('-')?;
    Opening::read(&format!("{ports}/{protocol}")).ok()
}

/// Fields of a rule that narrow it, and the words of netsh for them.
const NARROWING: &[(&str, &str)] = &[
    ("Profile", "profile"),
    ("RPort", "remoteport"),
    ("LA4", "localip"),
    ("LA6", "localip"),
    ("App", "program"),
    ("Svc", "service"),
    ("IFType", "interfacetype"),
];

/// Fields of a rule that say whom it lets in.
const FROM: &[&str] = &["RA4", "RA6", "RA42", "RA62"];

/// A rule of our name as it is on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    name: String,
    /// In the words of netsh.
    protocol: &'static str,
    ports: String,
    networks: BTreeSet<IpNet>,
    /// Whom else it lets in, as Windows has it: `LocalSubnet`, `10.0.0.1-10.0.0.9`. With no networks either, anybody.
    remote: Vec<String>,
    /// What it was narrowed to, in the words of netsh: `profile=Domain`.
    narrowed: Vec<String>,
}

impl Own {
    /// The rule that lets these networks in. For none there is no rule: one without a network lets anybody in.
    pub(super) fn new(port: &Opening, networks: BTreeSet<IpNet>) -> Option<Self> {
        let protocol = if port.protocol() == "tcp" { "TCP" } else { "UDP" };
        let (name, ports) = (name(port), port.ports());
        (!networks.is_empty()).then(|| Own {
            name,
            protocol,
            ports,
            networks,
            remote: Vec::new(),
            narrowed: Vec::new(),
        })
    }

    /// Whom it lets in; nobody in particular is anybody.
    fn from(&self, by: &str) -> String {
        let all: Vec<String> =
            self.networks.iter().map(ToString::to_string).chain(self.remote.iter().cloned()).collect();
        if all.is_empty() { "any".to_owned() } else { all.join(by) }
    }

    fn add(&self) -> String {
        let Own { name, protocol, ports, .. } = self;
        let from = quoted(&self.from(","));
        let mut narrowed = self.narrowed.join(" ");
        if !narrowed.is_empty() {
            narrowed.insert(0, ' ');
        }
        let ports = if ports.is_empty() { String::new() } else { format!(" localport={ports}") };
        format!(
            "netsh advfirewall firewall add rule name={name} dir=in action=allow protocol={protocol}{ports} remoteip={from}{narrowed}\n"
        )
    }

    /// Whom it lets in, and where it does so when that is not what its name says.
    pub(super) fn shown(&self) -> String {
        let only = if self.narrowed.is_empty() { String::new() } else { format!(", only {}", self.narrowed.join(" ")) };
        let is = format!("{}/{}", self.ports, self.protocol.to_lowercase());
        let at = match named(&self.name) {
            Some(port) if port.to_string() != is => format!(" at {is}"),
            _ => String::new(),
        };
        format!("open for {}{at}{only}", self.from(" "))
    }
}

/// The commands that make rules.
pub(super) fn add(rules: &[Own]) -> String {
    rules.iter().map(Own::add).collect()
}

/// The command that takes away the rules of a name; there may be none.
pub(super) fn delete(name: &str) -> String {
    format!("-netsh advfirewall firewall delete rule name={name}\n")
}

/// A value for netsh; one with a blank would be two words.
fn quoted(value: &str) -> String {
    if value.contains(char::is_whitespace) { format!("\"{value}\"") } else { value.to_owned() }
}

/// Reads the fields of whom a rule lets in: the networks, and what is no network, as it stands.
fn senders(fields: &[(&str, &str)]) -> (BTreeSet<IpNet>, Vec<String>) {
    let (mut networks, mut others) = (BTreeSet::new(), Vec::new());
    for (key, value) in fields.iter().filter(|(key, _)| key.starts_with("RA")) {
        match network(value).filter(|_| FROM.contains(key)) {
            Some(network) => drop(networks.insert(network)),
            // netsh has no words for `RA4NOT=10.0.0.1`, and refuses these.
            None if !FROM.contains(key) => others.push(format!("{key}={value}")),
            // Both families have `LocalSubnet`.
            None if others.iter().any(|other| other == value) => {}
            None => others.push((*value).to_owned()),
        }
    }
    (networks, others)
}

/// The rules of some names that are active, inbound and allowing (MS-GPFAS 2.2.2.19).
pub(super) fn own(printed: &str, is_meant: impl Fn(&str) -> bool) -> Vec<Own> {
    Registry::parse(printed).texts(RULES).filter_map(own_rule).filter(|rule| is_meant(&rule.name)).collect()
}

fn own_rule(data: &str) -> Option<Own> {
    let fields: Vec<(&str, &str)> = data.split('|').filter_map(|field| field.split_once('=')).collect();
    let values = |keys: &[&str]| -> Vec<&str> {
        fields.iter().filter(|(name, _)| keys.contains(name)).map(|(_, value)| *value).collect()
    };
    let is = |key: &str, wanted: &str| values(&[key]).iter().any(|value| value.eq_ignore_ascii_case(wanted));
    let narrowed = |(key, word): &(&str, &str)| {
        let values = values(&[key]);
        (!values.is_empty()).then(|| format!("{word}={}", quoted(&values.join(","))))
    };
    let name = values(&["Name"]).into_iter().find(|name| name.starts_with(OURS))?.to_owned();
    let protocol = match values(&["Protocol"])[..] {
        ["17"] => "UDP",
        ["6"] => "TCP",
        _ => return None,
    };
    let (networks, remote) = senders(&fields);
    (is("Action", "Allow") && is("Active", "TRUE") && is("Dir", "In")).then(|| Own {
        name,
        protocol,
        ports: values(&["LPort", "LPort2_10"]).join(","),
        networks,
        remote,
        narrowed: NARROWING.iter().filter_map(narrowed).collect(),
    })
}

/// No rules of ours are left but those for these ports.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    pub(super) kept: Vec<Opening>,
}

impl Closed {
    /// The rules that no step names any more, each with the port that it was made for.
    fn left(&self, seen: &Slice) -> Vec<(Opening, Own)> {
        let all = own(&seen.stdout, |name| named(name).is_some_and(|port| !self.kept.contains(&port)));
        all.into_iter().filter_map(|rule| Some((named(&rule.name)?, rule))).collect()
    }
}

impl Resource for Closed {
    fn label(&self) -> String {
        "firewall".to_owned()
    }

    fn probe(&self) -> String {
        query_ours()
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let delta =
            |(port, rule): (Opening, Own)| Delta::new(format!("firewall {port}"), "inbound", Some(rule.shown()), None);
        Ok(self.left(seen).into_iter().map(delta).collect())
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let left: Vec<Own> = self.left(seen).into_iter().map(|(_, rule)| rule).collect();
        let names: BTreeSet<&str> = left.iter().map(|rule| rule.name.as_str()).collect();
        let change: String = names.into_iter().map(delete).collect();
        Ok(Fix { undo: format!("{change}{}", add(&left)), change, ..Fix::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_ours_that_no_step_names_go_and_those_of_others_stay() {
        let rule = |name: &str, fields: &str| {
            format!(
                "    {{{name}}}    REG_SZ    v2.10|Action=Allow|Active=TRUE|Dir=In|{fields}|RA4=10.9.0.0/16|Name={name}|\n"
            )
        };
        let rules = [
            rule(NTP, "Protocol=17|LPort=123"),
            rule("fleetclock-4460-tcp", "Protocol=6|LPort=4460"),
            rule("fleetclock-4461-tcp", "Protocol=6|Profile=Domain|LPort=4461"),
            rule("fleetclock-own", "Protocol=6|LPort=4462"),
            rule("NTP", "Protocol=17|LPort=123"),
        ];
        let stdout = format!("{}\n{}", RULES.replace("HKLM", "HKEY_LOCAL_MACHINE"), rules.concat());
        let seen = Slice { stdout, ..Slice::default() };
        let closed = |kept: &[&str]| Closed { kept: kept.iter().map(|port| Opening::read(port).unwrap()).collect() };
        let shown = |kept: &[&str]| -> Vec<String> {
            let deltas = closed(kept).diff(&seen).unwrap();
            deltas.into_iter().map(|delta| format!("{} {}", delta.resource, delta.from.unwrap())).collect()
        };
        assert_eq!(shown(&["123/udp", "4460/tcp"]), ["firewall 4461/tcp open for 10.9.0.0/16, only profile=Domain"]);
        assert_eq!(shown(&["4460/tcp", "4461/tcp"]), ["firewall 123/udp open for 10.9.0.0/16"]);
        let fix = closed(&["123/udp", "4460/tcp"]).fix(&seen, false).unwrap();
        assert_eq!(fix.change, "-netsh advfirewall firewall delete rule name=fleetclock-4461-tcp\n");
        assert!(fix.undo.ends_with("name=fleetclock-4461-tcp dir=in action=allow protocol=TCP localport=4461 remoteip=10.9.0.0/16 profile=Domain\n"), "{}", fix.undo);
        assert_eq!(closed(&["123/udp", "4460/tcp", "4461/tcp"]).fix(&seen, false).unwrap(), Fix::default());
    }
}
