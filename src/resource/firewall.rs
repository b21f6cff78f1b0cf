//! udp/123 open for the networks that are served, and for nobody else. Rules are only ever
//! added; nothing here can lock an administrator out.

mod answer;

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Result, bail};
use ipnet::IpNet;

use self::answer::{Token, count, list, tokens};
use super::{Delta, Fix, Resource, Slice};
use crate::exit::Hint;
use crate::transport::quote::sh;

/// firewalld: running and permanent state, each for itself.
///
/// It is asked over D-Bus: the same question by `firewall-cmd` starts a Python and takes thirty
/// times as long. `--reload` is never used, as it would drop other people's running rules.
#[derive(Debug, Clone)]
pub struct Firewalld {
    /// Who may ask.
    pub networks: Vec<IpNet>,
}

/// One network, its zone, and whether it is open there.
#[derive(Debug, PartialEq, Eq)]
struct Opening {
    network: IpNet,
    zone: String,
    running: bool,
    permanent: bool,
}

impl Resource for Firewalld {
    fn label(&self) -> String {
        "firewalld".to_owned()
    }

    fn probe(&self) -> String {
        let questions: Vec<String> =
            self.networks.iter().map(|net| sh(&format!("route get {}", net.network()))).collect();
        format!("{PROBE}\nprintf '%s\\n' {} | ip -force -o -batch - 2>/dev/null\nexit 0", questions.join(" "))
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let mut deltas = Vec::new();
        for opening in self.openings(seen)? {
            let label = format!("firewalld zone {}", opening.zone);
            let mut closed = |state: &str, open: bool| {
                if !open {
                    let property = format!("123/udp from {} ({state})", opening.network);
                    deltas.push(Delta::new(label.clone(), &property, None, Some("open".to_owned())));
                }
            };
            closed("running", opening.running);
            closed("permanent", opening.permanent);
        }
        Ok(deltas)
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let openings = self.openings(seen)?;
        let mut fix = Fix::default();
        for (option, missing) in [
            ("--permanent ", openings.iter().filter(|o| !o.permanent).collect::<Vec<_>>()),
            ("", openings.iter().filter(|o| !o.running).collect()),
        ] {
            fix.change.push_str(&commands(option, "add", &missing));
            fix.undo.push_str(&commands(option, "remove", &missing));
        }
        Ok(fix)
    }
}

/// One call of `firewall-cmd` for each zone, however many networks.
fn commands(option: &str, verb: &str, openings: &[&Opening]) -> String {
    let zones: BTreeSet<&str> = openings.iter().map(|opening| opening.zone.as_str()).collect();
    zones
        .iter()
        .map(|zone| {
            let rules: String = openings
                .iter()
                .filter(|opening| opening.zone == *zone)
                .map(|opening| format!(" --{verb}-rich-rule={}", sh(&rule(&opening.network))))
                .collect();
            format!("firewall-cmd -q {option}--zone={}{rules}\n", sh(zone))
        })
        .collect()
}

fn rule(network: &IpNet) -> String {
    rule_of(network, &network.to_string())
}

fn rule_of(network: &IpNet, address: &str) -> String {
    let family = if network.addr().is_ipv4() { "ipv4" } else { "ipv6" };
    format!("rule family=\"{family}\" source address=\"{address}\" service name=\"ntp\" accept")
}

impl Firewalld {
    fn openings(&self, seen: &Slice) -> Result<Vec<Opening>> {
        if seen.stdout.starts_with("off") {
            return Err(anyhow::anyhow!("firewalld does not answer: {}", super::last_line(&seen.stderr))
                .hint("start firewalld, or say `firewall: none` for this host"));
        }
        let zones = Zones::read(&seen.stdout)?;
        let mut openings = Vec::new();
        for network in &self.networks {
            for zone in zones.of(network, &seen.stdout) {
                openings.push(Opening {
                    network: *network,
                    zone: zone.to_owned(),
                    running: is_open(&seen.stdout, "running", zone, network),
                    permanent: is_open(&seen.stdout, "permanent", zone, network),
                });
            }
        }
        Ok(openings)
    }
}

/// Which zone a packet is judged by: that of its source address, else that of its interface,
/// else the default zone.
struct Zones {
    default: String,
    sources: Vec<(IpNet, String)>,
    interfaces: Vec<(String, String)>,
}

impl Zones {
    fn read(text: &str) -> Result<Self> {
        let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(tokens);
        let (Some(default), Some(active)) = (line("default ").unwrap_or_default().pop(), line("active ")) else {
            bail!("firewalld: no zones in the answer `{}`", text.lines().next().unwrap_or_default());
        };
        let mut zones = Zones { default: default.text, sources: Vec::new(), interfaces: Vec::new() };
        let mut words = active.into_iter().skip(2).map(|token| token.text);
        while let (Some(zone), Some(kinds)) = (words.next(), words.next()) {
            for _ in 0..count(&kinds) {
                let kind = words.next().unwrap_or_default();
                let items = count(&words.next().unwrap_or_default());
                for item in words.by_ref().take(items) {
                    match (kind.as_str(), parse_network(&item)) {
                        ("sources", Some(network)) => zones.sources.push((network, zone.clone())),
                        ("interfaces", _) => zones.interfaces.push((item, zone.clone())),
                        _ => {}
                    }
                }
            }
        }
        Ok(zones)
    }

