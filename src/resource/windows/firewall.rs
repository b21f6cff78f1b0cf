//! A rule of the Windows firewall. It is read from the registry, where no word is translated, and
//! changed with netsh. Whether it counts is another question: rules that block win over it, and a
//! policy may ignore it. Nobody else's rule is changed; who keeps the followers out is named.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use ipnet::IpNet;

use crate::facts::registry::Registry;
use crate::facts::windows::{Kind, WindowsFacts};
use crate::facts::windows_firewall::{
    Door, Firewall, RULES, Shut, network, query_managed, query_policy, query_profiles, query_rules,
};
use crate::firewall::firewalld::Opening;
use crate::model::Slice;
use crate::resource::{Delta, Fix, Resource};

/// The name of our rule.
const NAME: &str = "fleetclock-ntp";

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

/// The NTP port, open for some networks.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    networks: BTreeSet<IpNet>,
    domain_member: bool,
    warnings: Vec<String>,
}

/// A rule of our name as it is on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Own {
    networks: BTreeSet<IpNet>,
    /// What it was narrowed to, in the words of netsh: `profile=Domain`.
    narrowed: Vec<String>,
}

impl Rule {
    pub(super) fn new(port: &Opening, networks: Vec<IpNet>, facts: &WindowsFacts) -> Result<Self> {
        if !port.is_ntp() {
            bail!("firewall: only 123/udp can be opened, not `{port}`");
        }
        let networks = networks.into_iter().map(|network| network.trunc()).collect();
        let mut rule = Rule { networks, domain_member: facts.domain_member, warnings: Vec::new() };
        rule.warnings = rule.doubts(&facts.rules);
        // A domain controller has such a rule by its role: its domain asks it, from anywhere.
        if facts.kind != Kind::DomainController {
            rule.warnings.extend(facts.rules.open_to_all().into_iter().filter(|name| *name != NAME).map(wide));
        }
        Ok(rule)
    }

    fn wanted(&self) -> Own {
        Own { networks: self.networks.clone(), narrowed: Vec::new() }
    }

    /// What is said of the followers whom our rule may not let in.
    fn doubts(&self, firewall: &Firewall) -> Vec<String> {
        let with = firewall.with_own(self.networks.iter().copied());
        let doubt = |network: &IpNet| match with.door(*network) {
            Door::Open(_) => None,
            Door::Unsure(why) => {
                Some(format!("whether the firewall lets {network} ask for time cannot be told: {why}"))
            }
            Door::Closed(shut) => Some(closed(*network, &shut)),
        };
        self.networks.iter().filter_map(doubt).collect()
    }

    /// The networks that stay out whatever our rule says.
    fn kept_out(&self, seen: &Slice) -> Vec<(IpNet, Shut)> {
        let firewall = Firewall::parse(&Registry::parse(&seen.stdout), self.domain_member);
        let with = firewall.with_own(self.networks.iter().copied());
        let shut = |network: &IpNet| match with.door(*network) {
            Door::Closed(shut) => Some((*network, shut)),
            _ => None,
        };
        self.networks.iter().filter_map(shut).collect()
    }
}

/// What is said of a rule of somebody else that lets anybody in.
fn wide(name: &str) -> String {
    format!(
        "the firewall rule `{name}` lets anybody ask for time, not only the networks that are served: narrow it or switch it off if that is not meant"
    )
}

fn closed(network: IpNet, shut: &Shut) -> String {
    format!("the firewall keeps {network} out of 123/udp: {}. {}", shut.why(), shut.remedy(network))
}

impl Own {
    fn add(&self) -> String {
        let from = if self.networks.is_empty() { "any".to_owned() } else { join(&self.networks, ",") };
        let mut narrowed = self.narrowed.join(" ");
        if !narrowed.is_empty() {
            narrowed.insert(0, ' ');
        }
        format!(
            "netsh advfirewall firewall add rule name={NAME} dir=in action=allow protocol=UDP localport=123 remoteip={from}{narrowed}\n"
        )
    }

