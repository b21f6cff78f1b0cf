//! Patterns that choose hosts: `--limit`, the HOST arguments of verbs, `--canary`, `--allow-step`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::{Result, anyhow};
use wildmatch::WildMatchPattern;

use super::load::unknown;
use super::range;
use super::spec::{Fleet, HostSpec};
use crate::exit::Hint;

/// What `@WORD` stands for: a file of names, or what a run has left.
pub type Lists<'a> = &'a dyn Fn(&str) -> Result<Vec<String>>;

/// The names that a pattern may speak of.
struct Known<'a> {
    hosts: Vec<&'a str>,
    names: HashSet<&'a str>,
    groups: BTreeMap<&'a str, Vec<&'a str>>,
}

/// What a part of a pattern does to those that are chosen already.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Add,
    Keep,
    Remove,
}

/// Selects by a comma separated list of names, groups, `*` and `?` patterns, ranges and `@` lists; of
/// these, `&` keeps only what fits, too, and `!` leaves out what fits. Keeps the order of the file.
///
/// # Errors
/// A part is empty or fits no host, or nothing is left; `option` says where it was asked for.
pub fn select(fleet: &Fleet, option: &str, pattern: &str, lists: Lists<'_>) -> Result<Vec<HostSpec>> {
    let groups = fleet.groups.iter().map(|(name, hosts)| (name.as_str(), hosts.iter().map(String::as_str).collect()));
    let chosen = choose(&Known::new(&fleet.hosts, groups.collect()), option, pattern, lists)?;
    Ok(fleet.hosts.iter().filter(|host| chosen.contains(&host.name)).cloned().collect())
}

/// The same among the hosts of a run, for an option that takes no `@` lists; returns their names.
///
/// # Errors
/// As for [`select`].
pub fn names(hosts: &[HostSpec], option: &str, pattern: &str) -> Result<Vec<String>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for host in hosts {
        for group in &host.groups {
            groups.entry(group).or_default().push(&host.name);
        }
    }
    let none = |word: &str| Err(anyhow!("{option}: lists as `@{word}` are for --limit"));
    let chosen = choose(&Known::new(hosts, groups), option, pattern, &none)?;
    Ok(hosts.iter().map(|host| host.name.clone()).filter(|name| chosen.contains(name)).collect())
}

/// Returns the parts of a pattern. A variable of a script that is not set must not be taken for the whole
/// fleet, nor `!` for nobody.
///
/// # Errors
/// One of them is empty.
pub fn parts<'a>(option: &str, pattern: &'a str) -> Result<Vec<&'a str>> {
    let parts: Vec<&str> = pattern.split(',').map(str::trim).collect();
    if parts.iter().any(|part| part.trim_start_matches(['!', '&', '@']).trim().is_empty()) {
        let what = if parts.len() == 1 { "the pattern is empty" } else { "a part of the pattern is empty" };
        return Err(anyhow!("{option} `{pattern}`: {what}").hint("name hosts, groups or `*` patterns, comma separated"));
    }
    Ok(parts)
}

fn choose(known: &Known<'_>, option: &str, pattern: &str, lists: Lists<'_>) -> Result<BTreeSet<String>> {
    let parts: Vec<(Sign, &str)> = parts(option, pattern)?.into_iter().map(signed).collect();
    let of = |wanted: Sign| parts.iter().filter(move |(sign, _)| *sign == wanted).map(|(_, word)| *word);
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    if of(Sign::Add).next().is_none() {
        chosen.extend(known.hosts.iter().map(|name| (*name).to_owned()));
    }
    for word in of(Sign::Add) {
        chosen.extend(known.fitting(option, word, lists)?);
    }
    for word in of(Sign::Keep) {
        let kept: HashSet<String> = known.fitting(option, word, lists)?.into_iter().collect();
        chosen.retain(|name| kept.contains(name));
    }
    for word in of(Sign::Remove) {
        for name in known.fitting(option, word, lists)? {
            chosen.remove(&name);
        }
    }
    if chosen.is_empty() {
        return Err(anyhow!("{option} `{pattern}`: no host is left"));
    }
    Ok(chosen)
}

fn signed(part: &str) -> (Sign, &str) {
    match (part.strip_prefix('&'), part.strip_prefix('!')) {
        (Some(word), _) => (Sign::Keep, word.trim()),
        (_, Some(word)) => (Sign::Remove, word.trim()),
        _ => (Sign::Add, part),
    }
}

impl<'a> Known<'a> {
    fn new(hosts: &'a [HostSpec], groups: BTreeMap<&'a str, Vec<&'a str>>) -> Self {
        let hosts: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
        Known { names: hosts.iter().copied().collect(), hosts, groups }
    }

    /// The hosts that one word fits. Of a list, those that are known no more are left out.
    fn fitting(&self, option: &str, word: &str, lists: Lists<'_>) -> Result<Vec<String>> {
        let Some(list) = word.strip_prefix('@') else { return self.named(option, word) };
        Ok(lists(list.trim())?.into_iter().filter(|name| self.names.contains(name.as_str())).collect())
    }

    fn named(&self, option: &str, word: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for name in range::expand(word).map_err(|why| anyhow!("{option}: {why}"))? {
            let before = found.len();
            found.extend(self.groups.get(name.as_str()).into_iter().flatten().map(|host| (*host).to_owned()));
            if name.contains(['*', '?']) {
                let pattern = WildMatchPattern::<'*', '?'>::new(&name);
                found.extend(self.hosts.iter().filter(|host| pattern.matches(host)).map(|host| (*host).to_owned()));
            } else {
                found.extend(self.names.get(name.as_str()).map(|host| (*host).to_owned()));
            }
            if found.len() == before {
                let known = self.groups.keys().copied().chain(self.hosts.iter().copied());
                return Err(
                    anyhow!("{option}: {}", unknown(&name, known)).hint("`fleetclock inventory show` lists the hosts")
                );
            }
        }
        Ok(found)
    }
}

