//! `compliance`: evidence for auditors, a table that a spreadsheet opens: one line for each control and host, with
//! what was seen, when, and whether it is met. It claims nothing that the report does not show: what was not
//! measured is not assessed. The controls are in `compliance.yml`.

use std::io::{Error, Result, Write};

use serde::Deserialize;

use super::Format;
use crate::model::{FleetReport, HostReport, Role, SourceReport, Status, Verb};
use crate::text::clean;
use crate::text::number::span;

const CONTROLS: &str = include_str!("compliance.yml");

/// Evidence for auditors.
#[derive(Debug)]
pub(super) struct Compliance;

impl Format for Compliance {
    fn name(&self) -> &'static str {
        "compliance"
    }

    fn extension(&self) -> &'static str {
        "compliance.csv"
    }

    fn about(&self) -> &'static str {
        "evidence for auditors: PCI DSS, CIS, STIG, MiFID II, FINRA, as CSV"
    }

    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
        out.write_all(line(HEAD.map(str::to_owned)).as_bytes())?;
        for control in &controls()? {
            for host in report.hosts.iter().filter(|host| control.is_for(host)) {
                out.write_all(line(row(control, host, report)).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// Red Hat Enterprise Linux 9, and what is built from the same sources.
const ENTERPRISE_LINUX_9: [&str; 5] =
    ["Red Hat Enterprise Linux 9", "Rocky Linux 9", "AlmaLinux 9", "CentOS Stream 9", "Oracle Linux Server 9"];

const HEAD: [&str; 10] = [
    "control",
    "requirement",
    "host",
    "address",
    "result",
    "seen",
    "at",
    "by",
    "left to the auditor",
    "text of the standard",
];

fn controls() -> Result<Vec<Control>> {
    serde_yaml::from_str(CONTROLS).map_err(|error| Error::other(format!("compliance.yml: {error}")))
}

/// What a standard asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Control {
    id: String,
    says: String,
    #[serde(default)]
    hosts: Option<String>,
    /// The time service that it names.
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    asks: Option<Asks>,
    #[serde(default)]
    most: Option<f64>,
    #[serde(default)]
    but: Option<String>,
    of: String,
}

/// What can be seen in a report.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asks {
    /// The time service follows a source, or an isolated master its own clock on purpose.
    Synchronised,
    /// It follows a source that the inventory gives to it.
    FollowsNamedSource,
    /// All of its sources are hosts of the inventory, and it follows one of them.
    FollowsMastersOnly,
    /// Nothing differs from the inventory.
    Configured,
    /// The source that it follows has answered within so much time.
    HeardWithin,
    /// The error bound is within the limit of the host.
    WithinOwnLimit,
    /// The error bound is at most so much.
    ErrorAtMost,
}

/// Whether it is met, and what was seen; `None` is not assessed.
type Seen = (Option<bool>, String);

impl Control {
    fn is_for(&self, host: &HostReport) -> bool {
        let windows =
            host.provider.as_deref() == Some("w32time") || host.os.as_deref().is_some_and(|os| os.contains("Windows"));
        match self.hosts.as_deref() {
            None | Some("all") => true,
            Some("masters") => host.role == Role::Master,
            Some("slaves") => host.role == Role::Slave,
            Some("windows") => windows,
            Some("enterprise linux 9") => {
                host.os.as_deref().is_some_and(|os| ENTERPRISE_LINUX_9.iter().any(|part| os.contains(part)))
            }
            Some(part) => host.os.as_deref().is_some_and(|os| os.contains(part)),
        }
    }

    fn seen(&self, host: &HostReport, command: Verb) -> Seen {
        let Some(asks) = self.asks else { return (None, "not in the report".to_owned()) };
        match host.status {
            Status::Unreachable => return (None, "the host was not reached".to_owned()),
            Status::NotStarted => return (None, "the host was not looked at".to_owned()),
            _ => {}
        }
        if let Some(wanted) = &self.provider {
            match &host.provider {
                None => return (None, "the time service is not known".to_owned()),
                Some(is) if is != wanted => return (Some(false), format!("the time service is {is}, not {wanted}")),
                Some(_) => {}
            }
        }
        if matches!(asks, Asks::Configured) {
            return configured(host, command);
        }
        let Some(daemon) = &host.daemon else {
            return (None, "this run did not measure the clock; `fleetclock verify` does".to_owned());
        };
        let followed = host.sources.iter().find(|source| source.selected);
        match (asks, followed) {
            (Asks::Synchronised, _) if daemon.own_clock => {
                (Some(daemon.synchronised), format!("{} goes by its own clock", daemon.provider))
            }
            (Asks::Synchronised, _) => (
                Some(daemon.synchronised),
                synchronised(daemon.synchronised, &daemon.provider, daemon.source.as_deref()),
            ),
            (_, None) => (Some(false), "no source is followed".to_owned()),
            (Asks::FollowsNamedSource, Some(source)) => named(host, source),
            (Asks::FollowsMastersOnly, Some(source)) => masters_only(host, source),
            (Asks::HeardWithin, Some(source)) => heard(source, self.most),
            (Asks::WithinOwnLimit, Some(source)) => bound(source, host.limit_s),
            (Asks::ErrorAtMost, Some(source)) => bound(source, self.most),
            (Asks::Configured, _) => configured(host, command),
        }
    }
}

fn synchronised(is: bool, provider: &str, source: Option<&str>) -> String {
    match (is, source) {
        (true, Some(source)) => format!("{provider} is synchronised with {source}"),
        (true, None) => format!("{provider} is synchronised"),
        (false, _) => format!("{provider} is not synchronised"),
    }
}

/// A host that failed otherwise may have no differences because none were looked for, and `doctor` and `undo` look for
/// none on any host.
fn configured(host: &HostReport, command: Verb) -> Seen {
    if !command.compares() {
        return (None, "this run did not compare the configuration; `fleetclock check` does".to_owned());
    }
    match (host.status, host.deltas.len()) {
        (Status::Unchanged | Status::OutOfLimits, 0) => (Some(true), "nothing differs from the inventory".to_owned()),
        (Status::Changed, _) => (Some(true), "changed to what the inventory says, and read again".to_owned()),
        (Status::Drifted, _) => {
            let what: Vec<String> =
                host.deltas.iter().map(|delta| format!("{} {}", delta.resource, delta.property)).collect();
            (Some(false), format!("differs from the inventory: {}", what.join(", ")))
        }
        _ => (None, "the host failed, see its error".to_owned()),
    }
}

fn name(source: &SourceReport) -> &str {
    source.host.as_deref().unwrap_or(&source.address)
}

fn named(host: &HostReport, source: &SourceReport) -> Seen {
    let is_named = host.follows.iter().any(|named| named.address == source.address);
    let word = if is_named { "named in" } else { "not named in" };
    (Some(is_named), format!("follows {}, {word} the inventory", name(source)))
}

fn masters_only(host: &HostReport, source: &SourceReport) -> Seen {
    let outside: Vec<&str> =
        host.follows.iter().filter(|named| named.host.is_none()).map(|named| named.address.as_str()).collect();
    match outside.as_slice() {
        [] => named(host, source),
        _ => (Some(false), format!("is given sources that are no masters of the inventory: {}", outside.join(", "))),
    }
}

fn heard(source: &SourceReport, most: Option<f64>) -> Seen {
    let Some((age, most)) = source.last_answer_s.zip(most) else {
        return (None, format!("when {} answered last is not known", name(source)));
    };
    (Some(age as f64 <= most), format!("{} answered {} ago", name(source), span(age as f64)))
}

fn bound(source: &SourceReport, most: Option<f64>) -> Seen {
    let Some((bound, most)) = source.error_bound_s.zip(most) else {
        return (None, "the error bound is not known".to_owned());
    };
    (Some(bound <= most), format!("error bound {} to {}, limit {}", span(bound), name(source), span(most)))
}

fn row(control: &Control, host: &HostReport, report: &FleetReport) -> [String; 10] {
    let (met, seen) = control.seen(host, report.command);
    let result = match met {
        Some(true) => "met",
        Some(false) => "not met",
        None => "not assessed",
    };
    [
        control.id.clone(),
        control.says.clone(),
        host.name.clone(),
        host.address.clone(),
        result.to_owned(),
        seen,
        report.started.clone(),
        by(report),
        control.but.clone().unwrap_or_default(),
        control.of.clone(),
    ]
}

/// The program, the verb, and the inventory where the report says which.
fn by(report: &FleetReport) -> String {
    let inventory = report.inventory.as_ref().map(|inventory| format!(" -i {inventory}")).unwrap_or_default();
    format!("fleetclock {} {}{inventory}", env!("CARGO_PKG_VERSION"), report.command)
}

fn line(cells: [String; 10]) -> String {
    cells.map(|cell| quoted(&cell)).join(",") + "\r\n"
}

/// What begins as a formula does would be computed by a spreadsheet; hosts do not get to write formulas.
fn quoted(text: &str) -> String {
    let text = clean::text(text).replace('"', "\"\"");
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    format!("\"{guard}{text}\"")
}
