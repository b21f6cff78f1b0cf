//! Why the kernel of a host does not send to an address: no route, a route that refuses, or a rule.

use std::net::IpAddr;

use super::Patient;

/// What `ip route get` says where no table has a route, or a rule says the same.
const UNREACHABLE: &str = "Network is unreachable";

/// Routes that refuse, by their first word.
const REFUSING: &[&str] = &["unreachable", "blackhole", "prohibit", "throw"];

/// Why the kernel has no way to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoWay {
    /// No table has a route there.
    Missing,
    /// A route says so: `unreachable 10.10.10.1`.
    Route(String),
    /// There is a route, in this table, and a rule that is looked at before it refuses.
    Rule(String),
    /// A route or a rule says so; the tables were not read.
    Refused,
}

/// The table of a route, as `ip route show table all` names it.
fn table(line: &str) -> &str {
    line.split_once(" table ").map_or("main", |(_, rest)| rest.split(' ').next().unwrap_or("main"))
}

fn refuses(line: &str) -> bool {
    REFUSING.iter().any(|word| line.split(' ').next() == Some(word))
}

/// How narrow a route is: the length of its network.
fn narrow(line: &str) -> u8 {
    let word = line.split(' ').find(|word| !REFUSING.contains(word) && *word != "local").unwrap_or_default();
    let single = || word.parse::<IpAddr>().ok().map(|own| if own.is_ipv4() { 32 } else { 128 });
    let network = || word.parse::<ipnet::IpNet>().ok().map(|network| network.prefix_len());
    network().or_else(single).unwrap_or(0)
}

impl Patient<'_> {
    /// Returns why the kernel refuses packets to an address, with `words`.
    pub fn no_way(&self, to: IpAddr, words: &str) -> NoWay {
        let rules = self.evidence.text("rules");
        if self.evidence.text("tables").is_empty() {
            let is_missing = words.contains(UNREACHABLE) && rules.is_empty();
            return if is_missing { NoWay::Missing } else { NoWay::Refused };
        }
        // A table that no rule leads to decides about nothing; nor does the entry by which IPv6 says that there is none.
        let is_asked = |line: &str| {
            let table = table(line);
            !line.contains("error -101") && matches!(table, "main" | "default" | "local")
                || rules.contains(&format!("lookup {table}"))
        };
        let all = self.evidence.inside.tables.iter().filter(|(own, line)| *own == to && is_asked(line));
        match all.map(|(_, line)| line.as_str()).max_by_key(|line| (narrow(line), refuses(line))) {
            Some(line) if refuses(line) => NoWay::Route(line.to_owned()),
            Some(line) => NoWay::Rule(table(line).to_owned()),
            None if words.contains(UNREACHABLE) => NoWay::Missing,
            None => NoWay::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_route_is_known() {
        let narrowest = |lines: &[&'static str]| lines.iter().max_by_key(|line| (narrow(line), refuses(line))).copied();
        let net = "10.10.10.0/24 dev host0 proto kernel scope link src 10.10.10.2";
        assert_eq!(narrowest(&["default via 10.0.0.1 dev a", net, "throw 10.10.10.1"]), Some("throw 10.10.10.1"));
        assert_eq!(
            narrowest(&["default via 10.0.0.1 dev a", "unreachable default metric 9"]),
            Some("unreachable default metric 9")
        );
        assert_eq!(narrowest(&["unreachable default", net]), Some(net));
        assert_eq!((table(net), table("blackhole 10.0.0.0/8 table 100 metric 5")), ("main", "100"));
    }
}
