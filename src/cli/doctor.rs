//! `doctor`: why a clock does not follow.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};

use super::change::can_ask;
use super::consent::Consent;
use super::fail_on::FailOn;
use super::fix::{Wanted, fix};
use super::permit::granted;
use super::plan::unless_lost;
use super::reports::Reports;
use super::run::Run;
use super::since::SinceArgs;
use super::{Format, Global};
use crate::calendar::Permit;
use crate::engine::doctor::diagnose_all;
use crate::exit::{Exit, Hint};
use crate::files::{self, Place};
use crate::inventory::{Fleet, HostSpec};
use crate::model::{Condition, HostReport, Status, Verb};
use crate::report::console::{self, Verbosity};

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The hosts, as --limit takes them; all of the inventory if none is named
    #[arg(value_name = "HOST", add = super::suggest::pattern())]
    hosts: Vec<String>,
    /// Also write all evidence to a file, for a second opinion
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Then plan what is configuration, ask, change it as `apply` does, and look again
    #[arg(long)]
    fix: bool,
    /// Go ahead without asking
    #[arg(short, long, requires = "fix")]
    yes: bool,
    #[command(flatten)]
    fail_on: FailOn,
    #[command(flatten)]
    reports: Reports,
    #[command(flatten)]
    since: SinceArgs,
    #[command(flatten)]
    consent: Consent,
}

/// Looks at the hosts and at those that they follow; with --fix, puts right what is configuration.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let global = global.with_hosts(&args.hosts)?;
    if args.fix {
        can_ask("doctor --fix", args.yes, "`--yes` goes ahead; `fleetclock doctor` looks and changes nothing")?;
    } else if args.consent.any() {
        return Err(anyhow!("--allow-step is for a change").hint("add --fix"));
    }
    let place = |path: &PathBuf| files::prepare(path).with_context(|| format!("write {}", path.display()));
    let place = args.save.as_ref().map(place).transpose()?;
    // Read once, so that what it asks for is asked once.
    let fleet = global.fleet()?;
    let mut run = Run::of(Verb::Doctor, &global, fleet.clone())?;
    run.red = args.fail_on.or(&Condition::ALL);
    if args.fix {
        run.may_change()?;
        let permit = Permit { freezes: run.freeze.clone(), ..Permit::default() };
        (run.closes, run.notes) = granted(permit, None)?;
    }
    run.reports = args.reports.open(global.format)?;
    args.since.give(&mut run)?;
    let chosen = run.names();
    run.look_at(with_sources(&fleet, &chosen))?;
    args.consent.give(&mut run.hosts)?;
    let (reports, saved) = look(&run, &chosen, place);
    if args.fix {
        return Ok(unless_lost(saved, fix(run, reports, &Wanted { chosen, yes: args.yes })?));
    }
    if run.format == Format::Human && run.verbosity > Verbosity::Quiet {
        advertise(&reports);
    }
    Ok(unless_lost(saved, run.print(reports, true)))
}

/// Gathers and judges; of all that was looked at, returns what concerns the chosen hosts, and
/// whether the evidence could be kept.
pub(super) fn look(run: &Run, chosen: &[String], place: Option<Place>) -> (Vec<HostReport>, Result<()>) {
    let diagnosis = run.watched(run.names(), |cx| diagnose_all(run.hosts.clone(), run.forks, cx));
    let saved = place.map_or(Ok(()), |place| {
        let path = place.path().to_owned();
        place.write(diagnosis.evidence.as_bytes()).with_context(|| format!("write {}", path.display()))
    });
    let mut reports = diagnosis.hosts;
    let chosen: HashSet<&str> = chosen.iter().map(String::as_str).collect();
    reports.retain_mut(|report| {
        // Of a source that was only looked at as a witness, what concerns the chosen hosts matters.
        if !chosen.contains(report.name.as_str()) {
            report.findings.retain(|finding| finding.affects.iter().any(|name| chosen.contains(name.as_str())));
        }
        chosen.contains(report.name.as_str())
            || !report.findings.is_empty()
            || matches!(report.status, Status::Failed | Status::Unreachable)
    });
    (reports, saved)
}

/// The fix of each finding is a command; together they are one.
fn advertise(reports: &[HostReport]) {
    if reports.iter().flat_map(|report| &report.findings).any(|finding| finding.configuration) {
        console::sentence("`fleetclock doctor --fix` plans what is configuration, and asks before it changes it");
    }
}

/// The chosen hosts and all that they follow, in the order of the inventory.
fn with_sources(fleet: &Fleet, chosen: &[String]) -> Vec<HostSpec> {
    let known: HashMap<&str, &HostSpec> = fleet.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let mut wanted: HashSet<&str> = HashSet::new();
    let mut open: Vec<&str> = chosen.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        if wanted.insert(name) {
            let sources = known.get(name).into_iter().flat_map(|spec| &spec.time.sources);
            open.extend(sources.filter_map(|source| source.host.as_deref()));
        }
    }
    fleet.hosts.iter().filter(|host| wanted.contains(&host.name.as_str())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_of_the_sources_are_looked_at_too() {
        let text = "groups:\n  top: { role: master, isolated: true, hosts: { a: 10.0.0.1 } }\n  relay: { role: master, follows: [top], hosts: { b: 10.0.0.2 } }\n  slaves: { role: slave, follows: [relay], hosts: { c: 10.0.0.3, d: 10.0.0.4 } }\n";
        let fleet = crate::inventory::parse(std::path::Path::new("fleet.yml"), text).unwrap();
        let names = |chosen: &str| {
            with_sources(&fleet, &[chosen.to_owned()]).into_iter().map(|host| host.name).collect::<Vec<_>>()
        };
        assert_eq!(names("d"), ["a", "b", "d"]);
        assert_eq!(names("a"), ["a"]);
    }
}
