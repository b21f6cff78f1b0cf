//! udp/123 open for the networks that are served, and for nobody else. Other people's rules are never
//! taken away; those that an earlier run has added are, when the inventory no longer wants them.

use anyhow::{Context as _, Result, anyhow};
use ipnet::IpNet;

use super::{Delta, Fix, Resource, Slice};
use crate::exit::Hint;
use crate::firewall::firewalld::{self, Door, FUNCTIONS, RECORD, WAY, askers};
use crate::report::decisive::decisive;
use crate::transport::quote::sh;

/// firewalld: running and permanent state, each for itself. `--reload` is never used, as it would drop
/// other people's running rules.
#[derive(Debug, Clone)]
pub struct Firewalld {
    /// Who may ask; empty on a host that serves nobody, where only our own old rules are of interest.
    pub networks: Vec<IpNet>,
}

/// The words of the two states, and the option that means them.
const STATES: [(&str, &str); 2] = [("permanent", "--permanent "), ("running", "")];

/// A rich rule in a zone, in one of the states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    zone: String,
    state: &'static str,
    rule: String,
    /// Whom it lets in, for people.
    from: String,
}

/// What has to change.
#[derive(Debug, Default, PartialEq, Eq)]
struct Work {
    add: Vec<Row>,
    remove: Vec<Row>,
    /// Our own rules as they are afterwards.
    ours: Vec<Row>,
}

impl Resource for Firewalld {
    fn label(&self) -> String {
        "firewalld".to_owned()
    }

    fn probe(&self) -> String {
        let addresses: Vec<String> = self.networks.iter().map(|network| askers(*network)).collect();
        let ask = format!("{WAY}\n{FUNCTIONS}\nfc_firewalld {}", addresses.join(" "));
        match self.networks.is_empty() {
            true => format!("[ ! -s {RECORD} ] || {{\n{ask}\n}}"),
            false => ask,
        }
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let work = self.work(seen)?;
        let delta = |row: &Row, open: bool| {
            let property = format!("123/udp from {} ({})", row.from, row.state);
            let word = Some("open".to_owned());
            let (from, to) = if open { (None, word) } else { (word, None) };
            Delta::new(format!("firewalld zone {}", row.zone), &property, from, to)
        };
        let added = work.add.iter().map(|row| delta(row, true));
        Ok(added.chain(work.remove.iter().map(|row| delta(row, false))).collect())
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let work = self.work(seen)?;
        if work.add.is_empty() && work.remove.is_empty() {
            return Ok(Fix::default());
        }
        let mut fix = Fix { change: record(&work.ours), undo: RESTORE.to_owned(), settle: String::new() };
        for (state, option) in STATES {
            for (rows, verb, back) in [(&work.add, "add", "remove"), (&work.remove, "remove", "add")] {
                let rows: Vec<&Row> = rows.iter().filter(|row| row.state == state).collect();
                fix.change.push_str(&commands(option, verb, &rows));
                fix.undo.push_str(&commands(option, back, &rows));
            }
        }
        Ok(fix)
    }
}

impl Firewalld {
    fn work(&self, seen: &Slice) -> Result<Work> {
        let Some(state) = firewalld::Firewalld::read(&seen.stdout) else { return Ok(Work::default()) };
        if seen.stdout.starts_with("off") {
            return match self.networks.is_empty() {
                // Nobody is served, and what does not run lets nobody in.
                true => Ok(Work::default()),
                false => Err(anyhow!("firewalld does not answer: {}", decisive("", &seen.stderr))
                    .hint("start firewalld, or say `firewall: none` for this host")),
            };
        }
        self.judged(state, &decisive("", &seen.stderr))
    }

    fn judged(&self, mut state: firewalld::Firewalld, why: &str) -> Result<Work> {
        let wanted: Vec<(IpNet, String)> = self.wanted(&state);
        let mut work = Work::default();
        work.sort_out(&state, &wanted);
        // What goes lets nobody in any more.
        for row in &work.remove {
            let zones = if row.state == "permanent" { &mut state.permanent } else { &mut state.running };
            zones.entry(row.zone.clone()).and_modify(|zone| zone.rules.retain(|rule| *rule != row.rule));
        }
        for (network, zone) in &wanted {
            for (word, _) in STATES {
                let door = state.door(zone, *network, word == "permanent");
                let door = door.with_context(|| format!("firewalld: zone `{zone}` could not be read: {why}"))?;
                if door != Door::Open {
                    work.add.push(row(zone, word, network));
                }
            }
        }
        work.ours.extend(work.add.iter().cloned());
        work.ours.sort();
        work.ours.dedup();
        Ok(work)
    }

