//! `undo`: takes back what a run did.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Result, anyhow};

use super::Global;
use super::change::can_ask;
use super::fail_on::FailOn;
use super::reports::Reports;
use super::run::Run;
use crate::engine::undo::{Choice, LookResult, choose, is_known, look_all, report_of, undo_all};
use crate::exit::{Exit, Hint};
use crate::history::{self, History, Record, is_same};
use crate::model::{Condition, Verb};
use crate::report::console;
use crate::report::text;
use crate::text::number::count;
use crate::transport::quote::sh;

/// Options of `undo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run as `history` names it or the beginning of its name, or hosts as for --limit; without any, the newest run
    #[arg(value_name = "RUN|HOST", add = super::suggest::run_or_pattern())]
    which: Vec<String>,
    /// Go ahead without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    fail_on: FailOn,
    #[command(flatten)]
    reports: Reports,
}

impl Args {
    /// Which runs are meant, and the hosts that were named.
    fn choice(&self) -> Result<(Choice, Vec<String>)> {
        let (mut runs, hosts): (Vec<String>, Vec<String>) =
            self.which.iter().cloned().partition(|word| history::is_name(word) || history::is_beginning(word));
        let choice = match (runs.pop(), hosts.is_empty()) {
            (Some(run), _) if history::is_beginning(&run) => Choice::Run(History::open()?.whole(&run)?),
            (Some(run), _) => Choice::Run(run),
            (None, true) => Choice::Newest,
            (None, false) => Choice::EachLast,
        };
        if !runs.is_empty() {
            return Err(anyhow!("undo takes back one run at a time").hint("name the newest one first"));
        }
        Ok((choice, hosts))
    }
}

/// Shows what would be taken back, asks, and takes it back.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let (choice, hosts) = args.choice()?;
    let global = global.with_hosts(&hosts)?;
    can_ask("undo", args.yes, "`--yes` goes ahead")?;
    let mut run = Run::start(Verb::Undo, &global)?;
    run.may_change()?;
    run.red = args.fail_on.or(&Condition::ALL);
    run.reports = args.reports.open(global.format)?;
    let mut looks = run.watched(run.names(), |cx| look_all(run.hosts.clone(), run.forks, cx));
    let chosen = choose(&mut looks, &choice);
    let wrong = match &choice {
        Choice::Newest => covered(&looks, chosen.as_deref(), &run.inventory, global.limit.as_deref()),
        Choice::Run(name) => unknown(&looks, name),
        Choice::EachLast => None,
    };
    if let Some(error) = wrong {
        return Ok(refused(&mut run, &looks, &error));
    }
    let pending = looks.iter().flatten().filter(|last| last.run.is_some()).count();
    if pending > 0 && !args.yes && !agreed(&looks, &run, pending)? {
        console::sentence("nothing was changed");
        return Ok(Exit::Pending);
    }
    run.begin();
    let taking_part = looks.iter().flatten().map(|last| last.spec.name.clone()).collect();
    let reports = run.watched(taking_part, |cx| undo_all(looks, run.forks, cx));
    Ok(run.print(reports, true))
}

/// Says why nothing was taken back, and writes the reports of the hosts as they were found.
fn refused(run: &mut Run, looks: &[LookResult], error: &anyhow::Error) -> Exit {
    console::error(error);
    run.print_untouched(looks.iter().map(|look| report_of(look).clone()).collect(), Exit::Failed)
}

/// A run that no host has is mistyped, or taken back already. A host that could not be asked may have it.
fn unknown(looks: &[LookResult], run: &str) -> Option<anyhow::Error> {
    let none = looks.iter().all(Result::is_ok) && !is_known(looks, run);
    let hint = "`fleetclock history` lists the runs; one that was taken back already is there, too";
    none.then(|| anyhow!("nothing was taken back: no host has a run {run}").hint(hint))
}

/// The newest run may be one of hosts that have not answered: they could not be asked, are gone from the inventory,
/// or were not chosen. Then an older one must not be taken for it. What this user has done stands in the records.
fn covered(looks: &[LookResult], chosen: Option<&str>, inventory: &Path, limit: Option<&str>) -> Option<anyhow::Error> {
    let chosen = chosen?;
    let silent: HashSet<&str> = looks.iter().filter_map(|look| Some(look.as_ref().err()?.name.as_str())).collect();
    let answered: HashSet<&str> = looks.iter().flatten().map(|last| last.spec.name.as_str()).collect();
    let history = History::open().ok()?;
    let others = format!("`fleetclock undo {chosen}{}` takes back the newest run of the others", limited(limit));
    // Of another inventory only hosts that are in this one, too, are of interest.
    let counts = |record: &Record, host: &str| {
        silent.contains(host) || !answered.contains(host) && is_same(&record.inventory, inventory)
    };
    let why = match history.newer(chosen).and_then(|newer| missed(newer, counts)) {
        Ok(None) => return None,
        Ok(Some((run, host))) if silent.contains(host.as_str()) => {
            format!("the newest run is {run}, and its host `{host}` could not be asked")
        }
        Ok(Some((run, host))) => {
            format!("the newest run is {run}, and its host `{host}` is not among the hosts of this run")
        }
        Err(error) => format!("the record of a newer run cannot be read: {error:#}"),
    };
    Some(anyhow!("nothing was taken back: {why}").hint(&others))
}