    fn shown(&self) -> String {
        let only = if self.narrowed.is_empty() { String::new() } else { format!(", only {}", self.narrowed.join(" ")) };
        format!("open for {}{only}", join(&self.networks, " "))
    }
}

const DELETE: &str = "-netsh advfirewall firewall delete rule name=fleetclock-ntp\n";

impl Resource for Rule {
    fn label(&self) -> String {
        "firewall 123/udp".to_owned()
    }

    fn probe(&self) -> String {
        let mut lines = vec![query_rules(), query_policy(), query_managed()];
        lines.extend(query_profiles());
        lines.join("\n")
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let now = own(&seen.stdout);
        let mut deltas = Vec::new();
        if now != [self.wanted()] {
            let from = (!now.is_empty()).then(|| now.iter().map(Own::shown).collect::<Vec<_>>().join("; "));
            deltas.push(Delta::new(self.label(), "inbound", from, Some(self.wanted().shown())));
        }
        for (network, shut) in self.kept_out(seen) {
            let from = Some(format!("kept out: {}", shut.why()));
            deltas.push(Delta::new(self.label(), &network.to_string(), from, Some("let in".to_owned())));
        }
        Ok(deltas)
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        if let Some((network, shut)) = self.kept_out(seen).first() {
            bail!("{}; this is decided by whoever made it, not by fleetclock", closed(*network, shut));
        }
        let was = own(&seen.stdout);
        if was == [self.wanted()] {
            return Ok(Fix::default());
        }
        let back: String = was.iter().map(Own::add).collect();
        Ok(Fix {
            change: format!("{DELETE}{}", self.wanted().add()),
            undo: format!("{DELETE}{back}"),
            settle: String::new(),
        })
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

fn join(networks: &BTreeSet<IpNet>, by: &str) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(by)
}

/// The rules of our name that are active, inbound and allowing (MS-GPFAS 2.2.2.19).
fn own(printed: &str) -> Vec<Own> {
    Registry::parse(printed).texts(RULES).filter_map(own_rule).collect()
}

fn own_rule(data: &str) -> Option<Own> {
    let fields: Vec<(&str, &str)> = data.split('|').filter_map(|field| field.split_once('=')).collect();
    let is = |key: &str, wanted: &str| fields.iter().any(|(k, v)| *k == key && v.eq_ignore_ascii_case(wanted));
    let ours = is("Name", NAME) && is("Action", "Allow") && is("Active", "TRUE") && is("Dir", "In");
    let narrowed = |(key, word): &(&str, &str)| {
        let values: Vec<&str> = fields.iter().filter(|(name, _)| name == key).map(|(_, value)| *value).collect();
        (!values.is_empty()).then(|| format!("{word}={}", values.join(",")))
    };
    (ours && is("Protocol", "17")).then(|| Own {
        networks: fields
            .iter()
            .filter(|(key, _)| matches!(*key, "RA4" | "RA6"))
            .filter_map(|(_, text)| network(text))
            .collect(),
        narrowed: NARROWING.iter().filter_map(narrowed).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        let facts = crate::facts::windows::parse(&std::collections::BTreeMap::new());
        Rule::new(&Opening::default(), vec!["10.10.10.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()], &facts)
            .unwrap()
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
            let rule = Rule::new(&Opening::default(), vec!["10.10.10.0/24".parse().unwrap()], &facts).unwrap();
            rule.warnings().iter().any(|text| text.contains("lets anybody ask for time"))
        };
        let wide = "v2.26|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|Name=NTP Sync Response(IN/UDP)|";
        assert!(warned(wide, Kind::Server) && !warned(wide, Kind::DomainController));
        assert!(!warned(&wide.replace("NTP Sync Response(IN/UDP)", NAME), Kind::Server));
        assert!(!warned(&wide.replace("LPort=123", "LPort=123|RA4=10.9.0.1"), Kind::Server));
    }

    #[test]
    fn the_rule_of_somebody_else_is_not_ours() {
        let theirs = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|Name=NTP|";
        assert_eq!(rule().diff(&seen(theirs)).unwrap().len(), 1);
    }
}