    /// Where the packets of each network arrive.
    fn wanted(&self, state: &firewalld::Firewalld) -> Vec<(IpNet, String)> {
        let parts = self.networks.iter().flat_map(|network| state.split(*network));
        parts.map(|(network, zone)| (network, zone.to_owned())).collect()
    }
}

impl Work {
    /// Which of our own rules stay, and which are no longer wanted.
    fn sort_out(&mut self, state: &firewalld::Firewalld, parts: &[(IpNet, String)]) {
        for (word, zone, rule) in &state.ours {
            let Some((word, _)) = STATES.iter().find(|(known, _)| known == word) else { continue };
            let zones = if *word == "permanent" { &state.permanent } else { &state.running };
            // One that somebody has taken away is not ours any more.
            if !zones.get(zone).is_some_and(|zone| zone.rules.contains(rule)) {
                continue;
            }
            let row = Row { zone: zone.clone(), state: word, rule: rule.clone(), from: source(rule) };
            let wanted = parts.iter().any(|(network, part)| part == zone && self::rule(network) == *rule);
            if wanted { self.ours.push(row) } else { self.remove.push(row) }
        }
    }
}

fn row(zone: &str, state: &'static str, network: &IpNet) -> Row {
    Row { zone: zone.to_owned(), state, rule: rule(network), from: network.to_string() }
}

fn rule(network: &IpNet) -> String {
    let family = if network.addr().is_ipv4() { "ipv4" } else { "ipv6" };
    format!("rule family=\"{family}\" source address=\"{network}\" service name=\"ntp\" accept")
}

/// Whom a rule of ours lets in.
fn source(rule: &str) -> String {
    let address = rule.split_once("address=\"").and_then(|(_, rest)| rest.split_once('"'));
    address.map_or_else(|| rule.to_owned(), |(address, _)| address.to_owned())
}

