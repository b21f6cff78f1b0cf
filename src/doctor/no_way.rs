//! Why the kernel of a host does not send to an address: no route, a route that refuses, or a rule.

use std::net::IpAddr;

use super::Patient;

/// What `ip route get` says where no table has a route, or a rule says the same.
const UNREACHABLE: &str = "Network is unreachable";

/// How IPv6 says the same on an old kernel, which shows its entry for "no route" as if it were one:
/// `unreachable fd00::1 from :: dev lo table unspec proto kernel ... error -101`.
const NULL_ENTRY: &str = "error -101";

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

/// Whether the kernel says that it has no route, in the words of any age.
fn says_missing(words: &str) -> bool {
    words.contains(UNREACHABLE) || words.contains(NULL_ENTRY)
}

/// Whether a rule of `ip rule` leads to a table.
fn is_looked_up(rules: &str, table: &str) -> bool {
    rules.lines().any(|rule| {
        let mut words = rule.split_whitespace().skip_while(|word| *word != "lookup");
        words.nth(1) == Some(table)
    })
}

/// Whether a route counts. A table that no rule leads to decides about nothing; nor does the entry by which IPv6
/// says that there is none.
fn counts(line: &str, rules: &str) -> bool {
    let table = table(line);
    !line.contains(NULL_ENTRY) && (matches!(table, "main" | "default" | "local") || is_looked_up(rules, table))
}

impl Patient<'_> {
    /// Returns why the kernel refuses packets to an address, with `words`.
    pub fn no_way(&self, to: IpAddr, words: &str) -> NoWay {
        let rules = self.evidence.text("rules");
        if self.evidence.text("tables").is_empty() {
            let is_missing = says_missing(words) && rules.is_empty();
            return if is_missing { NoWay::Missing } else { NoWay::Refused };
        }
        let all = self.evidence.inside.tables.iter().filter(|(own, line)| *own == to && counts(line, rules));
        match all.map(|(_, line)| line.as_str()).max_by_key(|line| (narrow(line), refuses(line))) {
            Some(line) if refuses(line) => NoWay::Route(line.to_owned()),
            Some(line) => NoWay::Rule(table(line).to_owned()),
            None if says_missing(words) => NoWay::Missing,
            None => NoWay::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_says_of_ipv6_that_there_is_no_route() {
        assert!(says_missing("RTNETLINK answers: Network is unreachable"));
        let entry = "unreachable fd00::1 from :: dev lo table unspec proto kernel src fd00::2 metric 4294967295 error -101 pref medium";
        assert!(says_missing(entry) && !counts(entry, "") && !counts(entry, "100: from all lookup unspec"));
        let refuses = "unreachable fd00::/64 dev lo metric 1024 error -113 pref medium";
        assert!(!says_missing(refuses) && counts(refuses, ""));
    }

    #[test]
    fn a_table_is_looked_up_by_its_whole_name() {
        let rules = "99:\tfrom all lookup 100\n98: from 10.0.0.1 lookup vpn proto static";
        let asked = |table: &str| counts(&format!("default via 10.0.0.1 table {table} metric 9"), rules);
        assert_eq!(["100", "vpn", "local", "1", "10", "vp"].map(asked), [true, true, true, false, false, false]);
    }

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
