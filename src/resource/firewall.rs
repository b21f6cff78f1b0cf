//! A port open for some networks, that of NTP for those that are served, and for nobody else. Other people's rules are never
//! taken away; those that an earlier run has added are, when the inventory no longer wants them.

mod judged;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use ipnet::IpNet;

use judged::{Judged, Part, Row, row};

use super::filter::{Filter, Rules};
use super::{Delta, Fix, Resource, Slice};
use crate::exit::Hint;
use crate::firewall::firewalld::{self, Door, FUNCTIONS, Opening, WAY, askers};
use crate::text::decisive::decisive;
use crate::transport::quote::sh;

/// firewalld: running and permanent state, each for itself. `--reload` is never used, as it would drop
/// other people's running rules.
#[derive(Debug, Default)]
pub struct Firewalld {
    /// Who may ask; empty on a host that serves nobody, where only our own old rules are of interest.
    pub networks: Vec<IpNet>,
    /// What is opened.
    pub port: Opening,
    /// The followers, whom no rule may keep out: neither one of firewalld nor any other.
    pub filter: Option<Filter>,
    /// What was seen last, and what came of it: the difference, the doubts and the change are asked for one by one.
    last: Mutex<Option<(Slice, Arc<Judged>)>>,
}

/// Begins what was read of the rules.
const RULES: &str = "#: rules\n";

/// The words of the two states, and the option that means them.
const STATES: [(&str, &str); 2] = [("permanent", "--permanent "), ("running", "")];

impl Resource for Firewalld {
    fn label(&self) -> String {
        "firewalld".to_owned()
    }

    fn probe(&self) -> String {
        let addresses: Vec<String> = self.networks.iter().map(|network| askers(*network)).collect();
        let ask = format!("{WAY}\n{FUNCTIONS}\nfc_firewalld {}", addresses.join(" "));
        match &self.filter {
            _ if self.networks.is_empty() => format!("[ ! -s {} ] || {{\n{ask}\n}}", self.record()),
            Some(filter) => format!("{ask}\nprintf '%s' '{RULES}'\n{}", filter.probe()),
            None => ask,
        }
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let judged = self.judged(seen)?;
        let work = &judged.work;
        let delta = |row: &Row, open: bool| {
            let property = format!("{} from {} ({})", self.port, row.network, row.state);
            let word = Some("open".to_owned());
            let (from, to) = if open { (None, word) } else { (word, None) };
            Delta::new(format!("firewalld zone {}", row.zone), &property, from, to)
        };
        let added = work.add.iter().map(|row| delta(row, true));
        Ok(added.chain(work.remove.iter().map(|row| delta(row, false))).collect())
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let judged = self.judged(seen)?;
        let work = &judged.work;
        if work.add.is_empty() && work.remove.is_empty() {
            return Ok(Fix::default());
        }
        let mut fix = Fix { change: self.note(&work.ours), undo: self.restore(), settle: String::new() };
        for (state, option) in STATES {
            for (rows, verb, back) in [(&work.add, "add", "remove"), (&work.remove, "remove", "add")] {
                let rows: Vec<&Row> = rows.iter().filter(|row| row.state == state).collect();
                fix.change.push_str(&commands(option, verb, &rows));
                fix.undo.push_str(&commands(option, back, &rows));
            }
        }
        Ok(fix)
    }

    fn doubts(&self, seen: &Slice) -> Vec<String> {
        self.judged(seen).map(|judged| judged.doubts.clone()).unwrap_or_default()
    }
}

impl Firewalld {
    /// Opens for networks, separated by blanks; `filter` says which followers no rule may keep out.
    ///
    /// # Errors
    /// One of them is no network.
    pub fn new(port: Opening, from: &str, filter: Option<Filter>) -> Result<Self> {
        let network = |word: &str| word.parse::<IpNet>().with_context(|| format!("firewall: `{word}` is no network"));
        let networks = from.split_whitespace().map(network).collect::<Result<_>>()?;
        Ok(Firewalld { networks, port, filter, ..Firewalld::default() })
    }

    fn record(&self) -> String {
        firewalld::record(&self.port)
    }

