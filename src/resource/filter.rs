//! The packet filter of a master, whoever owns it: a host whose rules keep its followers out is not in
//! sync. Nothing is changed here; rules of other people are for them to change, and the way is said.

use anyhow::Result;

use super::{Delta, Fix, Resource, Slice};
use crate::firewall::filter::{Filter, Rules};

impl Resource for Filter {
    fn label(&self) -> String {
        "packet filter".to_owned()
    }

    fn probe(&self) -> String {
        Filter::probe(self)
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        self.refuse(&Rules::read(&seen.stdout), &|_, _| false)?;
        Ok(Vec::new())
    }

    /// Rules that keep nobody out are as they were, whatever they have counted since.
    fn reviewed(&self, seen: &Slice) -> String {
        self.diff(seen).err().map_or_else(String::new, |error| error.to_string())
    }

    fn fix(&self, _seen: &Slice, _refresh: bool) -> Result<Fix> {
        Ok(Fix::default())
    }

    fn doubts(&self, seen: &Slice) -> Vec<String> {
        Rules::read(&seen.stdout).doubt().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_plan_looks_at_what_rules_stop_and_not_at_what_they_have_counted() {
        let filter = Filter {
            host: "m1".to_owned(),
            networks: vec!["10.10.10.0/24".parse().unwrap()],
            followers: vec!["10.10.10.2".parse().unwrap()],
        };
        let reviewed = |policy: &str, packets: u64| {
            let rules = format!("*filter\n:INPUT {policy} [{packets}:0]\n[{packets}:0] -A INPUT -p tcp -j ACCEPT\n");
            let stdout = format!(
                "#: iptables\n# ip\n{rules}#: keepers\n#: routes\n10.10.10.0/24 10.10.10.2 dev e src 10.10.10.1\n"
            );
            filter.reviewed(&Slice { stdout, ..Slice::default() })
        };
        assert_eq!(reviewed("ACCEPT", 1), reviewed("ACCEPT", 2));
        assert_ne!(reviewed("ACCEPT", 1), reviewed("DROP", 1));
    }

    #[test]
    fn rules_that_cannot_be_read_are_not_said_to_let_anybody_in() {
        let filter = Filter { host: "m1".to_owned(), networks: Vec::new(), followers: Vec::new() };
        let doubts = |rules: &str, keepers: &str| {
            let stdout = format!("{rules}#: iptables\n#: keepers\n{keepers}#: routes\n");
            filter.doubts(&Slice { stdout, ..Slice::default() })
        };
        assert!(doubts("", "").is_empty());
        assert!(doubts("unreadable\n", "")[0].contains("cannot be read"));
        assert!(doubts("unreadable\n", "without nft\n")[0].contains("is not installed"));
    }
}
