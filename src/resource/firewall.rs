//! udp/123 open for the networks that are served, and for nobody else. Rules are only ever
//! added; nothing here can lock an administrator out.

use anyhow::{Result, bail};
use ipnet::IpNet;

use super::{Delta, Fix, Resource, Slice};
use crate::exit::Hint;
use crate::report::decisive::decisive;
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
        let networks: Vec<String> = self.networks.iter().map(|net| format!("{} {}", net, net.network())).collect();
        let lines = networks.iter().map(|line| sh(line)).collect::<Vec<_>>().join(" ");
        format!(
            "{PROBE}\nfor fc_line in {lines}; do fc_network $fc_line; done\nfor fc_z in $fc_zones; do fc_show \"$fc_z\"; done"
        )
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
    let mut zones: Vec<&str> = openings.iter().map(|opening| opening.zone.as_str()).collect();
    zones.dedup();
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
    let family = if network.addr().is_ipv4() { "ipv4" } else { "ipv6" };
    format!("rule family=\"{family}\" source address=\"{network}\" service name=\"ntp\" accept")
}

impl Firewalld {
    fn openings(&self, seen: &Slice) -> Result<Vec<Opening>> {
        if seen.stdout.starts_with("off") {
            return Err(anyhow::anyhow!("firewalld does not answer: {}", decisive("", &seen.stderr))
                .hint("start firewalld, or say `firewall: none` for this host"));
        }
        let mut openings = Vec::new();
        for network in &self.networks {
            let prefix = format!("network {network} ");
            let Some(zone) = seen.stdout.lines().find_map(|line| line.strip_prefix(&prefix)) else {
                bail!("firewalld: no zone was found for {network}: {}", decisive("", &seen.stderr));
            };
            let open = |state: &str| is_open(&seen.stdout, state, zone, network);
            openings.push(Opening {
                network: *network,
                zone: zone.to_owned(),
                running: open("running"),
                permanent: open("permanent"),
            });
        }
        Ok(openings)
    }
}

/// Open by our rule, by the service `ntp`, or by the port for everybody.
fn is_open(text: &str, state: &str, zone: &str, network: &IpNet) -> bool {
    let answer = |question: &str| {
        let prefix = format!("{state} {zone} {question} ");
        text.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap_or_default()
    };
    let all = answer("settings");
    let [services, ports, rules] = match all {
        "" => ["getServices", "getPorts", "getRichRules"].map(answer),
        _ => [list(all, "services", "as"), list(all, "ports", "a(ss)"), list(all, "rules_str", "as")],
    };
    services.contains("\"ntp\"")
        || ports.contains("\"123\" \"udp\"")
        || rules.replace("\\\"", "\"").contains(&rule(network))
}

/// The strings of one setting as busctl prints all: `.. "ports" a(ss) 1 "123" "udp" "forward" b true`.
fn list<'a>(settings: &'a str, key: &str, kind: &str) -> &'a str {
    let list = || {
        let (_, list) = settings.split_once(&format!("\"{key}\" {kind} "))?;
        let count: usize = list.split(' ').next()?.parse().ok()?;
        let strings = count * if kind == "a(ss)" { 2 } else { 1 };
        let mut quotes = list.match_indices('"').map(|(at, _)| at).filter(|at| !list[..*at].ends_with('\\'));
        list.get(..=quotes.nth((strings * 2).checked_sub(1)?)?)
    };
    list().map_or("", |list| list)
}

/// Functions of the probe. The zone of a network is that of the interface that leads to it. A
/// firewalld before 0.9 does not tell all settings of a zone by their names.
const PROBE: &str = r#"fc_d=org.fedoraproject.FirewallD1; fc_p=/org/fedoraproject/FirewallD1; fc_zones=
fc_text() { fc_t=${1#s \"}; echo "${fc_t%\"}"; }
fc_default=$(busctl call $fc_d $fc_p $fc_d getDefaultZone) || { echo off; exit 0; }
fc_network() {
fc_dev=$(ip -o route get "$2" 2>/dev/null)
fc_dev=${fc_dev#* dev }; fc_dev=${fc_dev%% *}
fc_zone=$(busctl call $fc_d $fc_p $fc_d.zone getZoneOfInterface s "$fc_dev" 2>/dev/null)
case $fc_zone in ''|'s ""') fc_zone=$fc_default ;; esac
fc_zone=$(fc_text "$fc_zone")
echo "network $1 $fc_zone"
case " $fc_zones " in *" $fc_zone "*) ;; *) fc_zones="$fc_zones $fc_zone" ;; esac
}
fc_show() {
fc_o=$(busctl call $fc_d $fc_p/config $fc_d.config getZoneByName s "$1")
fc_o=${fc_o#o \"}; fc_o=${fc_o%\"}
if fc_s=$(busctl call $fc_d $fc_p $fc_d.zone getZoneSettings2 s "$1" 2>/dev/null); then
printf '%s\n' "running $1 settings $fc_s" "permanent $1 settings $(busctl call $fc_d "$fc_o" $fc_d.config.zone getSettings2)"
return
fi
for fc_q in getServices getPorts getRichRules; do
echo "running $1 $fc_q $(busctl call $fc_d $fc_p $fc_d.zone $fc_q s "$1")"
echo "permanent $1 $fc_q $(busctl call $fc_d "$fc_o" $fc_d.config.zone $fc_q)"
done
}"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn firewalld() -> Firewalld {
        Firewalld { networks: vec!["10.10.10.0/24".parse().unwrap()] }
    }

    fn seen(running: &str, permanent: &str) -> Slice {
        let stdout = format!("network 10.10.10.0/24 public\n{running}{permanent}");
        Slice { stdout, ..Slice::default() }
    }

    const RULE: &str = r#"as 1 "rule family=\"ipv4\" source address=\"10.10.10.0/24\" service name=\"ntp\" accept""#;

    #[test]
    fn running_and_permanent_are_two_things() {
        let slice = seen(&format!("running public getRichRules {RULE}\n"), "permanent public getRichRules as 0\n");
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
        let slice = seen(
            "running public getServices as 2 \"ssh\" \"ntp\"\n",
            "permanent public getPorts aas 1 2 \"123\" \"udp\"\n",
        );
        assert_eq!(firewalld().diff(&slice).unwrap(), []);
    }

    #[test]
    fn all_settings_of_a_zone_are_told_at_once() {
        let open = |settings: &str| {
            let text = format!("running public settings a{{sv}} 9 \"short\" s \"ntp\" {settings} \"forward\" b true\n");
            is_open(&text, "running", "public", &"10.10.10.0/24".parse().unwrap())
        };
        assert!(open("\"services\" as 2 \"ssh\" \"ntp\""));
        assert!(open("\"services\" as 0 \"ports\" a(ss) 2 \"80\" \"tcp\" \"123\" \"udp\""));
        assert!(open(&format!("\"rules_str\" as 2 \"rule \\\"x\\\"\" {}", &RULE["as 1 ".len()..])));
        assert!(!open("\"services\" as 1 \"ssh\" \"other\" as 1 \"ntp\""));
        assert!(!open("\"ports\" a(ss) 0 \"source_ports\" a(ss) 1 \"123\" \"udp\""));
        assert!(!open("\"services\" as 7 \"ssh\""));
    }

    #[test]
    fn a_stopped_firewalld_is_an_error_with_a_hint() {
        let slice = Slice { stdout: "off\n".into(), ..Slice::default() };
        assert!(crate::exit::hint(&firewalld().diff(&slice).unwrap_err()).is_some());
    }
}
