//! `--limit`: which hosts of the fleet are meant.

use std::collections::{BTreeSet, HashSet};

use anyhow::{Result, anyhow, bail};
use wildmatch::WildMatchPattern;

use super::load::unknown;
use super::range;
use super::spec::{Fleet, HostSpec};
use crate::exit::Hint;

/// Selects by a comma separated list of names, groups, `*` patterns, ranges, and `!` exclusions.
/// Keeps the order of the file.
///
/// # Errors
/// A part that fits no host, or nothing left.
pub fn select(fleet: &Fleet, pattern: &str) -> Result<Vec<HostSpec>> {
    let parts: Vec<&str> = pattern.split(',').map(str::trim).collect();
    // A variable of a script that is not set must not be taken for the whole fleet, nor `!` for nobody.
    if parts.iter().any(|part| part.trim_start_matches(['!', '@']).trim().is_empty()) {
        let what = if parts.len() == 1 { "the pattern is empty" } else { "a part of the pattern is empty" };
        return Err(anyhow!("--limit `{pattern}`: {what}")
            .hint("name hosts, groups or `*` patterns; without --limit all hosts are meant"));
    }
    let mut chosen: BTreeSet<&str> = BTreeSet::new();
    if parts.iter().all(|part| part.starts_with('!')) {
        chosen.extend(fleet.hosts.iter().map(|host| host.name.as_str()));
    }
    for part in parts.iter().filter(|part| !part.starts_with('!')) {
        chosen.extend(matching(fleet, part)?);
    }
    for part in parts.iter().filter_map(|part| part.strip_prefix('!')) {
        for name in matching(fleet, part)? {
            chosen.remove(name);
        }
    }
    if chosen.is_empty() {
        bail!("--limit `{pattern}`: no host is left");
    }
    Ok(fleet.hosts.iter().filter(|host| chosen.contains(host.name.as_str())).cloned().collect())
}

fn matching<'a>(fleet: &'a Fleet, part: &str) -> Result<Vec<&'a str>> {
    let word = part.strip_prefix('@').unwrap_or(part);
    let names = range::expand(word).map_err(|why| anyhow!("--limit: {why}"))?;
    let mut found = Vec::new();
    let known: HashSet<&str> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
    for name in &names {
        let before = found.len();
        if let Some(members) = fleet.groups.get(name) {
            found.extend(members.iter().map(String::as_str));
        }
        if name.contains('*') {
            let pattern = WildMatchPattern::<'*', '\0'>::new(name);
            found.extend(fleet.hosts.iter().map(|host| host.name.as_str()).filter(|host| pattern.matches(host)));
        } else {
            found.extend(known.get(name.as_str()).copied());
        }
        if found.len() == before {
            let known =
                fleet.groups.keys().map(String::as_str).chain(fleet.hosts.iter().map(|host| host.name.as_str()));
            return Err(
                anyhow!("--limit: {}", unknown(name, known)).hint("`fleetclock inventory show` lists the hosts")
            );
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::parse;
    use proptest::prelude::*;

    fn fleet() -> Fleet {
        let text = "groups:\n  m: { role: master, isolated: true, hosts: { ntp1: 10.0.0.1 } }\n  s:\n    role: slave\n    follows: [m]\n    hosts: { \"web[01:03]\": \"10.0.1.[1:3]\", db1: 10.0.2.1 }\n";
        parse("t.yml".as_ref(), text).unwrap()
    }

    fn names(pattern: &str) -> Vec<String> {
        select(&fleet(), pattern).unwrap().into_iter().map(|host| host.name).collect()
    }

    #[test]
    fn names_groups_patterns_ranges_and_exclusions() {
        assert_eq!(names("db1,ntp1"), ["ntp1", "db1"]);
        assert_eq!(names("s"), ["web01", "web02", "web03", "db1"]);
        assert_eq!(names("web*,!web02"), ["web01", "web03"]);
        assert_eq!(names("web[02:03]"), ["web02", "web03"]);
        assert_eq!(names("!s"), ["ntp1"]);
    }

    #[test]
    fn a_part_that_fits_nothing_is_an_error_and_not_an_empty_run() {
        let error = select(&fleet(), "wbe01").unwrap_err().to_string();
        assert_eq!(error, "--limit: no group or host `wbe01` (did you mean `web01`?)");
        assert!(select(&fleet(), "db1,!db1").is_err());
    }

    #[test]
    fn an_empty_pattern_is_not_the_whole_fleet() {
        for pattern in ["", " ", ",", ",,", "!", "@", "!@", "db1,", ",db1", "db1,!", "db1, ,ntp1"] {
            let error = select(&fleet(), pattern).unwrap_err().to_string();
            assert!(error.ends_with("pattern is empty"), "{pattern:?}: {error}");
        }
    }

    #[test]
    fn many_stars_cost_no_more_than_one() {
        let (mut many, name) = (fleet(), "a".repeat(250));
        many.hosts[0].name = name;
        assert!(select(&many, &("*a".repeat(100) + "*b")).is_err());
        assert_eq!(select(&many, &"*a".repeat(100)).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn only_hosts_of_the_fleet_are_selected(pattern in "[a-z0-9*!,@\\[\\]:]{0,20}") {
            let fleet = fleet();
            for host in select(&fleet, &pattern).unwrap_or_default() {
                prop_assert!(fleet.hosts.iter().any(|known| known.name == host.name));
            }
        }
    }
}