    /// A network can lie in several zones: parts of it may be bound to zones of their own.
    fn of(&self, network: &IpNet, text: &str) -> BTreeSet<&str> {
        let inside = |(source, _): &&(IpNet, String)| source.contains(network) || network.contains(source);
        let mut zones: BTreeSet<&str> = self.sources.iter().filter(inside).map(|(_, zone)| zone.as_str()).collect();
        if !self.sources.iter().any(|(source, _)| source.contains(network)) {
            let device = device(text, network);
            let bound = self.interfaces.iter().find(|(name, _)| Some(name.as_str()) == device);
            zones.insert(bound.map_or(&self.default, |(_, zone)| zone));
        }
        zones
    }
}

/// Reads `ip -o route get`: the interface that leads to a network.
fn device<'a>(text: &'a str, network: &IpNet) -> Option<&'a str> {
    let address = network.network().to_string();
    text.lines().find_map(|line| {
        let (to, rest) = line.split_once(" dev ")?;
        to.split(' ').take(2).any(|word| word == address).then(|| rest.split(' ').next())?
    })
}

/// Open by a rule of ours or a wider one, by the service `ntp`, by the port, or by a zone that
/// accepts everything.
fn is_open(text: &str, state: &str, zone: &str, network: &IpNet) -> bool {
    let prefix = format!("{state} {zone} ");
    let answers: Vec<Token> = text.lines().filter_map(|line| line.strip_prefix(&prefix)).flat_map(tokens).collect();
    let texts = |key: &str| list(&answers, key).into_iter();
    let accepts = |rule_text: &str| {
        let (_, rest) = rule_text.split_once("source address=\"")?;
        let address = rest.split('"').next()?;
        let wider = parse_network(address)?.contains(network);
        Some(wider && rule_text == rule_of(network, address))
    };
    texts("services").any(|service| service == "ntp")
        || list(&answers, "ports").chunks(2).any(|pair| matches!(pair, [port, protocol] if is_ntp(port, protocol)))
        || texts("rules_str").any(|rule_text| accepts(rule_text) == Some(true))
        || answers.windows(3).any(|w| w[0].is("target") && w[2].is("ACCEPT"))
}

/// `123` or a range around it.
fn is_ntp(port: &str, protocol: &str) -> bool {
    let (first, last) = port.split_once('-').unwrap_or((port, port));
    let within =
        first.parse::<u16>().is_ok_and(|first| first <= 123) && last.parse::<u16>().is_ok_and(|last| last >= 123);
    within && protocol == "udp"
}

