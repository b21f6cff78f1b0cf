//! A rule of the Windows firewall. It is read from the registry, where no word is translated, and
//! changed with netsh. Whether it counts is another question: rules that block win over it, and a
//! policy may ignore it. Nobody else's rule is changed; who keeps the followers out is named.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use ipnet::IpNet;

use super::firewall_own::{NTP, Own, add, delete, name, own};

use crate::facts::registry::Registry;
use crate::facts::windows::{Kind, WindowsFacts};
use crate::facts::windows_firewall::{Asked, Door, Firewall, Shut, queries_for, query_profiles};
use crate::firewall::firewalld::Opening;
use crate::model::Slice;
use crate::resource::{Delta, Fix, Resource};

/// A port, that of NTP or another, open for some networks.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    port: Opening,
    networks: BTreeSet<IpNet>,
    domain_member: bool,
    warnings: Vec<String>,
}

impl Rule {
    pub(super) fn new(port: Opening, networks: Vec<IpNet>, facts: &WindowsFacts) -> Self {
        let networks = networks.into_iter().map(|network| network.trunc()).collect();
        let mut rule = Rule { port, networks, domain_member: facts.domain_member, warnings: Vec::new() };
        // The facts are about the port of NTP; what is to be said of another is told when its rules were read.
        if rule.port.is_ntp() {
            rule.warnings = rule.told(&facts.rules, true);
            // A domain controller has such a rule by its role: its domain asks it, from anywhere.
            if facts.kind != Kind::DomainController {
                rule.warnings.extend(facts.rules.open_to_all().into_iter().filter(|name| *name != NTP).map(wide));
            }
        }
        rule
    }

    /// The rule that shall be there, if any: where nobody is served there is none.
    fn wanted(&self) -> Option<Own> {
        Own::new(&self.port, self.networks.clone())
    }

    fn asked(&self) -> Asked {
        Asked { tcp: self.port.protocol() == "tcp", ports: self.port.numbers() }
    }

    fn firewall(&self, seen: &Slice) -> Firewall {
        Firewall::parse_for(&Registry::parse(&seen.stdout), self.domain_member, self.asked())
    }

    /// What is said of the followers whom our rule may not let in.
    fn told(&self, firewall: &Firewall, closed_too: bool) -> Vec<String> {
        let with = firewall.with_own(self.networks.iter().copied());
        let doubt = |network: &IpNet| match with.door(*network) {
            Door::Open(_) => None,
            Door::Unsure(why) => {
                let what = if self.port.is_ntp() { "ask for time".to_owned() } else { format!("in at {}", self.port) };
                Some(format!("whether the firewall lets {network} {what} cannot be told: {why}"))
            }
            Door::Closed(shut) => closed_too.then(|| self.closed(*network, &shut)),
        };
        self.networks.iter().filter_map(doubt).collect()
    }

    /// The networks that stay out whatever our rule says.
    fn kept_out(&self, seen: &Slice) -> Vec<(IpNet, Shut)> {
        let with = self.firewall(seen).with_own(self.networks.iter().copied());
        let shut = |network: &IpNet| match with.door(*network) {
            Door::Closed(shut) => Some((*network, shut)),
            _ => None,
        };
        self.networks.iter().filter_map(shut).collect()
    }

    fn closed(&self, network: IpNet, shut: &Shut) -> String {
        let remedy = shut.remedy_for(network, self.asked());
        format!("the firewall keeps {network} out of {}: {}. {remedy}", self.port, shut.why())
    }
}

/// What is said of a rule of somebody else that lets anybody in.
fn wide(name: &str) -> String {
    format!(
        "the firewall rule `{name}` lets anybody ask for time, not only the networks that are served: narrow it or switch it off if that is not meant"
    )
}

impl Resource for Rule {
    fn label(&self) -> String {
        format!("firewall {}", self.port)
    }

