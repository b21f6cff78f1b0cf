//! The evidence of a Windows host: fixed commands, whose numbers and registry values are read, and
//! none of whose words, which are in the language of the system.

use std::collections::BTreeMap;

use super::Evidence;
use super::asks::Ask;
use super::record::Parts;
use crate::facts::registry::Registry;
use crate::facts::windows::{self as facts, W32TIME, WindowsFacts};
use crate::facts::windows_others;
use crate::inventory::HostSpec;
use crate::ntp::{powershell, stripchart};
use crate::provider::Provider;
use crate::provider::w32time::W32Time;

/// What `w32tm` says of the service.
const STATUS: &str = "w32tm";

/// The state of the other time services that are known, and of what else moves the clock.
pub(super) const RIVALS: &str = "rivals";

/// What runs have noted on the host.
const RUNS: &str = "runs";

/// What VMware's tools say of the clock.
pub(super) const VMWARE: &str = "vmware";

/// What the sources answered to PowerShell.
pub const PROBE: &str = "exchange";

/// What the host answered itself.
const ITSELF: &str = "itself";

/// Begins the parts that measure one source without PowerShell.
const CHART: &str = "stripchart-";

/// No firewall is between a host and its loopback address.
const LOOPBACK: &str = "127.0.0.1";

/// Good answers of each source, questions at most, and how long one may take, milliseconds.
const SAMPLES: (u32, u32, u32) = (1, 3, 1000);

/// Returns the questions for a host.
pub fn asks(spec: &HostSpec) -> Vec<Ask> {
    let ask = |name: &str, body: String| Ask { name: name.to_owned(), shown: shown(name), body };
    let mut asks: Vec<Ask> = facts::queries().into_iter().map(|(name, command)| ask(name, command)).collect();
    asks.push(ask(STATUS, W32Time.status().to_owned()));
    let sources: Vec<&str> = spec.time.addresses().collect();
    if !sources.is_empty() {
        asks.push(ask(PROBE, powershell::command(&sources, SAMPLES.0, SAMPLES.1, SAMPLES.2)));
    }
    asks.push(ask(RUNS, facts::query_runs()));
    asks.push(ask(RIVALS, windows_others::query_states()));
    asks.push(ask(VMWARE, windows_others::ASK_VMWARE.to_owned()));
    asks.push(ask(ITSELF, powershell::command(&[LOOPBACK], SAMPLES.0, 2, SAMPLES.2)));
    asks
}

/// Returns the questions about sources that PowerShell did not measure.
pub fn charts(spec: &HostSpec, parts: &Parts) -> Vec<Ask> {
    let printed = parts.get(PROBE).map_or("", |slice| slice.stdout.as_str());
    let ask = |address: String| Ask {
        name: format!("{CHART}{address}"),
        shown: stripchart::command(&address, 2),
        body: stripchart::command(&address, 2),
    };
    powershell::unmeasured(spec.time.addresses(), &powershell::parse(printed)).into_iter().map(ask).collect()
}

/// Returns the command of a part as a finding shows it; names of Linux parts are known too,
/// because rules about a client hold for both.
pub fn shown(part: &str) -> String {
    let command = match part {
        "service" => "sc query w32time",
        "w32time" => return format!("reg query {W32TIME} /s"),
        "policy" => return format!("reg query {} /s", facts::POLICY),
        "firewall-policy" => "reg query HKLM\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall /s",
        "rules" | "firewalld" | "filter" => "netsh advfirewall firewall show rule name=all dir=in",
        STATUS | "status" => "w32tm /query /status /verbose",
        PROBE | "probe" => "fleetclock's own NTP probe, on the host (w32tm /stripchart /computer:SOURCE asks alike)",
        ITSELF => "fleetclock's own NTP probe, on the host (w32tm /stripchart /computer:127.0.0.1 asks alike)",
        VMWARE => "VMwareToolboxCmd.exe timesync status",
        "config" => return format!("reg query {W32TIME}\\Parameters /v NtpServer"),
        "names" => "nslookup NAME",
        "routes" => "route print",
        other => other,
    };
    command.to_owned()
}

/// Reads the facts, if the parts are those of a Windows host.
pub(super) fn facts(parts: &Parts) -> Option<WindowsFacts> {
    parts.get("w32time")?;
    let answer = |(name, command): (&str, String)| (command, parts.get(name).cloned().unwrap_or_default());
    let answers: BTreeMap<_, _> = facts::queries().into_iter().map(answer).collect();
    Some(facts::parse(&answers))
}

/// What the values of the registry hold that have ever held a secret.
pub(super) fn old_secrets(parts: &Parts) -> Vec<String> {
    let printed: String = parts.values().map(|slice| format!("{}\n", slice.stdout)).collect();
    facts::old_secrets(&Registry::parse(&printed))
}

/// Reads what only a Windows host has.
pub(super) fn complete(evidence: &mut Evidence) {
    if evidence.windows().is_none() {
        return;
    }
    "w32time".clone_into(&mut evidence.unit);
    evidence.service = Some(&W32Time);
    evidence.daemon = evidence.parts.get(STATUS).and_then(|slice| W32Time.parse_status(slice).ok());
    let peers = evidence.daemon.iter().flat_map(|daemon| &daemon.peers);
    evidence.peers = peers.cloned().collect();
    evidence.answers = powershell::parse(evidence.text(PROBE));
    let chart = |(name, slice): (&String, &crate::model::Slice)| {
        Some(stripchart::parse(name.strip_prefix(CHART)?, &slice.stdout))
    };
    let charts: Vec<_> = evidence.parts.iter().filter_map(chart).collect();
    evidence.answers.extend(charts);
    evidence.itself = powershell::parse(evidence.text(ITSELF)).into_iter().next();
}