/// The option that chose the hosts, to be typed again.
fn limited(limit: Option<&str>) -> String {
    limit.map_or(String::new(), |pattern| format!(" -l {}", sh(pattern)))
}

/// The newest run that changed a host that counts and was not taken back; `records` begin with the newest.
///
/// # Errors
/// A record before it cannot be read.
fn missed(
    records: impl Iterator<Item = Result<Record>>,
    counts: impl Fn(&Record, &str) -> bool,
) -> Result<Option<(String, String)>> {
    let mut undone: Vec<String> = Vec::new();
    for record in records {
        let record = record?;
        for host in record.changed().into_iter().filter(|host| counts(&record, host)) {
            let taken = undone.iter().position(|name| name == host);
            match (record.command, taken) {
                (Verb::Undo, _) => undone.push(host.to_owned()),
                (_, Some(at)) => drop(undone.swap_remove(at)),
                (_, None) => return Ok(Some((record.run.clone(), host.to_owned()))),
            }
        }
    }
    Ok(None)
}

/// On standard error: the result is not what is going to happen.
fn agreed(looks: &[LookResult], run: &Run, pending: usize) -> Result<bool> {
    let mut report = run.report(looks.iter().map(|look| report_of(look).clone()).collect());
    report.command = Verb::Plan;
    console::error_line(text::report(&report, text::Options::of(Verb::Plan)).trim_end());
    let question = format!("\nTake back {}? Only `yes` is accepted:", count(pending, "host"));
    run.interrupt.ask(&question)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Delta, Status, sample};

    fn choice(words: &[&str]) -> (Choice, Vec<String>) {
        Args {
            which: words.iter().map(ToString::to_string).collect(),
            yes: false,
            fail_on: FailOn::default(),
            reports: Reports::default(),
        }
        .choice()
        .unwrap()
    }

    #[test]
    fn a_run_is_told_from_hosts_by_its_form() {
        let run = "20261125T063732693813Z";
        assert_eq!(choice(&[]), (Choice::Newest, vec![]));
        assert_eq!(choice(&["web1", "db"]), (Choice::EachLast, vec!["web1".into(), "db".into()]));
        assert_eq!(choice(&["web1", run]), (Choice::Run(run.into()), vec!["web1".into()]));
        assert!(
            Args {
                which: vec![run.into(), run.into()],
                yes: false,
                fail_on: FailOn::default(),
                reports: Reports::default()
            }
            .choice()
            .is_err()
        );
    }

    fn ended(run: &str, command: Verb, host: &str, status: Status) -> Record {
        let begun = Record::begin(command, "me".into(), run.into(), std::path::Path::new("f"), vec![]);
        begun.ended(&sample::fleet(&[(host, status)]))
    }

    fn record(run: &str, command: Verb, host: &str) -> Record {
        ended(run, command, host, Status::Changed)
    }

    #[test]
    fn a_newer_run_of_a_host_that_is_silent_is_not_forgotten() {
        let look = |records: Vec<Record>| missed(records.into_iter().map(Ok), |_, host| host == "a").unwrap();
        assert_eq!(
            look(vec![record("r2", Verb::Apply, "b"), record("r1", Verb::Apply, "a")]),
            Some(("r1".into(), "a".into()))
        );
        assert_eq!(look(vec![record("r2", Verb::Undo, "a"), record("r1", Verb::Apply, "a")]), None);
        assert_eq!(look(vec![record("r2", Verb::Apply, "b")]), None);
        // What an undo could not take back is there still.
        let failed = |command: Verb| ended("r2", command, "a", Status::FailedNotUndone);
        assert_eq!(look(vec![failed(Verb::Undo), record("r1", Verb::Apply, "a")]), Some(("r1".into(), "a".into())));
        assert_eq!(look(vec![failed(Verb::Apply), record("r1", Verb::Apply, "a")]), Some(("r2".into(), "a".into())));
        // A change whose clock is not right yet is kept.
        let late = |changed: bool| {
            let mut report = sample::fleet(&[("a", Status::OutOfLimits)]);
            let delta = Delta::new("file /f".to_owned(), "content", None, None);
            report.hosts[0].deltas.extend(changed.then_some(delta));
            Record::begin(Verb::Apply, "me".into(), "r2".into(), Path::new("f"), vec![]).ended(&report)
        };
        assert_eq!(look(vec![late(true)]), Some(("r2".into(), "a".into())));
        assert_eq!(look(vec![late(false)]), None);
    }

    #[test]
    fn a_record_that_cannot_be_read_may_be_that_of_the_newest_run() {
        let look = |records: Vec<Result<Record>>| missed(records.into_iter(), |_, host| host == "a");
        let broken = || Err(anyhow!("broken"));
        assert!(look(vec![broken(), Ok(record("r1", Verb::Apply, "a"))]).is_err());
        assert!(look(vec![Ok(record("r2", Verb::Apply, "b")), broken()]).is_err());
        assert!(look(vec![Ok(record("r2", Verb::Apply, "a")), broken()]).is_ok_and(|missed| missed.is_some()));
    }
}