    fn probe(&self) -> String {
        [&queries_for(self.asked())[..], &query_profiles()].concat().join("\n")
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let (now, wanted) = (own(&seen.stdout, |rule| rule == name(&self.port)), self.wanted());
        let mut deltas = Vec::new();
        if now != wanted.as_slice() {
            let from = (!now.is_empty()).then(|| now.iter().map(Own::shown).collect::<Vec<_>>().join("; "));
            deltas.push(Delta::new(self.label(), "inbound", from, wanted.as_ref().map(Own::shown)));
        }
        for (network, shut) in self.kept_out(seen) {
            let from = Some(format!("kept out: {}", shut.why()));
            deltas.push(Delta::new(self.label(), &network.to_string(), from, Some("let in".to_owned())));
        }
        Ok(deltas)
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        if let Some((network, shut)) = self.kept_out(seen).first() {
            bail!("{}; this is decided by whoever made it, not by fleetclock", self.closed(*network, shut));
        }
        let name = name(&self.port);
        let (was, wanted) = (own(&seen.stdout, |rule| rule == name), self.wanted());
        if was == wanted.as_slice() {
            return Ok(Fix::default());
        }
        let delete = delete(&name);
        Ok(Fix {
            change: format!("{delete}{}", add(wanted.as_slice())),
            undo: format!("{delete}{}", add(&was)),
            ..Fix::default()
        })
    }