/// One call of `firewall-cmd` for each zone, however many networks.
fn commands(option: &str, verb: &str, rows: &[&Row]) -> String {
    let mut zones: Vec<&str> = rows.iter().map(|row| row.zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    let command = |zone: &&str| {
        let own = rows.iter().filter(|row| row.zone == **zone);
        let rules: String = own.map(|row| format!(" --{verb}-rich-rule={}", sh(&row.rule))).collect();
        format!("firewall-cmd -q {option}--zone={}{rules}\n", sh(zone))
    };
    zones.iter().map(command).collect()
}

/// Writes down which rules are ours, before any is there: a run that dies leaves none unknown.
fn record(ours: &[Row]) -> String {
    let lines: Vec<String> = ours.iter().map(|row| sh(&format!("{}\t{}\t{}", row.state, row.zone, row.rule))).collect();
    let write = match lines.is_empty() {
        true => format!("rm -f {RECORD}"),
        false => format!("printf '%s\\n' {} >{RECORD}.new && mv {RECORD}.new {RECORD}", lines.join(" ")),
    };
    format!(
        "mkdir -p {}\n[ ! -e {RECORD} ] || cp -p {RECORD} \"$FC_KEEP/record\"\n: >\"$FC_KEEP/begun\"\n{write}\n",
        RECORD.rsplit_once('/').map_or("/", |(folder, _)| folder)
    )
}

/// Puts the record back as it was, if this run has touched it.
const RESTORE: &str = "if [ -e \"$FC_KEEP/record\" ]; then cp -p \"$FC_KEEP/record\" /var/lib/fleetclock/firewalld\nelif [ -e \"$FC_KEEP/begun\" ]; then rm -f /var/lib/fleetclock/firewalld; fi\n";

#[cfg(test)]
mod tests {
    use super::*;

    const NTP: &str = r#""services" as 2 "ssh" "ntp""#;
    const RULE: &str =
        r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.10.10.0/24\" service name=\"ntp\" accept""#;
    const OTHER: &str =
        r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.9.0.0/16\" service name=\"ntp\" accept""#;

    fn firewalld() -> Firewalld {
        Firewalld { networks: vec!["10.10.10.0/24".parse().unwrap()] }
    }

    fn seen(running: &str, permanent: &str, more: &str) -> Slice {
        let zone = |state: &str, settings: &str| match settings {
            "" => format!("{state} public a{{sv}} 0\n"),
            settings => format!("{state} public a{{sv}} 1 {settings}\n"),
        };
        let head = "default s \"public\"\nactive a{sa{sas}} 0\n";
        let stdout = format!("{head}{}{}{more}", zone("running", running), zone("permanent", permanent));
        Slice { stdout, ..Slice::default() }
    }

    #[test]
    fn running_and_permanent_are_two_things() {
        let slice = seen(RULE, "", "");
        let deltas = firewalld().diff(&slice).unwrap();
        assert_eq!(deltas.len(), 1);
        assert_eq!(deltas[0].property, "123/udp from 10.10.10.0/24 (permanent)");
        let fix = firewalld().fix(&slice, false).unwrap();
        assert!(fix.change.contains("firewall-cmd -q --permanent --zone='public' --add-rich-rule="), "{}", fix.change);
        assert_eq!(fix.change.matches("firewall-cmd").count(), 1);
        assert!(fix.undo.contains("--remove-rich-rule="));
    }

    #[test]
    fn a_wider_opening_is_enough() {
        for (running, permanent) in [
            (NTP, r#""ports" a(ss) 1 "123" "udp""#),
            (RULE, r#""ports" a(ss) 1 "100-200" "udp""#),
            (r#""target" s "ACCEPT""#, r#""target" s "ACCEPT""#),
        ] {
            assert_eq!(firewalld().diff(&seen(running, permanent, "")).unwrap(), [], "{running} {permanent}");
        }
    }

    #[test]
    fn the_zone_is_that_of_the_source() {
        let work = "running work a{sv} 1 \"sources\" as 1 \"10.10.10.20\"\npermanent work a{sv} 0\n";
        let deltas = firewalld().diff(&seen(NTP, NTP, work)).unwrap();
        let shown: Vec<String> = deltas.iter().map(|delta| format!("{} {}", delta.resource, delta.property)).collect();
        let open = |state: &str| format!("firewalld zone work 123/udp from 10.10.10.20/32 ({state})");
        assert_eq!(shown, [open("permanent"), open("running")]);
    }

    #[test]
    fn a_rule_of_ours_that_is_not_wanted_goes_and_that_of_another_stays() {
        let both = format!("\"rules_str\" as 2 {} {}", &RULE[17..], &OTHER[17..]);
        assert_eq!(firewalld().diff(&seen(&both, &both, "")).unwrap(), []);
        let rule = rule(&"10.9.0.0/16".parse().unwrap());
        let ours = format!("ours running\tpublic\t{rule}\nours permanent\tpublic\t{rule}\n");
        let slice = seen(&both, &both, &ours);
        let deltas = firewalld().diff(&slice).unwrap();
        assert_eq!((deltas.len(), deltas[0].from.as_deref(), deltas[0].to.as_deref()), (2, Some("open"), None));
        let fix = firewalld().fix(&slice, false).unwrap();
        assert!(fix.change.contains("--remove-rich-rule=") && fix.undo.contains("--add-rich-rule="), "{}", fix.change);
        assert!(!fix.change.contains("10.10.10.0/24"), "{}", fix.change);
        // A follower that only a rule which goes lets in gets one of its own.
        let one = Firewalld { networks: vec!["10.9.0.7/32".parse().unwrap()] };
        let shown: Vec<String> = one.diff(&slice).unwrap().into_iter().map(|delta| delta.property).collect();
        assert!(shown.len() == 4 && shown[0] == "123/udp from 10.9.0.7/32 (permanent)", "{shown:?}");
        // Whoever serves nobody has none.
        let nobody = Firewalld { networks: Vec::new() };
        assert_eq!(nobody.diff(&slice).unwrap().len(), 2);
        assert_eq!(nobody.diff(&Slice::default()).unwrap(), []);
    }

    #[test]
    fn a_stopped_firewalld_is_an_error_with_a_hint() {
        let slice = Slice { stdout: "off\n".into(), ..Slice::default() };
        assert!(crate::exit::hint(&firewalld().diff(&slice).unwrap_err()).is_some());
    }
}
