//! The settings of a zone of firewalld, or of a policy: what they do with questions for the time.
//!
//! firewalld goes through policies with a priority below 0, the zone, and the other policies, each of them:
//! rich rules with a priority below 0, those that refuse, those that let in beside services and ports, rich rules
//! above 0. What none of them has decided is for the target of the zone.

use ipnet::IpNet;
use serde_json::Value;

use super::known::{Known, Port};
use super::packet::Truth;
use super::rich::Rich;

/// A zone, or a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    target: String,
    services: Vec<String>,
    ports: Vec<(String, String)>,
    protocols: Vec<String>,
    /// Its rich rules.
    pub rules: Vec<String>,
    /// Networks, addresses, MAC addresses and ipsets (`ipset:NAME`) whose packets are in it.
    pub sources: Vec<String>,
    /// The interfaces that are bound to it.
    pub interfaces: Vec<String>,
    /// Where it comes among others: lower is earlier. Of a zone since firewalld 2.0.
    pub priority: i64,
    /// Of a policy: the zones whose packets it is about.
    ingress: Vec<String>,
    /// Of a policy: where they go.
    egress: Vec<String>,
}

/// Whether a zone lets NTP in from an address, or from all of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// Open to it.
    Open,
    /// Open, but to these others only.
    OpenTo(Vec<String>),
    /// Closed.
    Closed,
    /// Refused before it could be let in.
    Refused {
        /// The policy that does it; else the zone.
        policy: Option<String>,
        /// In these words.
        words: String,
    },
    /// It may be refused before, and that cannot be told.
    Doubt {
        /// Because of these words.
        words: String,
        /// Whether it is closed even if nothing refuses it.
        shut: bool,
    },
}

impl Door {
    /// Returns whether opening the zone would let it in: nothing refuses it before.
    pub fn is_shut(&self) -> bool {
        matches!(self, Door::Closed | Door::OpenTo(_))
    }
}

/// The places of the settings in the reply of a firewalld before 0.9, which does not name them.
const OLD: &[(&str, usize)] = &[
    ("target", 4),
    ("services", 5),
    ("ports", 6),
    ("interfaces", 10),
    ("sources", 11),
    ("rules_str", 12),
    ("protocols", 13),
];

impl Zone {
    /// Reads the settings as firewalld tells them.
    pub fn read(text: &str) -> Self {
        let value = super::dbus::values(text).and_then(|values| values.into_iter().next()).unwrap_or_default();
        let setting = |key: &str| match value.is_array() {
            true => OLD.iter().find(|(name, _)| *name == key).map_or(&Value::Null, |(_, at)| &value[at]),
            false => &value[key],
        };
        let list = |key: &str| setting(key).as_array().cloned().unwrap_or_default();
        let texts = |key: &str| list(key).iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
        let pair = |value: &Value| Some((value[0].as_str()?.to_owned(), value[1].as_str()?.to_owned()));
        let number = |key: &str| setting(key).as_i64().or_else(|| setting(key).as_str()?.parse().ok());
        let rules: Vec<String> = texts("rules_str");
        Zone {
            target: setting("target").as_str().unwrap_or_default().to_owned(),
            services: texts("services"),
            ports: list("ports").iter().filter_map(pair).collect(),
            protocols: texts("protocols"),
            rules: if rules.is_empty() { texts("rich_rules") } else { rules },
            sources: texts("sources"),
            interfaces: texts("interfaces"),
            priority: number("ingress_priority").or_else(|| number("priority")).unwrap_or(0),
            ingress: texts("ingress_zones"),
            egress: texts("egress_zones"),
        }
    }

    /// Returns whether everything is let in, not NTP in particular.
    pub fn lets_all_in(&self) -> bool {
        self.target == "ACCEPT"
    }

    /// Returns whether it is a policy for what comes to this host out of a zone.
    pub(super) fn is_policy_of(&self, zone: &str) -> bool {
        let has = |list: &[String], name: &str| list.iter().any(|own| own == name);
        has(&self.egress, "HOST") && (has(&self.ingress, zone) || has(&self.ingress, "ANY"))
    }

    /// Returns what becomes of questions from a network in this zone, with the policies that are about it.
    pub(super) fn door(&self, policies: &[(&str, &Zone)], from: IpNet, known: &Known) -> Door {
        let mut way = Way {
            from,
            known,
            others: Vec::new(),
            maybe: false,
            doubt: None,
            late: false,
            late_doubt: false,
            policy: None,
        };
        let (before, after): (Vec<_>, Vec<_>) = policies.iter().partition(|(_, policy)| policy.priority < 0);
        let through = |way: &mut Way<'_>, list: &[&(&str, &Zone)]| {
            list.iter().find_map(|(name, policy)| {
                way.policy = Some((*name).to_owned());
                way.through(policy).or_else(|| way.ends(policy))
            })
        };
        let zone = |way: &mut Way<'_>| {
            way.policy = None;
            way.zone(self)
        };
        let door = through(&mut way, &before).or_else(|| zone(&mut way)).or_else(|| through(&mut way, &after));
        door.unwrap_or_else(|| if self.lets_all_in() { way.open() } else { way.shut() })
    }
}