    /// Writes down which rules are ours, before any is there: a run that dies leaves none unknown.
    fn note(&self, ours: &[Row]) -> String {
        let record = self.record();
        let line = |row: &Row| sh(&format!("{}\t{}\t{}", row.state, row.zone, row.rule));
        let lines: Vec<String> = ours.iter().map(line).collect();
        let write = match lines.is_empty() {
            true => format!("rm -f {record}"),
            false => format!("printf '%s\\n' {} >{record}.new && mv {record}.new {record}", lines.join(" ")),
        };
        format!(
            "mkdir -p {}\n[ ! -e {record} ] || cp -p {record} \"$FC_KEEP/record\"\n: >\"$FC_KEEP/begun\"\n{write}\n",
            record.rsplit_once('/').map_or("/", |(folder, _)| folder)
        )
    }

    /// Puts the record back as it was, if this run has touched it.
    fn restore(&self) -> String {
        let record = self.record();
        format!(
            "if [ -e \"$FC_KEEP/record\" ]; then cp -p \"$FC_KEEP/record\" {record}\nelif [ -e \"$FC_KEEP/begun\" ]; then rm -f {record}; fi\n"
        )
    }

    fn judged(&self, seen: &Slice) -> Result<Arc<Judged>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, judged)) = last.as_ref().filter(|(known, _)| known == seen) {
            return Ok(Arc::clone(judged));
        }
        let judged = Arc::new(self.judge(seen)?);
        *last = Some((seen.clone(), Arc::clone(&judged)));
        Ok(judged)
    }

    fn judge(&self, seen: &Slice) -> Result<Judged> {
        let (text, rules) = seen.stdout.split_once(RULES).unwrap_or((&seen.stdout, ""));
        let Some(state) = firewalld::Firewalld::read_for(text, &self.port) else { return Ok(Judged::default()) };
        if text.starts_with("off") {
            return match self.networks.is_empty() {
                // Nobody is served, and what does not run lets nobody in.
                true => Ok(Judged::default()),
                false => Err(anyhow!("firewalld does not answer: {}", decisive("", &seen.stderr))
                    .hint("start firewalld, or say `firewall: none` for this host")),
            };
        }
        if state.panic && !self.networks.is_empty() {
            return Err(anyhow!(
                "firewalld is in panic mode: it drops every packet, and {} is open for nobody",
                self.port
            )
            .hint("somebody has run `firewall-cmd --panic-on`; when the reason is gone: firewall-cmd --panic-off"));
        }
        let rules = Rules::read(rules);
        let judged = self.compare(state, &rules, &decisive("", &seen.stderr))?;
        // The rules themselves say more than the settings.
        if let Some(filter) = &self.filter {
            filter.refuse(&rules, &|stop, from| stop.is_by_zones(&rules.set) && judged.work.opens(from))?;
        }
        match judged.refused {
            Some((message, hint)) => Err(anyhow!(message).hint(&hint)),
            None => Ok(judged),
        }
    }

    fn compare(&self, mut state: firewalld::Firewalld, rules: &Rules, why: &str) -> Result<Judged> {
        let parts = |state: &firewalld::Firewalld, word: &str| -> Vec<Part> {
            let of = |network: &IpNet| -> Vec<Part> {
                let parts = state.split(*network, word == "permanent").into_iter();
                parts.map(|(from, zone)| Part { network: *network, from, zone: zone.to_owned() }).collect()
            };
            self.networks.iter().flat_map(of).collect()
        };
        let wanted = STATES.map(|(word, _)| (word, parts(&state, word)));
        let mut judged = Judged::default();
        judged.work.sort_out(&state, &wanted, &self.port);
        // What goes lets nobody in any more.
        for row in &judged.work.remove {
            let zones = if row.state == "permanent" { &mut state.permanent.zones } else { &mut state.running.zones };
            zones.entry(row.zone.clone()).and_modify(|zone| zone.rules.retain(|rule| *rule != row.rule));
        }
        let goes = !judged.work.remove.is_empty();
        for (word, part) in wanted.iter().flat_map(|(word, parts)| parts.iter().map(move |part| (*word, part))) {
            let open_now = word == "running" && !goes && part.is_let_in(rules);
            for (from, door) in self.doors(&state, word, part) {
                let door = door.with_context(|| format!("firewalld: zone `{}` could not be read: {why}", part.zone))?;
                let row = row(&part.zone, word, from, &state.element());
                judged.take(row, &door, open_now);
            }
        }
        judged.doubts.extend(state.direct_later().iter().map(|rule| {
            format!(
                "firewalld: the direct rule `{rule}` works after the next start only, and what it does was not judged"
            )
        }));
        judged.work.ours.extend(judged.work.add.iter().cloned());
        judged.work.ours.sort();
        judged.work.ours.dedup();
        Ok(judged)
    }

    /// Whether a part of a network is let in; where rules tell its parts apart, each follower in it.
    fn doors(&self, state: &firewalld::Firewalld, word: &str, part: &Part) -> Vec<(IpNet, Option<Door>)> {
        let door = |from: IpNet| (from, state.door(&part.zone, from, word == "permanent"));
        let all = door(part.from);
        let Some(Door::Doubt { shut, .. }) = &all.1 else { return vec![all] };
        if part.from.prefix_len() == part.from.max_prefix_len() {
            return vec![all];
        }
        let closed = shut.then_some((part.from, Some(Door::Closed)));
        let followers = self.filter.iter().flat_map(|filter| &filter.followers);
        let own = followers.filter(|address| part.from.contains(*address)).map(|address| door(IpNet::from(*address)));
        // Those who are merely not let in yet are, with the network.
        closed.into_iter().chain(own.filter(|(_, door)| !door.as_ref().is_some_and(Door::is_shut))).collect()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const NTP: &str = r#""services" as 2 "ssh" "ntp""#;
    const RULE: &str =
        r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.10.10.0/24\" service name=\"ntp\" accept""#;
    const OTHER: &str =
        r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.9.0.0/16\" service name=\"ntp\" accept""#;

    fn firewalld() -> Firewalld {
        Firewalld {
            networks: vec!["10.10.10.0/24".parse().unwrap()],
            port: Opening::default(),
            filter: None,
            ..Firewalld::default()
        }
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
    fn what_was_seen_is_judged_once() {
        let (resource, open) = (firewalld(), seen(NTP, NTP, ""));
        assert!(Arc::ptr_eq(&resource.judged(&open).unwrap(), &resource.judged(&open).unwrap()));
        assert_eq!((resource.diff(&open).unwrap().len(), resource.diff(&seen("", "", "")).unwrap().len()), (0, 2));
    }

    /// The same beside what a real firewalld has made of its zones, a case of `tests/firewall`.
    fn beside(case: &str, settings: &str) -> (Firewalld, Slice) {
        let path = format!("{}/tests/firewall/{case}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let (_, rules) = text.split_once("#: nft\n").unwrap();
        let route = "10.10.10.0/24 10.10.10.1 dev host0 src 10.10.10.1 uid 0\n";
        let more = format!("{RULES}{rules}#: keepers\n#: routes\n{route}");
        let followers = vec!["10.10.10.2".parse().unwrap()];
        let filter = Filter { host: "m1".to_owned(), networks: firewalld().networks, followers };
        (Firewalld { filter: Some(filter), ..firewalld() }, seen(settings, settings, &more))
    }

    #[test]
    fn what_the_rules_stop_is_opened_or_refused_and_never_called_open() {
        let (resource, slice) = beside("firewalld-closed", "");
        assert_eq!(resource.diff(&slice).unwrap().len(), 2);
        // The settings say that it is open, and the rules stop it: no change would help.
        let (resource, slice) = beside("firewalld-closed", NTP);
        let error = resource.diff(&slice).unwrap_err();
        assert!(error.to_string().contains("keeps followers out"), "{error}");
        // A rule that refuses comes before what the zone would let in.
        let drop = r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.10.10.2\" service name=\"ntp\" drop""#;
        let (resource, slice) = beside("firewalld-rich-drop", drop);
        let error = resource.diff(&slice).unwrap_err();
        let hint = crate::exit::hint(&error).unwrap();
        assert!(hint.contains("firewall-cmd --zone=public --add-rich-rule"), "{error}: {hint}");
    }

    #[test]
    fn what_the_rules_let_in_is_open_now_whatever_the_settings_say() {
        let (resource, slice) = beside("firewalld-rich", "");
        let shown: Vec<String> = resource.diff(&slice).unwrap().into_iter().map(|delta| delta.property).collect();
        assert_eq!(shown, ["123/udp from 10.10.10.0/24 (permanent)"]);
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
        let bound = |state: &str| format!("{state} work a{{sv}} 1 \"sources\" as 1 \"10.10.10.20\"\n");
        let work = &(bound("running") + &bound("permanent"));
        let deltas = firewalld().diff(&seen(NTP, NTP, work)).unwrap();
        let shown: Vec<String> = deltas.iter().map(|delta| format!("{} {}", delta.resource, delta.property)).collect();
        let open = |state: &str| format!("firewalld zone work 123/udp from 10.10.10.20/32 ({state})");
        assert_eq!(shown, [open("permanent"), open("running")]);
    }

    #[test]
    fn a_rule_of_ours_that_is_not_wanted_goes_and_that_of_another_stays() {
        let both = format!("\"rules_str\" as 2 {} {}", &RULE[17..], &OTHER[17..]);
        assert_eq!(firewalld().diff(&seen(&both, &both, "")).unwrap(), []);
        let rule = judged::rule("10.9.0.0/16".parse().unwrap(), "service name=\"ntp\"");
        let ours = format!("ours running\tpublic\t{rule}\nours permanent\tpublic\t{rule}\n");
        let slice = seen(&both, &both, &ours);
        let deltas = firewalld().diff(&slice).unwrap();
        assert_eq!((deltas.len(), deltas[0].from.as_deref(), deltas[0].to.as_deref()), (2, Some("open"), None));
        let fix = firewalld().fix(&slice, false).unwrap();
        assert!(fix.change.contains("--remove-rich-rule=") && fix.undo.contains("--add-rich-rule="), "{}", fix.change);
        assert!(!fix.change.contains("10.10.10.0/24"), "{}", fix.change);
        // A follower that only a rule which goes lets in gets one of its own.
        let one = Firewalld {
            networks: vec!["10.9.0.7/32".parse().unwrap()],
            port: Opening::default(),
            filter: None,
            ..Firewalld::default()
        };
        let shown: Vec<String> = one.diff(&slice).unwrap().into_iter().map(|delta| delta.property).collect();
        assert!(shown.len() == 4 && shown[0] == "123/udp from 10.9.0.7/32 (permanent)", "{shown:?}");
        // Whoever serves nobody has none.
        let nobody = Firewalld { networks: Vec::new(), port: Opening::default(), filter: None, ..Firewalld::default() };
        assert_eq!(nobody.diff(&slice).unwrap().len(), 2);
        assert_eq!(nobody.diff(&Slice::default()).unwrap(), []);
    }

    #[test]
    fn another_port_has_rules_and_a_record_of_its_own() {
        let port = Opening::read("4460/tcp").unwrap();
        let nts = Firewalld { port, ..firewalld() };
        // What lets NTP in says nothing of it, and is not ours to take away.
        let rule = judged::rule("10.9.0.0/16".parse().unwrap(), "service name=\"ntp\"");
        let ours = format!("ours running\tpublic\t{rule}\nours permanent\tpublic\t{rule}\n");
        let slice = seen(OTHER, OTHER, &ours);
        let shown: Vec<String> = nts.diff(&slice).unwrap().into_iter().map(|delta| delta.property).collect();
        assert_eq!(shown, ["4460/tcp from 10.10.10.0/24 (permanent)", "4460/tcp from 10.10.10.0/24 (running)"]);
        let fix = nts.fix(&slice, false).unwrap();
        assert!(fix.change.contains("port port=\"4460\" protocol=\"tcp\" accept"), "{}", fix.change);
        assert!(
            fix.change.contains("firewalld-4460-tcp")
                && fix.undo.contains("rm -f /var/lib/fleetclock/firewalld-4460-tcp")
        );
        let open = r#""ports" a(ss) 1 "4000-5000" "tcp""#;
        assert_eq!(nts.diff(&seen(open, open, "")).unwrap(), []);
        let part = r#""ports" a(ss) 1 "4461" "tcp""#;
        assert_eq!(nts.diff(&seen(part, part, "")).unwrap().len(), 2);
    }

    #[test]
    fn a_firewalld_in_panic_mode_lets_nobody_in_whatever_its_zones_say() {
        let error = firewalld().diff(&seen(NTP, NTP, "panic\n")).unwrap_err();
        assert!(error.to_string().contains("panic mode"), "{error}");
        assert!(crate::exit::hint(&error).unwrap().ends_with("firewall-cmd --panic-off"));
        let nobody = Firewalld { networks: Vec::new(), ..firewalld() };
        assert_eq!(nobody.diff(&seen(NTP, NTP, "panic\n")).unwrap(), []);
    }

    #[test]
    fn a_stopped_firewalld_is_an_error_with_a_hint() {
        let slice = Slice { stdout: "off\n".into(), ..Slice::default() };
        assert!(crate::exit::hint(&firewalld().diff(&slice).unwrap_err()).is_some());
    }
}