/// An address without a length stands for itself.
fn parse_network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Asks for the zones in use, then for all settings of each in two calls. Before firewalld 0.9
/// there was no such call, and each setting is asked for by itself.
const PROBE: &str = r#"set -f; fc_d=org.fedoraproject.FirewallD1; fc_p=/org/fedoraproject/FirewallD1; fc_seen=
fc_text() { fc_t=${1#* "}; fc_t=${fc_t%"}; }
fc_show() {
case " $fc_seen " in *" $1 "*) return ;; esac
fc_seen="$fc_seen $1"
fc_text "$(busctl call $fc_d $fc_p/config $fc_d.config getZoneByName s "$1")"
if fc_a=$(busctl call $fc_d $fc_p $fc_d.zone getZoneSettings2 s "$1" 2>/dev/null); then
echo "running $1 $fc_a"
echo "permanent $1 $(busctl call $fc_d "$fc_t" $fc_d.config.zone getSettings2)"
return
fi
for fc_q in services:getServices ports:getPorts rules_str:getRichRules; do
fc_old running "$1" "${fc_q%%:*}" "$(busctl call $fc_d $fc_p $fc_d.zone ${fc_q#*:} s "$1")"
fc_old permanent "$1" "${fc_q%%:*}" "$(busctl call $fc_d "$fc_t" $fc_d.config.zone ${fc_q#*:})"
done
}
fc_old() { echo "$1 $2 "$3" $4"; }
fc_a=$(busctl call $fc_d $fc_p $fc_d getDefaultZone) || { echo off; exit 0; }
echo "default $fc_a"
fc_text "$fc_a"; fc_show "$fc_t"
fc_a=$(busctl call $fc_d $fc_p $fc_d.zone getActiveZones) || exit 1
echo "active $fc_a"
set -- $fc_a; shift 2
while [ $# -gt 1 ]; do
fc_text " $1"; fc_z=$fc_t; fc_n=$2; shift 2
while [ "$fc_n" -gt 0 ]; do shift $(($2 + 2)); fc_n=$((fc_n - 1)); done
fc_show "$fc_z"
done"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn firewalld() -> Firewalld {
        Firewalld { networks: vec!["10.10.10.0/24".parse().unwrap()] }
    }

    fn seen(lines: &str) -> Slice {
        let stdout = format!("default s \"public\"\nactive a{{sa{{sas}}}} 0\n{lines}");
        Slice { stdout, ..Slice::default() }
    }

    fn openings(stdout: &str) -> Vec<(String, bool, bool)> {
        let slice = Slice { stdout: stdout.into(), ..Slice::default() };
        firewalld().openings(&slice).unwrap().into_iter().map(|o| (o.zone, o.running, o.permanent)).collect()
    }

    const RULE: &str =
        r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.10.10.0/24\" service name=\"ntp\" accept""#;

    #[test]
    fn running_and_permanent_are_two_things() {
        let slice = seen(&format!("running public a{{sv}} 1 {RULE}\npermanent public a{{sv}} 0\n"));
        let deltas = firewalld().diff(&slice).unwrap();
        assert_eq!(deltas.len(), 1);
        assert_eq!(deltas[0].property, "123/udp from 10.10.10.0/24 (permanent)");
        let fix = firewalld().fix(&slice, false).unwrap();
        assert!(fix.change.starts_with("firewall-cmd -q --permanent --zone='public' --add-rich-rule="));
        assert_eq!(fix.change.lines().count(), 1);
        assert!(fix.undo.contains("--remove-rich-rule="));
    }

    #[test]
    fn a_wider_opening_is_enough() {
        for wide in [
            r#""services" as 2 "ssh" "ntp""#,
            r#""ports" a(ss) 1 "123" "udp""#,
            r#""ports" aas 1 2 "100-200" "udp""#,
            r#""target" s "ACCEPT""#,
            &RULE.replace("10.10.10.0/24", "10.0.0.0/8"),
        ] {
            let slice = seen(&format!("running public {wide}\npermanent public {wide}\n"));
            assert_eq!(firewalld().diff(&slice).unwrap(), [], "{wide}");
        }
    }

    #[test]
    fn what_does_not_let_the_network_in_is_not_enough() {
        for narrow in [
            r#""services" as 1 "ntpd""#,
            r#""ports" a(ss) 1 "123" "tcp""#,
            r#""ports" a(ss) 1 "124-200" "udp""#,
            r#""source_ports" a(ss) 1 "123" "udp""#,
            &RULE.replace("10.10.10.0/24", "10.10.10.0/25"),
            &RULE.replace("accept", "reject"),
            &RULE.replace("accept", "accept limit value=\\\"1/m\\\""),
        ] {
            let slice = seen(&format!("running public {narrow}\npermanent public {narrow}\n"));
            assert_eq!(firewalld().diff(&slice).unwrap().len(), 2, "{narrow}");
        }
    }

    #[test]
    fn the_zone_is_that_of_the_source_then_of_the_interface_then_the_default() {
        let head = |active: &str| format!("default s \"public\"\nactive a{{sa{{sas}}}} {active}\n");
        let route = "broadcast 10.10.10.0 dev eth1 src 10.10.10.1 uid 0 \\    cache\n";
        let zones = |active: &str| -> Vec<String> {
            openings(&format!("{}{route}", head(active))).into_iter().map(|(zone, ..)| zone).collect()
        };
        assert_eq!(zones("0"), ["public"]);
        assert_eq!(zones(r#"1 "dmz" 1 "interfaces" 2 "eth0" "eth1""#), ["dmz"]);
        let by_source = r#"2 "dmz" 1 "interfaces" 1 "eth1" "work" 2 "interfaces" 1 "eth0" "sources" 1 "10.10.0.0/16""#;
        assert_eq!(zones(by_source), ["work"]);
        // A part of the network is bound to a zone of its own: both have to be open.
        assert_eq!(zones(r#"2 "dmz" 1 "interfaces" 1 "eth1" "work" 1 "sources" 1 "10.10.10.7""#), ["dmz", "work"]);
    }

    #[test]
    fn two_networks_of_a_zone_are_one_command() {
        let networks = ["10.1.0.0/16", "10.10.10.0/24", "10.2.0.0/16"].map(|n| n.parse().unwrap()).to_vec();
        let stdout = seen("").stdout.replace("}} 0", r#"}} 1 "work" 1 "sources" 1 "10.10.10.0/24""#);
        let fix = Firewalld { networks }.fix(&Slice { stdout, ..Slice::default() }, false).unwrap();
        assert_eq!(fix.change.lines().count(), 4, "{}", fix.change);
    }

    #[test]
    fn nobody_asked_is_nobody_let_in() {
        let nobody = Firewalld { networks: Vec::new() };
        assert_eq!(nobody.diff(&seen("")).unwrap(), []);
        assert_eq!(nobody.fix(&seen(""), false).unwrap(), Fix::default());
    }

    #[test]
    fn a_stopped_firewalld_is_an_error_with_a_hint() {
        let slice = Slice { stdout: "off\n".into(), ..Slice::default() };
        assert!(crate::exit::hint(&firewalld().diff(&slice).unwrap_err()).is_some());
    }
}
