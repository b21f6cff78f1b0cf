//! Reports of runs that went side by side, as one.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::{Condition, FleetReport, HostReport, Status, Summary, shard, spread};

/// Why reports cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("there is no report to join")]
    None,
    /// They are of different verbs.
    #[error("reports of `{0}` and of `{1}` say different things of a host and cannot be joined")]
    Verbs(super::Verb, super::Verb),
    /// Parts of the hosts are in none of them.
    #[error(
        "no report of shard {0} is there, so hosts are missing; repeat it with `--shard` and join again (shards belong \
         together if they were cut from the same hosts)"
    )]
    Shards(String),
    /// Two hosts have one name.
    #[error(
        "the host `{host}` is in reports of two inventories, {one} and {other}, and may be another one in each; \
         join the reports of each inventory by themselves"
    )]
    Inventories {
        /// The name.
        host: String,
        /// An inventory.
        one: String,
        /// Another one.
        other: String,
    },
}

impl FleetReport {
    /// Joins reports. Of a host that is in several of them, the run that started last counts; hosts stand in the order
    /// in which they come first.
    ///
    /// # Errors
    /// There are none, they are of different verbs, a shard is missing, or they have hosts of different inventories with one name.
    pub fn merged(mut reports: Vec<FleetReport>) -> Result<FleetReport, MergeError> {
        let command = reports.first().ok_or(MergeError::None)?.command;
        if let Some(other) = reports.iter().find(|report| report.command != command) {
            return Err(MergeError::Verbs(command, other.command));
        }
        one_inventory_each(&reports)?;
        let missing = shard::missing(&reports);
        if !missing.is_empty() {
            return Err(MergeError::Shards(missing.join(", ")));
        }
        let order: Vec<String> =
            reports.iter().flat_map(|report| &report.hosts).map(|host| host.name.clone()).collect();
        let (started, seconds) = span(&reports);
        let inventories: Vec<Option<String>> = reports.iter().map(|report| report.inventory.clone()).collect();
        // RFC 3339 in UTC sorts as it is written.
        reports.sort_by(|one, other| one.started.cmp(&other.started));
        let exit_code = exit_code(&reports);
        let notes = notes(&reports);
        let waves = reports.iter().flat_map(|report| report.waves.clone()).collect();
        let mut last: HashMap<String, HostReport> =
            reports.into_iter().flat_map(|report| report.hosts).map(|host| (host.name.clone(), host)).collect();
        let mut hosts: Vec<HostReport> = order.iter().filter_map(|name| last.remove(name)).collect();
        // Each was compared with a report of its own; what that comparison came to is left out, too.
        hosts.iter_mut().flat_map(|host| host.marks(command)).for_each(|mark| mark.new = None);
        Ok(FleetReport {
            schema: super::SCHEMA,
            command,
            started,
            seconds,
            exit_code,
            conditions: Condition::holding(hosts.iter().map(|host| host.status)),
            summary: Summary::of(&hosts),
            notes,
            waves,
            spread: spread::spread(&hosts),
            inventory: inventories.iter().flatten().next().cloned().filter(|_| same(&inventories)),
            shard: None,
            since: None,
            hosts,
        })
    }
}

/// Where reports do not say of which inventory they are, a name is one host.
fn one_inventory_each(reports: &[FleetReport]) -> Result<(), MergeError> {
    let mut known: HashMap<&str, &str> = HashMap::new();
    for report in reports {
        let Some(inventory) = report.inventory.as_deref() else { continue };
        for host in &report.hosts {
            let one = *known.entry(&host.name).or_insert(inventory);
            if one != inventory {
                let (host, one, other) = (host.name.clone(), one.to_owned(), inventory.to_owned());
                return Err(MergeError::Inventories { host, one, other });
            }
        }
    }
    Ok(())
}

