//! `junit`: test results, as Jenkins, GitLab and most others read them. A host is a suite; its tests are always the same
//! ones, so that a CI can say since when one of them fails.

use std::io::{Result, Write};

use super::{Format, said, xml};
use crate::model::{FleetReport, HostReport, Issue, Status, Verb, What};
use crate::report::words;

/// JUnit XML.
#[derive(Debug)]
pub(super) struct Junit;

impl Format for Junit {
    fn name(&self) -> &'static str {
        "junit"
    }

    fn extension(&self) -> &'static str {
        "junit.xml"
    }

    fn about(&self) -> &'static str {
        "JUnit XML: test results of a CI"
    }

    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
        let mut all = Counts::default();
        report.hosts.iter().for_each(|host| all.add(&Counts::of(&cases(host, report.command))));
        writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
        let Counts { tests, failures, errors, .. } = all;
        write!(out, "<testsuites name=\"fleetclock {}\"", report.command)?;
        writeln!(out, " tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\"{}>", time(report.seconds))?;
        report.hosts.iter().try_for_each(|host| suite(out, host, report))?;
        writeln!(out, "</testsuites>")
    }
}

/// One thing that is asked of a host.
struct Case<'a> {
    name: &'static str,
    verdict: Verdict<'a>,
}

enum Verdict<'a> {
    Passed,
    /// It could not be tried, and why.
    Skipped(&'static str),
    /// It is not so.
    Failure(Vec<Issue<'a>>),
    /// It could not be found out.
    Error(Vec<Issue<'a>>),
}

#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
}

impl Counts {
    fn of(cases: &[Case<'_>]) -> Counts {
        let count = |what: fn(&Verdict<'_>) -> bool| cases.iter().filter(|case| what(&case.verdict)).count();
        Counts {
            tests: cases.len(),
            failures: count(|verdict| matches!(verdict, Verdict::Failure(_))),
            errors: count(|verdict| matches!(verdict, Verdict::Error(_))),
            skipped: count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        }
    }

    fn add(&mut self, other: &Counts) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
    }
}

/// The tests of a host: that it is reached, that the work on it is done, and what the verb is for.
fn cases(host: &HostReport, command: Verb) -> Vec<Case<'_>> {
    let (mut endings, mut drift, mut findings) = (Vec::new(), Vec::new(), Vec::new());
    for issue in host.issues(command) {
        match issue.what {
            What::Ending(_) => endings.push(issue),
            What::Drift(_) => drift.push(issue),
            What::Finding(_) => findings.push(issue),
        }
    }
    let (lost, idle) = (host.status == Status::Unreachable, host.status == Status::NotStarted);
    let late = host.status == Status::OutOfLimits;
    let failed = !endings.is_empty() && !lost && !late;
    let unknown = match (lost, idle, failed) {
        (true, ..) => Some("the host was not to be reached"),
        (_, true, _) => Some("the work on the host was not started"),
        (.., true) => Some("the work on the host failed"),
        _ => None,
    };
    let told = |issues: Vec<_>| match unknown {
        _ if !issues.is_empty() => Verdict::Failure(issues),
        Some(why) => Verdict::Skipped(why),
        None => Verdict::Passed,
    };
    let ending = |is: bool| if is { Verdict::Error(endings.clone()) } else { Verdict::Passed };
    let done = if lost { Verdict::Skipped("the host was not to be reached") } else { ending(failed) };
    let mut cases = vec![case("reached", ending(lost)), case("done", done)];
    if matches!(command, Verb::Plan | Verb::Check | Verb::Apply | Verb::Verify) {
        cases.push(case("configuration", told(drift)));
    }
    let late = if late { endings } else { Vec::new() };
    match command {
        Verb::Verify | Verb::Apply if host.status == Status::Drifted => {
            cases.push(case("clock", Verdict::Skipped("the host is out of sync with the inventory")));
        }
        Verb::Verify | Verb::Apply => cases.push(case("clock", told(late))),
        Verb::Doctor => cases.push(case("diagnosis", told([late, findings].concat()))),
        _ => {}
    }
    cases
}

fn case<'a>(name: &'static str, verdict: Verdict<'a>) -> Case<'a> {
    Case { name, verdict }
}

/// The schema of Jenkins knows no more digits.
fn time(seconds: f64) -> String {
    format!(" time=\"{seconds:.3}\"")
}

fn suite(out: &mut dyn Write, host: &HostReport, report: &FleetReport) -> Result<()> {
    let cases = cases(host, report.command);
    let Counts { tests, failures, errors, skipped } = Counts::of(&cases);
    let name = xml::attribute(&host.name);
    write!(out, "<testsuite name=\"{name}\" hostname=\"{name}\" timestamp=\"{}\"", xml::attribute(&report.started))?;
    write!(out, " tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")?;
    writeln!(out, "{}>", time(host.seconds))?;
    properties(out, host)?;
    for case in &cases {
        write!(out, "<testcase name=\"{}\" classname=\"{name}\"", case.name)?;
        verdict(out, &case.verdict)?;
    }
    if !host.warnings.is_empty() {
        writeln!(out, "<system-out>{}</system-out>", xml::text(&host.warnings.join("\n")))?;
    }
    writeln!(out, "</testsuite>")
}

fn properties(out: &mut dyn Write, host: &HostReport) -> Result<()> {
    let place = host.mark.place.as_ref().map(ToString::to_string);
    let role = host.role.word().to_owned();
    let status = words::ending(host.status).0.into_owned();
    let all = [
        ("address", Some(&host.address)),
        ("role", Some(&role)),
        ("os", host.os.as_ref()),
        ("provider", host.provider.as_ref()),
        ("status", Some(&status)),
        ("place", place.as_ref()),
    ];
    writeln!(out, "<properties>")?;
    for (name, value) in all.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        writeln!(out, "<property name=\"{name}\" value=\"{}\"/>", xml::attribute(value))?;
    }
    writeln!(out, "</properties>")
}

fn verdict(out: &mut dyn Write, verdict: &Verdict<'_>) -> Result<()> {
    let (element, issues) = match verdict {
        Verdict::Passed => return writeln!(out, "/>"),
        Verdict::Skipped(why) => return writeln!(out, "><skipped message=\"{why}\"/></testcase>"),
        Verdict::Failure(issues) => ("failure", issues),
        Verdict::Error(issues) => ("error", issues),
    };
    let kind = issues.first().map(said::check).unwrap_or_default();
    let message = match issues.as_slice() {
        [one] => said::sentence(one),
        many => format!("{} things are wrong", many.len()),
    };
    write!(out, "><{element} type=\"{}\" message=\"{}\">", xml::attribute(&kind), xml::attribute(&message))?;
    issues.iter().try_for_each(|issue| details(out, issue))?;
    writeln!(out, "</{element}></testcase>")
}

/// All of an issue: what, where, since when, and the diff.
fn details(out: &mut dyn Write, issue: &Issue<'_>) -> Result<()> {
    let news = match issue.mark().new {
        Some(true) => "new: ",
        Some(false) => "still there: ",
        None => "",
    };
    let place = issue.place().map(|place| format!(" ({place})")).unwrap_or_default();
    writeln!(out, "{}", xml::text(&format!("{news}{}{place}", said::sentence(issue))))?;
    if let Some(way) = said::way_out(issue) {
        writeln!(out, "{}", xml::text(&way))?;
    }
    match issue.what {
        What::Drift(delta) => delta.diff.iter().try_for_each(|diff| writeln!(out, "{}", xml::text(diff.trim_end()))),
        _ => Ok(()),
    }
}