/// The way of questions from a network through zones and policies.
struct Way<'a> {
    from: IpNet,
    known: &'a Known,
    /// Who else was let in on the way.
    others: Vec<String>,
    /// Whether something may have let it in on the way.
    maybe: bool,
    /// What may have refused it before the zone could let it in.
    doubt: Option<String>,
    /// Whether the openings of the zone were passed: what refuses it now, opening the zone would come before.
    late: bool,
    /// Whether something may have refused it since.
    late_doubt: bool,
    /// The policy that it is in.
    policy: Option<String>,
}

impl Way<'_> {
    /// Through what a policy has, but for its target.
    fn through(&mut self, policy: &Zone) -> Option<Door> {
        self.halves(policy, false)
    }

    /// Through what the zone has, but for its target.
    fn zone(&mut self, zone: &Zone) -> Option<Door> {
        self.halves(zone, true)
    }

    fn halves(&mut self, zone: &Zone, is_zone: bool) -> Option<Door> {
        let mut rules: Vec<Rich<'_>> = zone.rules.iter().map(|rule| Rich::read(rule)).collect();
        rules.sort_by_key(|rule| (rule.priority(), rule.accepts()));
        let (before, rest): (Vec<_>, Vec<_>) =
            rules.into_iter().partition(|rule| (rule.priority(), rule.accepts()) < (0, Some(true)));
        let first = before.iter().find_map(|rule| self.rule(rule));
        let own = first.or_else(|| self.openings(zone));
        self.late |= is_zone;
        own.or_else(|| rest.iter().find_map(|rule| self.rule(rule)))
    }

    fn rule(&mut self, rule: &Rich<'_>) -> Option<Door> {
        let accepts = rule.accepts()?;
        let about = rule.is_about(self.known);
        let holds = Truth::all([about, rule.covers(self.from, self.known)]);
        match (holds, accepts) {
            (Truth::Yes, true) => return Some(self.open()),
            (Truth::Yes, false) => return Some(self.refused(rule.text())),
            (Truth::Unknown, false) if self.late => self.late_doubt = true,
            (Truth::Unknown, false) => drop(self.doubt.get_or_insert_with(|| rule.text().to_owned())),
            (Truth::Unknown | Truth::No, true) => {
                self.maybe |= holds == Truth::Unknown;
                match about {
                    Truth::Yes => self.others.push(rule.source()),
                    Truth::Unknown if holds == Truth::Unknown => self.others.push(format!("`{}`", rule.text())),
                    Truth::Unknown | Truth::No => {}
                }
            }
            (Truth::No, false) => {}
        }
        None
    }

    /// Services, ports and protocols.
    fn openings(&mut self, zone: &Zone) -> Option<Door> {
        let port = |(ports, protocol): &(String, String)| Port { ports, protocol }.holds(&self.known.wanted);
        let services = zone.services.iter().map(|service| self.known.service(service));
        let protocol = |name: &String| Port { ports: "", protocol: name }.is_all_of(&self.known.wanted);
        let all = services.chain(zone.ports.iter().map(port)).chain(zone.protocols.iter().map(protocol));
        let open = Truth::any(all);
        self.maybe |= open == Truth::Unknown;
        (open == Truth::Yes).then(|| self.open())
    }

    fn open(&self) -> Door {
        match &self.doubt {
            Some(words) => Door::Doubt { words: words.clone(), shut: false },
            None if self.late_doubt => self.shut(),
            None => Door::Open,
        }
    }

    fn shut(&self) -> Door {
        match &self.doubt {
            Some(words) => Door::Doubt { words: words.clone(), shut: true },
            None if self.others.is_empty() => Door::Closed,
            None => Door::OpenTo(self.others.clone()),
        }
    }

    fn refused(&self, words: &str) -> Door {
        match self.maybe {
            _ if self.late => self.shut(),
            true => Door::Doubt { words: words.to_owned(), shut: false },
            false => Door::Refused { policy: self.policy.clone(), words: words.to_owned() },
        }
    }

    /// What a policy does with what it has not decided about.
    fn ends(&self, policy: &Zone) -> Option<Door> {
        match policy.target.as_str() {
            "ACCEPT" => Some(self.open()),
            "DROP" | "REJECT" | "%%REJECT%%" => {
                Some(self.refused(&format!("target {}", policy.target.trim_matches('%'))))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(settings: &str) -> Zone {
        const KEYS: &[&str] = &["services", "target", "ports", "source_ports", "protocols", "rules_str", "rich_rules"];
        let more = ["priority", "ingress_zones", "egress_zones"];
        let has = |key: &&&str| settings.contains(&format!("\"{key}\" "));
        let count = KEYS.iter().chain(&more).filter(has).count();
        Zone::read(&format!("a{{sv}} {count} {settings}"))
    }

    fn door(settings: &str, from: &str) -> Door {
        let set = vec!["10.10.10.0/25".to_owned(), "10.10.20.1-10.10.20.9".to_owned()];
        let neighbours = [("10.10.20.8".parse().unwrap(), "02:00:00:00:00:08".to_owned())].into();
        let services = [("time".to_owned(), Truth::Yes), ("six".to_owned(), Truth::Unknown)].into();
        let known = Known { ipsets: [("lan".to_owned(), set)].into(), services, neighbours, ..Known::default() };
        zone(settings).door(&[], from.parse().unwrap(), &known)
    }

    fn is_open(settings: &str, from: &str) -> bool {
        door(settings, from) == Door::Open
    }

    #[test]
    fn what_is_open_more_widely_is_open() {
        for settings in [
            r#""services" as 2 "ssh" "ntp""#,
            r#""target" s "ACCEPT""#,
            r#""ports" a(ss) 1 "100-200" "udp""#,
            r#""protocols" as 1 "udp""#,
            r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.0.0.0/8\" service name=\"ntp\" accept""#,
            r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.0.0.0/8\" accept""#,
            r#""rules_str" as 1 "rule priority=\"-5\" source ipset=\"lan\" port port=\"123\" protocol=\"udp\" log prefix=\"x\" accept""#,
            r#""rules_str" as 1 "rule service name=\"ntp\" accept""#,
            r#""services" as 1 "time""#,
            r#""rules_str" as 1 "rule source NOT address=\"10.9.0.0/16\" service name=\"ntp\" accept""#,
            r#""rules_str" as 2 "rule priority=\"-1\" family=\"ipv4\" service name=\"ntp\" accept" "rule family=\"ipv4\" drop""#,
            r#""services" as 1 "ntp" "rules_str" as 1 "rule priority=\"32767\" drop""#,
            r#""services" as 1 "ntp" "rules_str" as 1 "rule service name=\"ntp\" log prefix=\"x drop\" level=\"info\" limit value=\"3/m\"""#,
            r#""services" as 1 "ntp" "rules_str" as 1 "rule family=\"ipv4\" icmp-block name=\"echo-request\"""#,
            r#""services" as 1 "ntp" "rules_str" as 1 "rule source mac=\"02:00:00:00:00:09\" port port=\"124\" protocol=\"udp\" drop""#,
        ] {
            assert!(is_open(settings, "10.10.10.0/26"), "{settings}");
        }
        assert!(is_open(
            r#""rules_str" as 1 "rule source ipset=\"lan\" service name=\"ntp\" accept""#,
            "10.10.20.8/32"
        ));
    }

    #[test]
    fn what_is_open_in_part_is_not_open() {
        for settings in [
            r#""services" as 1 "ssh""#,
            r#""ports" a(ss) 1 "123" "tcp""#,
            r#""source_ports" a(ss) 1 "123" "udp""#,
            r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.10.10.2\" service name=\"ntp\" accept""#,
            r#""rules_str" as 1 "rule family=\"ipv6\" service name=\"ntp\" accept""#,
            r#""rules_str" as 1 "rule service name=\"ntp\" accept limit value=\"3/m\"""#,
            r#""rules_str" as 1 "rule service name=\"ntp\" drop""#,
            r#""rules_str" as 1 "rule source NOT address=\"10.10.10.7\" service name=\"ntp\" accept""#,
            r#""rules_str" as 1 "rule source-port port=\"123\" protocol=\"udp\" accept""#,
        ] {
            assert!(!is_open(settings, "10.10.10.0/26"), "{settings}");
        }
    }

    #[test]
    fn what_refuses_comes_before_what_lets_in() {
        let rules =
            |first: &str, second: &str| format!(r#""services" as 1 "ntp" "rules_str" as 2 "{first}" "{second}""#);
        let drop = r#"rule family=\"ipv4\" source address=\"10.10.10.2\" service name=\"ntp\" reject"#;
        let accept = r#"rule family=\"ipv4\" service name=\"ntp\" accept"#;
        for (first, second) in [(accept, drop), (drop, accept)] {
            let settings = rules(first, second);
            assert!(
                matches!(door(&settings, "10.10.10.2/32"), Door::Refused { words, .. } if words.contains("reject"))
            );
            assert_eq!(door(&settings, "10.10.10.3/32"), Door::Open);
            assert!(
                matches!(door(&settings, "10.10.10.0/24"), Door::Doubt { words, shut: false } if words.contains("10.10.10.2"))
            );
        }
        let one = |rule: &str| format!(r#""services" as 1 "ntp" "rules_str" as 1 "{rule}""#);
        let by_mac = one(r#"rule source mac=\"02:00:00:00:00:08\" drop"#);
        assert!(matches!(door(&by_mac, "10.10.20.8/32"), Door::Refused { .. }));
        assert!(matches!(door(&by_mac, "10.10.20.9/32"), Door::Doubt { .. }), "whose address it is, is not known");
        let limited = one(r#"rule service name=\"ntp\" drop limit value=\"1/s\""#);
        assert!(matches!(door(&limited, "10.10.20.9/32"), Door::Doubt { .. }));
        let late = r#""rules_str" as 1 "rule priority=\"1\" service name=\"ntp\" drop""#;
        assert_eq!(door(late, "10.10.20.9/32"), Door::Closed, "to open the zone comes before it");
        let late = format!(r#""target" s "ACCEPT" {}"#, late.replace("drop", r#"drop limit value=\"1/s\""#));
        assert_eq!(door(&late, "10.10.20.9/32"), Door::Closed);
        let some = r#""rules_str" as 1 "rule service name=\"ntp\" accept limit value=\"1/m\"""#;
        assert!(matches!(door(some, "10.10.20.9/32"), Door::OpenTo(others) if others[0].contains("limit")));
        let unsure = one(r#"rule service name=\"six\" drop"#);
        assert!(matches!(door(&unsure, "10.10.20.9/32"), Door::Doubt { .. }));
        assert_eq!(door(r#""services" as 1 "six""#, "10.10.20.9/32"), Door::Closed);
        assert!(!is_open(r#""target" s "DROP""#, "10.10.20.9/32"));
    }

    #[test]
    fn policies_come_before_a_zone_or_behind_it() {
        let open = zone(r#""services" as 1 "ntp""#);
        let shut = zone(r#""target" s "DROP""#);
        let policy =
            |settings: &str| zone(&format!(r#""ingress_zones" as 1 "ANY" "egress_zones" as 1 "HOST" {settings}"#));
        let from = "10.10.10.2/32".parse().unwrap();
        let through = |zone: &Zone, settings: &str| {
            let policy = policy(settings);
            assert!(policy.is_policy_of("public"));
            zone.door(&[("p", &policy)], from, &Known::default())
        };
        let refused = |door: Door| matches!(door, Door::Refused { policy: Some(_), words } if words == "target DROP");
        assert!(refused(through(&open, r#""priority" i -1 "target" s "DROP""#)));
        assert_eq!(through(&open, r#""priority" i 1 "target" s "DROP""#), Door::Open);
        assert_eq!(through(&shut, r#""priority" i 1 "services" as 1 "ntp" "target" s "CONTINUE""#), Door::Open);
        assert_eq!(through(&shut, r#""priority" i -1 "services" as 1 "ntp" "target" s "CONTINUE""#), Door::Open);
        assert_eq!(through(&shut, r#""priority" i 1 "target" s "ACCEPT""#), Door::Open);
        // What comes behind the zone stops nothing that the zone lets in.
        assert_eq!(through(&shut, r#""priority" i 1 "target" s "REJECT""#), Door::Closed);
        let rule =
            r#""priority" i -1 "rich_rules" as 1 "rule family=\"ipv4\" port port=\"123\" protocol=\"udp\" drop""#;
        assert!(matches!(through(&open, rule), Door::Refused { .. }));
        let elsewhere = zone(r#""ingress_zones" as 1 "internal" "egress_zones" as 1 "HOST""#);
        assert!(!elsewhere.is_policy_of("public") && elsewhere.is_policy_of("internal"));
    }

    #[test]
    fn an_old_firewalld_does_not_name_its_settings() {
        let text = r#"(sssbsasa(ss)asba(ssss)asasasasa(ss)b) "" "Public" "words" false "default" 1 "ssh" 1 "123" "udp" 0 false 0 1 "eth0" 1 "10.0.0.0/8" 0 0 0 false"#;
        let zone = Zone::read(text);
        assert_eq!(zone.door(&[], "10.1.1.1/32".parse().unwrap(), &Known::default()), Door::Open);
        assert_eq!((zone.sources, zone.interfaces), (vec!["10.0.0.0/8".to_owned()], vec!["eth0".to_owned()]));
    }
}
