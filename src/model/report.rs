//! What a whole run did, and what happened on each host: `--format json` promises it.

use serde::{Deserialize, Serialize};

use super::{
    Condition, DaemonReport, Delta, ErrorReport, Finding, Mark, Role, ShardReport, Since, SourceReport, Spread, Status,
    Verb,
};

/// The version of the JSON report; raised when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// What a whole run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FleetReport {
    /// The version of this description.
    #[cfg_attr(test, schemars(extend("const" = SCHEMA)))]
    pub schema: u32,
    /// The verb.
    pub command: Verb,
    /// When the run started, RFC 3339, UTC.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// The exit code of the program.
    pub exit_code: u8,
    /// All that is wrong, also what the exit code does not tell.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Counts of hosts.
    pub summary: Summary,
    /// What is worth knowing of the run as a whole: its window, a freeze that was set aside.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The order in which hosts are changed; `plan` and `apply` only.
    #[serde(default)]
    pub waves: Vec<Wave>,
    /// The two clocks that are furthest apart, as far as the hosts have measured common sources.
    pub spread: Option<Spread>,
    /// The inventory, as the user named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<String>,
    /// Which part of the hosts this is, where several jobs share them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardReport>,
    /// What has changed since the report that this one is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// One entry for each host, in the order of the inventory.
    pub hosts: Vec<HostReport>,
}

/// Hosts that are changed at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Wave {
    /// Why they are together, and at this place.
    pub why: String,
    /// Their names.
    pub hosts: Vec<String>,
}

/// Counts of hosts by how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Summary {
    /// All hosts.
    pub hosts: usize,
    /// As wanted before and after.
    pub unchanged: usize,
    /// Changed and proven.
    pub changed: usize,
    /// Failed, undone or not.
    pub failed: usize,
    /// Not to be reached.
    pub unreachable: usize,
    /// Changes are pending.
    pub drifted: usize,
    /// Configured as wanted, but the clock is outside its limits.
    pub out_of_limits: usize,
    /// Never started, because the run was interrupted or a master failed.
    pub not_started: usize,
}

impl Summary {
    /// Returns each count but that of all hosts, with its word in the report.
    pub fn endings(&self) -> [(&'static str, usize); 7] {
        [
            ("changed", self.changed),
            ("drifted", self.drifted),
            ("failed", self.failed),
            ("not_started", self.not_started),
            ("out_of_limits", self.out_of_limits),
            ("unchanged", self.unchanged),
            ("unreachable", self.unreachable),
        ]
    }

    /// Counts.
    pub fn of(hosts: &[HostReport]) -> Self {
        let mut summary = Summary { hosts: hosts.len(), ..Summary::default() };
        for host in hosts {
            *match host.status {
                Status::Unchanged => &mut summary.unchanged,
                Status::Changed => &mut summary.changed,
                Status::Drifted => &mut summary.drifted,
                Status::OutOfLimits => &mut summary.out_of_limits,
                Status::Failed | Status::FailedUndone | Status::FailedNotUndone => &mut summary.failed,
                Status::Unreachable => &mut summary.unreachable,
                Status::NotStarted => &mut summary.not_started,
            } += 1;
        }
        summary
    }
}

/// A source that the inventory gives to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Followed {
    /// Address or name, as in the inventory.
    pub address: String,
    /// The host of the inventory behind it.
    pub host: Option<String>,
}

/// What happened on one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HostReport {
    /// The name in the inventory.
    pub name: String,
    /// The address that was contacted.
    pub address: String,
    /// The addresses that the host itself has, as far as they were read.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The operating system's own name for itself, once known.
    pub os: Option<String>,
    /// The part that it plays.
    pub role: Role,
    /// Its depth in the time hierarchy: 0 follows no host of the inventory.
    #[serde(default)]
    pub tier: usize,
    /// Whom it follows as the inventory says; what it measured of them is in `sources`.
    #[serde(default)]
    pub follows: Vec<Followed>,
    /// The chosen time service (`chrony`, `ntpd`), once known.
    pub provider: Option<String>,
    /// How it ended.
    pub status: Status,
    /// The limit of the error bound, seconds.
    pub limit_s: Option<f64>,
    /// What is (or was) not as wanted, in the order in which it is changed.
    #[serde(default)]
    pub deltas: Vec<Delta>,
    /// What the change does to the clock, in one sentence.
    pub clock: Option<String>,
    /// What the host measured of each of its sources.
    #[serde(default)]
    pub sources: Vec<SourceReport>,
    /// What the time service says of itself.
    pub daemon: Option<DaemonReport>,
    /// Reasons found; filled by `doctor`.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Things worth a second look that are no failure.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
    /// Scripts run on the host.
    pub executions: usize,
    /// How long the host took.
    pub seconds: f64,
    /// Where the host stands in the inventory, and by what it is known again that it did not end as it should.
    #[serde(flatten)]
    pub mark: Mark,
}

impl HostReport {
    /// A report that says nothing of a host yet.
    pub fn blank(name: &str, address: &str, role: Role) -> Self {
        HostReport {
            name: name.to_owned(),
            address: address.to_owned(),
            addresses: Vec::new(),
            os: None,
            role,
            tier: 0,
            follows: Vec::new(),
            provider: None,
            status: Status::Unchanged,
            limit_s: None,
            deltas: Vec::new(),
            clock: None,
            sources: Vec::new(),
            daemon: None,
            findings: Vec::new(),
            warnings: Vec::new(),
            error: None,
            executions: 0,
            seconds: 0.0,
            mark: Mark::default(),
        }
    }
}
