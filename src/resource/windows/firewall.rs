//! A rule of the Windows firewall. It is read from the registry, where no word is translated, and
//! changed with netsh.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Result, bail};
use ipnet::{IpNet, Ipv4Net};

use crate::facts::registry::value;
use crate::facts::windows::query_rules;
use crate::resource::{Delta, Fix, Resource, Slice};

/// The name of our rule.
const NAME: &str = "fleetclock-ntp";

/// The NTP port, open for some networks.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    networks: BTreeSet<IpNet>,
}

impl Rule {
    pub(super) fn new(port: &str, networks: Vec<IpNet>) -> Result<Self> {
        if port != "123/udp" {
            bail!("firewall: only 123/udp can be opened, not `{port}`");
        }
        Ok(Rule { networks: networks.into_iter().map(|network| network.trunc()).collect() })
    }

    fn add(networks: &BTreeSet<IpNet>) -> String {
        let from = if networks.is_empty() { "any".to_owned() } else { join(networks, ",") };
        format!(
            "netsh advfirewall firewall add rule name={NAME} dir=in action=allow protocol=UDP localport=123 remoteip={from}\n"
        )
    }
}

const DELETE: &str = "-netsh advfirewall firewall delete rule name=fleetclock-ntp\n";

impl Resource for Rule {
    fn label(&self) -> String {
        "firewall 123/udp".to_owned()
    }

    fn probe(&self) -> String {
        query_rules()
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let now = own(&seen.stdout);
        if now.as_ref() == Some(&self.networks) {
            return Ok(Vec::new());
        }
        let from = now.map(|networks| format!("open for {}", join(&networks, " ")));
        Ok(vec![Delta::new(self.label(), "inbound", from, Some(format!("open for {}", join(&self.networks, " "))))])
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let was = own(&seen.stdout);
        if was.as_ref() == Some(&self.networks) {
            return Ok(Fix::default());
        }
        let undo = was.map_or_else(|| DELETE.to_owned(), |was| format!("{DELETE}{}", Rule::add(&was)));
        Ok(Fix { change: format!("{DELETE}{}", Rule::add(&self.networks)), undo, settle: String::new() })
    }
}

fn join(networks: &BTreeSet<IpNet>, by: &str) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(by)
}

/// The networks of our rule, if it is there, active, inbound and allowing (MS-GPFAS 2.2.2.19).
fn own(printed: &str) -> Option<BTreeSet<IpNet>> {
    printed.lines().filter_map(value).find_map(|(_, data)| {
        let data = data.to_string();
        let fields: Vec<(&str, &str)> = data.split('|').filter_map(|field| field.split_once('=')).collect();
        let is = |key: &str, wanted: &str| fields.iter().any(|(k, v)| *k == key && v.eq_ignore_ascii_case(wanted));
        let ours = is("Name", NAME) && is("Action", "Allow") && is("Active", "TRUE") && is("Dir", "In");
        (ours && is("Protocol", "17")).then(|| {
            let remote = fields.iter().filter(|(key, _)| matches!(*key, "RA4" | "RA6"));
            remote.filter_map(|(_, text)| network(text)).collect()
        })
    })
}

/// `10.0.0.0/255.255.255.0`, `10.0.0.0/24`, `10.0.0.1`, `fd00::/64`.
fn network(text: &str) -> Option<IpNet> {
    if let Some((address, mask)) = text.split_once('/')
        && let (Ok(address), Ok(mask)) = (address.parse(), mask.parse())
    {
        return Ipv4Net::with_netmask(address, mask).ok().map(|net| IpNet::V4(net).trunc());
    }
    text.parse::<IpNet>().map(|net| net.trunc()).or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        Rule::new("123/udp", vec!["10.10.10.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()]).unwrap()
    }

    fn seen(rule: &str) -> Slice {
        Slice { stdout: format!("    {{1234-5678}}    REG_SZ    {rule}\n"), ..Slice::default() }
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
    fn the_rule_of_somebody_else_is_not_ours() {
        let theirs = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=123|Name=NTP|";
        assert_eq!(rule().diff(&seen(theirs)).unwrap().len(), 1);
    }
}