/// Returns the names of all hosts that stand in a text: one pattern a line, `#` begins a comment.
///
/// # Errors
/// A line fits no host, or there is none.
pub fn listed(fleet: &Fleet, option: &str, text: &str) -> Result<Vec<String>> {
    let groups = fleet.groups.iter().map(|(name, hosts)| (name.as_str(), hosts.iter().map(String::as_str).collect()));
    let known = Known::new(&fleet.hosts, groups.collect());
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut found = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        for word in parts(option, line)? {
            if word.starts_with(['!', '&', '@']) {
                return Err(anyhow!("{option}: `{word}`: a list holds names, groups, patterns and ranges"));
            }
            found.extend(known.named(option, word)?);
        }
    }
    if found.is_empty() {
        return Err(anyhow!("{option}: the list names no host"));
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

    fn list(word: &str) -> Result<Vec<String>> {
        match word {
            "two" => Ok(vec!["db1".into(), "gone".into(), "web02".into()]),
            _ => Err(anyhow!("no list")),
        }
    }

    fn select(fleet: &Fleet, pattern: &str) -> Result<Vec<HostSpec>> {
        super::select(fleet, "--limit", pattern, &list)
    }

    fn names(pattern: &str) -> Vec<String> {
        select(&fleet(), pattern).unwrap().into_iter().map(|host| host.name).collect()
    }

    #[test]
    fn names_groups_patterns_ranges_and_exclusions() {
        assert_eq!(names("db1,ntp1"), ["ntp1", "db1"]);
        assert_eq!(names("s"), ["web01", "web02", "web03", "db1"]);
        assert_eq!(names("web*,!web02"), ["web01", "web03"]);
        assert_eq!(names("ntp1,web0?,!web?2"), ["ntp1", "web01", "web03"]);
        assert_eq!(names("web[02:03]"), ["web02", "web03"]);
        assert_eq!(names("!s"), ["ntp1"]);
    }

    #[test]
    fn an_ampersand_keeps_what_fits_both_wherever_it_stands() {
        assert_eq!(names("s,&*1"), ["web01", "db1"]);
        assert_eq!(names("&*1,s"), ["web01", "db1"]);
        assert_eq!(names("&*1"), ["ntp1", "web01", "db1"]);
        assert_eq!(names("s,&*1,!db1"), ["web01"]);
        assert!(select(&fleet(), "m,&s").unwrap_err().to_string().ends_with("no host is left"));
    }

    #[test]
    fn a_list_stands_for_its_hosts_and_those_that_are_gone_are_left_out() {
        assert_eq!(names("@two"), ["web02", "db1"]);
        assert_eq!(names("s,!@two"), ["web01", "web03"]);
        assert_eq!(names("web*,&@two"), ["web02"]);
        assert!(select(&fleet(), "@other").is_err());
    }

    #[test]
    fn a_file_holds_one_pattern_a_line() {
        let of = |text: &str| listed(&fleet(), "--limit", text).map_err(|error| error.to_string());
        assert_eq!(of("# mine\nweb0*  # all\n\nntp1, db1\n").unwrap(), ["web01", "web02", "web03", "ntp1", "db1"]);
        for (text, why) in [
            ("", "names no host"),
            ("# none\n", "names no host"),
            ("web9", "`web9`"),
            ("!db1", "holds names"),
            ("db1,", "is empty"),
        ] {
            assert!(of(text).unwrap_err().contains(why), "{text:?}");
        }
    }

    #[test]
    fn a_part_that_fits_nothing_is_an_error_and_not_an_empty_run() {
        let error = select(&fleet(), "wbe01").unwrap_err().to_string();
        assert_eq!(error, "--limit: no group or host `wbe01` (did you mean `web01`?)");
        assert!(select(&fleet(), "db1,!db1").is_err());
    }

    #[test]
    fn an_empty_pattern_is_not_the_whole_fleet() {
        for pattern in ["", " ", ",", ",,", "!", "&", "@", "!@", "&@", "db1,", ",db1", "db1,!", "db1, ,ntp1"] {
            let error = select(&fleet(), pattern).unwrap_err().to_string();
            assert!(error.ends_with("pattern is empty"), "{pattern:?}: {error}");
            let error = super::names(&fleet().hosts, "--canary", pattern).unwrap_err().to_string();
            assert!(error.starts_with("--canary `") && error.ends_with("pattern is empty"), "{pattern:?}: {error}");
        }
    }

    #[test]
    fn hosts_of_a_run_are_named_as_those_of_the_fleet() {
        let of = |pattern: &str| super::names(&fleet().hosts, "--canary", pattern);
        assert_eq!(of("m,web*").unwrap(), ["ntp1", "web01", "web02", "web03"]);
        assert_eq!(of("s,!web[01:02]").unwrap(), ["web03", "db1"]);
        assert!(of("@two").is_err() && of("wbe01").unwrap_err().to_string().starts_with("--canary: "));
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
        fn only_hosts_of_the_fleet_are_selected(pattern in "[a-z0-9*?!&,@\\[\\]:]{0,20}") {
            let fleet = fleet();
            for host in select(&fleet, &pattern).unwrap_or_default() {
                prop_assert!(fleet.hosts.iter().any(|known| known.name == host.name));
            }
        }
    }
}