    fn doubts(&self, seen: &Slice) -> Vec<String> {
        if self.port.is_ntp() { Vec::new() } else { self.told(&self.firewall(seen), false) }
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::windows_firewall::RULES;

    fn rule() -> Rule {
        let facts = crate::facts::windows::parse(&std::collections::BTreeMap::new());
        let networks = vec!["10.10.10.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()];
        Rule::new(Opening::default(), networks, &facts)
    }

    fn seen(rule: &str) -> Slice {
        let key = RULES.replace("HKLM", "HKEY_LOCAL_MACHINE");
        Slice { stdout: format!("\n{key}\n    {{1234-5678}}    REG_SZ    {rule}\n"), ..Slice::default() }
    }

    #[test]
    fn our_rule_is_known_in_the_spelling_of_windows() {
        let same = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|RA4=10.10.10.0/255.255.255.0|RA6=fd00::/64|Name=fleetclock-ntp|";
        assert!(rule().diff(&seen(same)).unwrap().is_empty());
        assert_eq!(rule().fix(&seen(same), false).unwrap(), Fix::default());
    }

    #[test]
    fn a_rule_that_is_off_or_for_others_is_made_anew() {
        let off = "v2.10|Action=Allow|Active=FALSE|Dir=In|Protocol=17|LPort=123|Name=fleetclock-ntp|";
        assert_eq!(rule().diff(&seen(off)).unwrap()[0].from, None);
        let other = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|RA4=10.9.0.1|Name=fleetclock-ntp|";
        assert_eq!(rule().diff(&seen(other)).unwrap()[0].from.as_deref(), Some("open for 10.9.0.1/32"));
        let fix = rule().fix(&seen(other), false).unwrap();
        assert!(
            fix.change.ends_with("remoteip=10.10.10.0/24,fd00::/64\n") && fix.undo.ends_with("remoteip=10.9.0.1/32\n")
        );
    }

    #[test]
    fn our_rule_narrowed_by_hand_is_made_anew_and_put_back_as_it_was() {
        let narrow = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|Profile=Domain|LPort=123|RA4=10.10.10.0/24|RA6=fd00::/64|Name=fleetclock-ntp|";
        let deltas = rule().diff(&seen(narrow)).unwrap();
        assert_eq!(deltas[0].from.as_deref(), Some("open for 10.10.10.0/24 fd00::/64, only profile=Domain"));
        let fix = rule().fix(&seen(narrow), false).unwrap();
        assert!(fix.change.ends_with("remoteip=10.10.10.0/24,fd00::/64\n"), "{}", fix.change);
        assert!(fix.undo.ends_with("remoteip=10.10.10.0/24,fd00::/64 profile=Domain\n"), "{}", fix.undo);
    }

    #[test]
    fn what_is_no_network_and_what_has_blanks_is_put_back_as_it_was() {
        let undo = |fields: &str| {
            let seen = seen(&format!(
                "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|{fields}Name=fleetclock-ntp|"
            ));
            let undo = rule().fix(&seen, false).unwrap().undo;
            let (_, end) = undo.split_once(" remoteip=").unwrap();
            (rule().diff(&seen).unwrap()[0].from.clone().unwrap(), end.trim_end().to_owned())
        };
        for (fields, shown, end) in [
            // What had nobody in particular let anybody in, and that only.
            ("", "any", "any"),
            ("RA4=LocalSubnet|RA6=LocalSubnet|", "LocalSubnet", "LocalSubnet"),
            ("RA4=10.0.0.1-10.0.0.9|", "10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9"),
            ("RA42=Intranet|", "Intranet", "Intranet"),
            ("RA4NOT=10.0.0.1|", "RA4NOT=10.0.0.1", "RA4NOT=10.0.0.1"),
            (
                "RA4=10.0.0.1-10.0.0.9|RA4=10.9.0.0/16|",
                "10.9.0.0/16 10.0.0.1-10.0.0.9",
                "10.9.0.0/16,10.0.0.1-10.0.0.9",
            ),
            (
                "RA4=10.9.0.0/16|App=C:\\Program Files\\x.exe|Svc=w32time|",
                "10.9.0.0/16, only program=\"C:\\Program Files\\x.exe\" service=w32time",
                "10.9.0.0/16 program=\"C:\\Program Files\\x.exe\" service=w32time",
            ),
        ] {
            assert_eq!(undo(fields), (format!("open for {shown}"), end.to_owned()), "{fields}");
        }
    }

    #[test]
    fn where_nobody_is_served_there_is_no_rule_of_ours() {
        let facts = crate::facts::windows::parse(&std::collections::BTreeMap::new());
        let rule = Rule::new(Opening::default(), Vec::new(), &facts);
        assert_eq!(rule.diff(&seen("")).unwrap(), []);
        assert_eq!(rule.fix(&seen(""), false).unwrap(), Fix::default());
        // One that is there goes, whomever it is for.
        for (fields, shown, from) in [("RA4=10.9.0.1|", "10.9.0.1/32", "10.9.0.1/32"), ("", "any", "any")] {
            let ours = seen(&format!(
                "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|{fields}Name=fleetclock-ntp|"
            ));
            let delta = Delta::new("firewall 123/udp".to_owned(), "inbound", Some(format!("open for {shown}")), None);
            assert_eq!(rule.diff(&ours).unwrap(), [delta]);
            let fix = rule.fix(&ours, false).unwrap();
            assert_eq!(fix.change, "-netsh advfirewall firewall delete rule name=fleetclock-ntp\n");
            assert!(fix.undo.ends_with(&format!("remoteip={from}\n")), "{}", fix.undo);
        }
    }

    #[test]
    fn followers_who_are_kept_out_are_a_difference_that_names_the_rule_and_is_not_fought() {
        let ours = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|RA4=10.10.10.0/24|RA6=fd00::/64|Name=fleetclock-ntp|";
        let block = "v2.10|Action=Block|Active=TRUE|Dir=In|Protocol=17|LPort=123|RA4=10.0.0.0/8|Name=hardening|";
        let seen = seen(&format!("{ours}\n    {{9}}    REG_SZ    {block}"));
        let deltas = rule().diff(&seen).unwrap();
        assert_eq!((deltas.len(), deltas[0].property.as_str()), (1, "10.10.10.0/24"));
        assert!(deltas[0].from.as_deref().unwrap().contains("the rule `hardening` blocks it"), "{deltas:?}");
        let error = rule().fix(&seen, false).unwrap_err().to_string();
        assert!(error.contains("narrow it so that it spares 10.10.10.0/24"), "{error}");
    }

    #[test]
    fn a_rule_beside_ours_that_lets_anybody_in_is_said() {
        let warned = |rule: &str, kind: Kind| {
            let mut facts = crate::facts::windows::parse(&std::collections::BTreeMap::new());
            facts.rules = Firewall::parse(&Registry::parse(&seen(rule).stdout), false);
            facts.kind = kind;
            let rule = Rule::new(Opening::default(), vec!["10.10.10.0/24".parse().unwrap()], &facts);
            rule.warnings().iter().any(|text| text.contains("lets anybody ask for time"))
        };
        let wide = "v2.26|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|Name=NTP Sync Response(IN/UDP)|";
        assert!(warned(wide, Kind::Server) && !warned(wide, Kind::DomainController));
        assert!(!warned(&wide.replace("NTP Sync Response(IN/UDP)", NTP), Kind::Server));
        assert!(!warned(&wide.replace("LPort=123", "LPort=123|RA4=10.9.0.1"), Kind::Server));
    }

    #[test]
    fn the_rule_of_somebody_else_is_not_ours() {
        let theirs = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|Name=NTP|";
        assert_eq!(rule().diff(&seen(theirs)).unwrap().len(), 1);
    }

    #[test]
    fn another_port_has_a_rule_of_its_own() {
        let facts = crate::facts::windows::parse(&std::collections::BTreeMap::new());
        let rule = |port: &str| Rule::new(Opening::read(port).unwrap(), vec!["10.10.10.0/24".parse().unwrap()], &facts);
        for (port, name, netsh, fields) in [
            ("4460/tcp", "fleetclock-4460-tcp", "protocol=TCP localport=4460", "Protocol=6|LPort=4460"),
            (
                "60000-60100/udp",
                "fleetclock-60000-60100-udp",
                "protocol=UDP localport=60000-60100",
                "Protocol=17|LPort2_10=60000-60100",
            ),
        ] {
            let rule = rule(port);
            let fix = rule.fix(&seen(""), false).unwrap();
            assert_eq!(
                fix.change,
                format!(
                    "-netsh advfirewall firewall delete rule name={name}\nnetsh advfirewall firewall add rule name={name} dir=in action=allow {netsh} remoteip=10.10.10.0/24\n"
                )
            );
            assert_eq!(fix.undo, format!("-netsh advfirewall firewall delete rule name={name}\n"));
            let ours = format!("v2.10|Action=Allow|Active=TRUE|Dir=In|{fields}|RA4=10.10.10.0/24|Name={name}|");
            assert_eq!(rule.diff(&seen(&ours)).unwrap(), [], "{ours}");
            // That of NTP is another, and so is ours at a port that somebody has changed.
            for other in [ours.replace(name, NTP), ours.replace("60\x7c", "61\x7c").replace("60100", "60200")] {
                assert_eq!(rule.diff(&seen(&other)).unwrap()[0].resource, format!("firewall {port}"), "{other}");
            }
        }
        let tcp = rule("4460/tcp");
        // Rules for UDP are not even read, and those for TCP are.
        assert!(
            tcp.probe().contains("/c:\"|Protocol=17|\"") && !tcp.probe().contains("/c:\"|Protocol=6|\""),
            "{}",
            tcp.probe()
        );
        let beside = |fields: &str| seen(&format!("v2.10|Action=Block|Active=TRUE|Dir=In|{fields}|Name=hardening|"));
        for (fields, shut, doubts) in [
            ("Protocol=6|LPort=4000-5000", true, 0),
            ("Protocol=6", true, 0),
            ("Protocol=6|App=C:\\x.exe", false, 1),
            ("Protocol=6|LPort=4461", false, 0),
            ("Protocol=17|LPort=4460", false, 0),
        ] {
            let seen = beside(fields);
            assert_eq!((tcp.fix(&seen, false).is_err(), tcp.doubts(&seen).len()), (shut, doubts), "{fields}");
        }
        let error = tcp.fix(&beside("Protocol=6"), false).unwrap_err().to_string();
        assert!(error.contains("keeps 10.10.10.0/24 out of 4460/tcp: the rule `hardening` blocks it"), "{error}");
        // Of several ports, a rule for some of them is a doubt.
        assert_eq!(rule("60000-60100/udp").doubts(&beside("Protocol=17|LPort=60050")).len(), 1);
    }
}