/// What is worth knowing of all runs; what several of them say is said once.
fn notes(reports: &[FleetReport]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in reports.iter().flat_map(|report| &report.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    notes
}

fn same(inventories: &[Option<String>]) -> bool {
    inventories.windows(2).all(|pair| pair[0] == pair[1])
}

/// The code of the run that went worst, in the order of the exit codes. The reports are in the order of their starts;
/// of each counts what no later one says otherwise: a host that was mended since is as it is now.
fn exit_code(reports: &[FleetReport]) -> u8 {
    let last: HashMap<&str, usize> = reports
        .iter()
        .enumerate()
        .flat_map(|(index, report)| report.hosts.iter().map(move |host| (host.name.as_str(), index)))
        .collect();
    let code = |(index, report): (usize, &FleetReport)| {
        let is_left = |host: &&HostReport| last.get(host.name.as_str()) == Some(&index);
        let left: Vec<Status> = report.hosts.iter().filter(is_left).map(|host| host.status).collect();
        if left.len() == report.hosts.len() { report.exit_code } else { code_of(report.exit_code, left) }
    };
    reports.iter().enumerate().map(code).min_by_key(|code| rank(*code)).unwrap_or_default()
}

/// The code of a run of which these hosts are left. What the run did not tell by its code (`--fail-on`, a plan
/// without `--exit-code`) is not told now.
fn code_of(ended: u8, left: Vec<Status>) -> u8 {
    let told = Condition::holding(left).into_iter().map(told_by);
    let told: Vec<u8> = told.filter(|code| rank(*code) >= rank(ended)).collect();
    if ended == INTERRUPTED && !told.is_empty() { ended } else { told.first().copied().unwrap_or_default() }
}

/// The code of a run that the user has interrupted.
const INTERRUPTED: u8 = 130;

/// The code that tells of a condition (docs/report.md).
fn told_by(condition: Condition) -> u8 {
    match condition {
        Condition::Failed => 1,
        Condition::Limits => 5,
        Condition::Drift => 3,
        Condition::Unreachable => 4,
    }
}

/// How bad a code is: the worst comes first.
fn rank(code: u8) -> usize {
    [INTERRUPTED, 2, 1, 5, 3, 4].iter().position(|known| *known == code).unwrap_or(usize::MAX)
}

/// From the start of the first to the end of the last; where a time cannot be read, as long as the longest took.
fn span(reports: &[FleetReport]) -> (String, f64) {
    let longest = reports.iter().map(|report| report.seconds).fold(0.0, f64::max);
    let started = reports.iter().map(|report| report.started.as_str()).min().unwrap_or_default().to_owned();
    let time = |text: &str| humantime::parse_rfc3339_weak(text).ok();
    let end =
        |report: &FleetReport| time(&report.started)?.checked_add(Duration::try_from_secs_f64(report.seconds).ok()?);
    let last: Option<SystemTime> = reports.iter().filter_map(end).max();
    let all = time(&started).zip(last).and_then(|(first, last)| last.duration_since(first).ok());
    (started, all.map_or(longest, |all| all.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::fleet;
    use crate::model::{Status, Verb};

    fn run(started: &str, exit_code: u8, hosts: &[(&str, Status)]) -> FleetReport {
        FleetReport { started: started.to_owned(), exit_code, command: Verb::Check, ..fleet(hosts) }
    }

    #[test]
    fn jobs_side_by_side_are_one_run_and_a_host_counts_as_it_was_last() {
        let mut first = run("2026-01-01T00:00:00Z", 3, &[("a", Status::Drifted), ("b", Status::Drifted)]);
        first.notes = vec!["until 02:00".to_owned()];
        let mut second = run("2026-01-01T00:00:10Z", 4, &[("c", Status::Unreachable), ("a", Status::Unchanged)]);
        second.notes = vec!["until 02:00".to_owned(), "until 03:00".to_owned()];
        let all = FleetReport::merged(vec![second.clone(), first.clone()]).unwrap();
        let hosts: Vec<_> = all.hosts.iter().map(|host| (host.name.as_str(), host.status)).collect();
        assert_eq!(hosts, [("c", Status::Unreachable), ("a", Status::Unchanged), ("b", Status::Drifted)]);
        assert_eq!((all.summary.hosts, all.summary.drifted, all.exit_code), (3, 1, 3));
        assert_eq!(all.notes, ["until 02:00", "until 03:00"]);
        assert_eq!(all.conditions, [Condition::Drift, Condition::Unreachable]);
        assert_eq!((all.started.as_str(), all.seconds), ("2026-01-01T00:00:00Z", 11.5));
        let other = FleetReport { command: Verb::Verify, ..second };
        let error = FleetReport::merged(vec![first, other]).unwrap_err().to_string();
        assert_eq!(error, "reports of `check` and of `verify` say different things of a host and cannot be joined");
        assert!(FleetReport::merged(Vec::new()).is_err());
    }

    /// Each run: its start, its code, its hosts. What they are together.
    #[test]
    fn a_host_that_was_mended_since_makes_no_run_red() {
        use Status::{Changed, Drifted, Failed, NotStarted, OutOfLimits, Unchanged, Unreachable};
        type Case<'a> = (&'a [(u8, &'a [(&'a str, Status)])], u8);
        let cases: &[Case<'_>] = &[
            (&[(1, &[("a", Failed), ("b", Unchanged)]), (0, &[("a", Changed)])], 0),
            // The other one stays as it was.
            (&[(1, &[("a", Failed), ("b", OutOfLimits)]), (0, &[("a", Changed)])], 5),
            (&[(4, &[("a", Unreachable)]), (1, &[("a", Failed)]), (0, &[("a", Changed)])], 0),
            (&[(0, &[("a", Unchanged)]), (4, &[("a", Unreachable)])], 4),
            // An interrupted run whose hosts were done later, and one of which some were not.
            (&[(130, &[("a", Changed), ("b", NotStarted)]), (0, &[("b", Changed)])], 0),
            (&[(130, &[("a", Changed), ("b", NotStarted), ("c", NotStarted)]), (0, &[("b", Changed)])], 130),
            // Runs that were not to tell of drift (`--fail-on`, a plan).
            (&[(0, &[("a", Drifted), ("b", Drifted)]), (0, &[("a", Unchanged)])], 0),
            (&[(4, &[("a", Unreachable), ("b", Failed)]), (0, &[("a", Unchanged)])], 0),
        ];
        for (runs, code) in cases {
            let runs = runs.iter().enumerate();
            let reports = runs.map(|(at, (code, hosts))| run(&format!("2026-01-01T00:00:0{at}Z"), *code, hosts));
            let all = FleetReport::merged(reports.rev().collect()).unwrap();
            assert_eq!(all.exit_code, *code, "{all:#?}");
        }
    }

    #[test]
    fn a_name_of_two_inventories_is_refused_and_of_one_joined() {
        let of = |inventory: &str, host: &str| FleetReport {
            inventory: Some(inventory.to_owned()),
            ..run("2026-01-01T00:00:00Z", 0, &[(host, Status::Unchanged)])
        };
        let error = FleetReport::merged(vec![of("eu.yml", "web1"), of("us.yml", "web1")]).unwrap_err().to_string();
        let expected = "the host `web1` is in reports of two inventories, eu.yml and us.yml, and may be another one in each; \
                        join the reports of each inventory by themselves";
        assert_eq!(error, expected);
        for (inventory, host) in [("us.yml", "web2"), ("eu.yml", "web1")] {
            assert!(FleetReport::merged(vec![of("eu.yml", "web1"), of(inventory, host)]).is_ok());
        }
    }

    #[test]
    fn nothing_is_new_in_reports_that_were_compared_with_others() {
        let mut one = run("2026-01-01T00:00:00Z", 4, &[("a", Status::Unreachable)]);
        one.compare(&run("2025-12-31T00:00:00Z", 0, &[("a", Status::Unchanged)]));
        assert!(one.issues().all(|issue| issue.mark().new == Some(true)));
        let all = FleetReport::merged(vec![one]).unwrap();
        assert!(
            all.since.is_none() && all.issues().count() == 1 && all.issues().all(|issue| issue.mark().new.is_none())
        );
    }
}
