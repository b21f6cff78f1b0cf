//! `prometheus`: metrics for the textfile collector of the node exporter.
//!
//! Each metric has the label `command`: the files of several verbs may lie side by side, and no sample comes twice.

use std::io::{Result, Write};

use super::Format;
use crate::model::{FleetReport, HostReport, Severity, Verb, What};
use crate::report::rounds::judged;
use crate::text::clean;

/// Metrics for Prometheus.
#[derive(Debug)]
pub(super) struct Prometheus;

impl Format for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn extension(&self) -> &'static str {
        "prom"
    }

    fn about(&self) -> &'static str {
        "metrics for the textfile collector of node_exporter"
    }

    fn is_for_others(&self) -> bool {
        true
    }

    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
        run(out, report)?;
        status(out, report)?;
        PER_HOST.iter().try_for_each(|metric| per_host(out, report, metric))
    }
}

/// A number of each host that has it.
struct PerHost {
    name: &'static str,
    help: &'static str,
    of: fn(&HostReport, Verb) -> Option<f64>,
}

const PER_HOST: &[PerHost] = &[
    PerHost {
        name: "host_offset_seconds",
        help: "Offset of the source that the host follows: source minus host.",
        of: |host, _| judged(host)?.offset_s,
    },
    PerHost {
        name: "host_error_bound_seconds",
        help: "How far the clock of the host may be off: offset, delays and root dispersion added up.",
        of: |host, _| judged(host)?.error_bound_s,
    },
    PerHost {
        name: "host_error_bound_limit_seconds",
        help: "The limit of the error bound in the inventory.",
        of: |host, _| host.limit_s,
    },
    PerHost {
        name: "host_stratum",
        help: "Stratum of the host.",
        of: |host, _| host.daemon.as_ref()?.stratum.map(f64::from),
    },
    PerHost {
        name: "host_synchronised",
        help: "Whether the time service of the host follows a source, or an isolated master its own clock.",
        of: |host, _| host.daemon.as_ref().map(|daemon| f64::from(u8::from(daemon.synchronised))),
    },
    PerHost {
        name: "host_drift",
        help: "Number of properties that are not as the inventory says, of a host that was compared with it.",
        of: |host, verb| match verb.compares() && host.was_read() {
            true => number(host.issues(verb).filter(|issue| matches!(issue.what, What::Drift(_))).count()),
            false => None,
        },
    },
    PerHost {
        name: "host_findings",
        help: "Number of errors that a diagnosis has found.",
        of: |host, verb| match verb {
            Verb::Doctor => number(host.findings.iter().filter(|one| one.severity == Severity::Error).count()),
            _ => None,
        },
    },
    PerHost { name: "host_duration_seconds", help: "How long the host took.", of: |host, _| Some(host.seconds) },
];

/// Counts of hosts and of things on them are far below what a float holds exactly.
fn number(count: usize) -> Option<f64> {
    u32::try_from(count).ok().map(f64::from)
}

fn head(out: &mut dyn Write, name: &str, help: &str) -> Result<()> {
    writeln!(out, "# HELP fleetclock_{name} {help}\n# TYPE fleetclock_{name} gauge")
}

fn run(out: &mut dyn Write, report: &FleetReport) -> Result<()> {
    let started = humantime::parse_rfc3339_weak(&report.started).ok();
    let started = started.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let ended = started.map(|started| started.as_secs_f64() + report.seconds);
    let whole = [
        ("last_run_timestamp_seconds", "When the last run ended.", ended),
        ("last_run_duration_seconds", "How long the last run took.", Some(report.seconds)),
        ("last_run_exit_code", "Exit code of the last run.", Some(f64::from(report.exit_code))),
    ];
    for (name, help, value) in whole.into_iter().filter_map(|(name, help, value)| Some((name, help, value?))) {
        head(out, name, help)?;
        writeln!(out, "fleetclock_{name}{{command=\"{}\"}} {value}", report.command)?;
    }
    head(out, "hosts", "Number of hosts by how they ended.")?;
    for (status, count) in report.summary.endings() {
        writeln!(out, "fleetclock_hosts{{command=\"{}\",status=\"{status}\"}} {count}", report.command)?;
    }
    let Some(since) = &report.since else { return Ok(()) };
    head(out, "issues", "Number of issues, compared with an older run.")?;
    for (state, count) in [("new", since.new), ("still_there", since.still), ("gone", since.gone.len())] {
        writeln!(out, "fleetclock_issues{{command=\"{}\",state=\"{state}\"}} {count}", report.command)?;
    }
    Ok(())
}

fn status(out: &mut dyn Write, report: &FleetReport) -> Result<()> {
    head(out, "host_status", "How the host ended: 1 for the status that it has.")?;
    for host in &report.hosts {
        writeln!(out, "fleetclock_host_status{{{},status=\"{}\"}} 1", labels(report, host), host.status.word())?;
    }
    Ok(())
}

fn per_host(out: &mut dyn Write, report: &FleetReport, metric: &PerHost) -> Result<()> {
    let mut samples =
        report.hosts.iter().filter_map(|host| Some((host, (metric.of)(host, report.command)?))).peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    head(out, metric.name, metric.help)?;
    for (host, value) in samples {
        writeln!(out, "fleetclock_{}{{{}}} {value}", metric.name, labels(report, host))?;
    }
    Ok(())
}

fn labels(report: &FleetReport, host: &HostReport) -> String {
    format!("command=\"{}\",host=\"{}\",role=\"{}\"", report.command, label(&host.name), host.role)
}

/// The value of a label, as the text format has it.
fn label(text: &str) -> String {
    clean::text(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As Prometheus reads it: up to the quote that is not escaped.
    fn read(text: &str) -> Option<String> {
        let (mut value, mut rest) = (String::new(), text.chars());
        loop {
            match rest.next()? {
                '"' => return rest.as_str().is_empty().then_some(value),
                '\n' => return None,
                '\\' => value.push(match rest.next()? {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    _ => return None,
                }),
                c => value.push(c),
            }
        }
    }

    proptest! {
        #[test]
        fn a_label_ends_where_it_should(raw in "(?s).{0,40}|[\\\\\"\n{}=,]{0,20}") {
            prop_assert_eq!(read(&(label(&raw) + "\"")), Some(clean::text(&raw).into_owned()));
        }
    }
}
