//! Windows hosts for themselves: the service, whom it is told to ask, and what holds it back.

use super::{Find, ROW, Rule, Severity};
use crate::doctor::{Patient, Seen, windows};
use crate::facts::registry::Value;
use crate::facts::windows::{POLICY, RUNNING, W32TIME, WindowsFacts, service_state};
use crate::facts::windows_others::{self, Rival};
use crate::inventory::spec::DomainTime;
use crate::provider::w32time;
use crate::text::number::signed;

/// `Start` of a service (winsvc.h).
const AUTOMATIC: u32 = 2;
const DISABLED: u32 = 4;

/// `MaxPosPhaseCorrection` that corrects everything.
const NO_LIMIT: u32 = u32::MAX;

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC104",
        title: "The Windows Time service is not registered",
        cause: "`w32time` does not exist on {host}: somebody has run w32tm /unregister, or its keys of the registry are gone.",
        fix: "on {host}: w32tm /register, and after a restart of {host} if that is refused; then fleetclock apply -l {host}",
        silences: true,
        find: Find::Windows(unregistered),
        ..ROW
    },
    Rule {
        code: "FC105",
        title: "Another time service runs on Windows",
        cause: "The service `{service}` ({program}) runs on {host}: it moves the clock, as `w32time` does.",
        fix: "fleetclock apply -l {host}, or on {host}: sc config {service} start= demand & net stop {service}, and net start w32time",
        configuration: true,
        find: Find::Windows(rivals),
        ..ROW
    },
    Rule {
        code: "FC116",
        severity: Severity::Warning,
        title: "The tools of a hypervisor set the clock of the Windows host",
        cause: "{program} of {host} sets the clock by that of the machine below: two writers move one clock.",
        fix: "on {host}: {remedy}",
        find: Find::Windows(tools),
        ..ROW
    },
    Rule {
        code: "FC101",
        title: "The Windows Time service is disabled",
        cause: "Somebody has forbidden `w32time` to start on {host}.",
        fix: "fleetclock apply -l {host}, or on {host}: sc config w32time start= auto & net start w32time",
        silences: true,
        configuration: true,
        find: Find::Windows(disabled),
        ..ROW
    },
    Rule {
        code: "FC102",
        title: "The Windows Time service is stopped",
        cause: "`w32time` on {host} was stopped, or {reason}.",
        fix: "fleetclock apply -l {host}, or on {host}: {command}",
        silences: true,
        configuration: true,
        find: Find::Windows(stopped),
        ..ROW
    },
    Rule {
        code: "FC103",
        severity: Severity::Warning,
        title: "The Windows Time service does not survive the next boot",
        cause: "`w32time` on {host} runs now, and after the next boot {reason}.",
        fix: "fleetclock apply -l {host}, or on {host}: {command}",
        configuration: true,
        find: Find::Windows(not_at_boot),
        ..ROW
    },
    Rule {
        code: "FC110",
        title: "A policy overrides the time service",
        cause: "A policy sets {name} of {host} to `{value}`, and the inventory asks for `{wanted}`; what `w32tm /config` writes does not count.",
        fix: "take the setting out of the group policy that gives it to {host} (gpresult /r /scope computer); then on {host}: gpupdate /target:computer & w32tm /config /update",
        silences: true,
        find: Find::Windows(policy),
        ..ROW
    },
    Rule {
        code: "FC111",
        title: "The Windows Time service is not told to ask anybody",
        cause: "{name} of {host} is `{value}`: `w32time` does not ask the sources of the inventory.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Windows(not_asking),
        ..ROW
    },
    Rule {
        code: "FC112",
        title: "The Windows Time service is told other sources",
        cause: "{host} is told to ask `{value}`, and the inventory names `{wanted}`.",
        fix: "fleetclock apply -l {host}, or on {host}: w32tm /config /manualpeerlist:\"{wanted}\" /syncfromflags:manual /update",
        configuration: true,
        find: Find::Windows(other_sources),
        ..ROW
    },
    Rule {
        code: "FC113",
        title: "The clock is too far off for W32Time",
        cause: "The clock of {host} is off by {offset}, and {name} lets `w32time` correct {limit} s at most.",
        fix: "fleetclock apply -l {host} --allow-step {host}, or on {host}: reg add {key} /v {name} /t REG_DWORD /d 4294967295 /f & w32tm /config /update & w32tm /resync (the clock will jump); then fleetclock apply -l {host}",
        configuration: true,
        find: Find::Windows(too_far),
        ..ROW
    },
    Rule {
        code: "FC114",
        severity: Severity::Warning,
        title: "The hypervisor sets the clock too",
        cause: "VMICTimeProvider of {host} is on: two writers move one clock.",
        fix: "fleetclock apply -l {host}, or on {host}: reg add {key} /v Enabled /t REG_DWORD /d 0 /f & net stop w32time & net start w32time",
        configuration: true,
        find: Find::Windows(hypervisor),
        ..ROW
    },
    Rule {
        code: "FC115",
        severity: Severity::Warning,
        title: "The poll interval of W32Time cannot hold the limit",
        cause: "`w32time` on {host} may ask only every {interval} s, in which a clock drifts by up to {drift} s; the limit is {limit} s.",
        fix: "fleetclock apply -l {host} with a smaller `maxpoll`, or on {host}: reg add {key} /v MaxPollInterval /t REG_DWORD /d {maxpoll} /f & w32tm /config /update",
        find: Find::Windows(polls_seldom),
        ..ROW
    },
    OWN_CLOCK,
];

/// Found when no other rule explains a Windows host that follows nobody.
pub(in crate::doctor) const OWN_CLOCK: Rule = Rule {
    code: "FC190",
    title: "The Windows host follows its own clock",
    cause: "`w32time` on {host} runs, follows no source of the inventory, and none of the known causes fits.",
    fix: "on {host}: w32tm /config /update & w32tm /resync /rediscover; if that does not help: net stop w32time & net start w32time",
    ..ROW
};

/// A value as the service takes it: that of the policy, else its own.
fn setting<'a>(facts: &'a WindowsFacts, key: &str, name: &str) -> Option<&'a Value> {
    facts.registry.value(&format!("{POLICY}\\{key}"), name).or_else(|| own(facts, key, name))
}

fn own<'a>(facts: &'a WindowsFacts, key: &str, name: &str) -> Option<&'a Value> {
    facts.registry.value(&format!("{W32TIME}\\{key}"), name)
}

/// A number as the service takes it.
pub(super) fn number(facts: &WindowsFacts, key: &str, name: &str) -> Option<u32> {
    match setting(facts, key, name)? {
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

fn text(facts: &WindowsFacts, key: &str, name: &str) -> String {
    setting(facts, key, name).map(ToString::to_string).unwrap_or_default()
}

/// Something seen in one value of the registry.
pub(super) fn in_registry(host: &Patient<'_>, key: &str, name: &str, seen: String) -> Seen {
    let key = format!("{W32TIME}{}{key}", if key.is_empty() { "" } else { "\\" });
    let command = format!("reg query {key} /v {name}");
    Seen { about: command.clone(), command, ..host.seen("w32time", seen) }
        .with("key", key)
        .with("name", name.to_owned())
}

fn start(facts: &WindowsFacts) -> u32 {
    facts.registry.number(W32TIME, "Start").unwrap_or(0)
}

/// Why the service does not start at boot, and what makes it start, if that is so.
fn boot(facts: &WindowsFacts) -> Option<(&'static str, &'static str)> {
    if facts.trigger_start && !facts.domain_member {
        let why = "its triggers stop it, because the host is in no domain";
        return Some((why, "sc triggerinfo w32time delete & sc config w32time start= auto & net start w32time"));
    }
    let why = "it does not start by itself";
    (start(facts) != AUTOMATIC && !facts.trigger_start)
        .then_some((why, "sc config w32time start= auto & net start w32time"))
}

/// `Start` and triggers, for people.
fn how_it_starts(facts: &WindowsFacts) -> String {
    let triggers = if facts.trigger_start { ", by triggers" } else { "" };
    let domain = if facts.domain_member { "in a domain" } else { "in no domain" };
    format!("Start {}{triggers}, {domain}", start(facts))
}

/// Neither the service manager nor the registry knows it.
fn is_registered(host: &Patient<'_>, facts: &WindowsFacts) -> bool {
    service_state(host.evidence.text("service")).is_some() || facts.registry.value(W32TIME, "Start").is_some()
}

fn unregistered(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    let seen = || host.seen("service", "there is no such service, and no such key in the registry");
    if is_registered(host, facts) { Vec::new() } else { vec![seen()] }
}

/// Whether a service beside W32Time runs.
fn runs(host: &Patient<'_>, service: &str) -> bool {
    service_state(windows_others::state_of(host.evidence.text(windows::RIVALS), service)) == Some(RUNNING)
}

fn rivals(host: &Patient<'_>, _: &WindowsFacts) -> Vec<Seen> {
    let seen = |rival: &Rival| {
        let command = format!("sc query {}", rival.service);
        let seen = host.seen(windows::RIVALS, format!("{} is in state {RUNNING} (running)", rival.service));
        Seen { about: command.clone(), command, ..seen }.with("service", rival.service).with("program", rival.program)
    };
    windows_others::RIVALS.iter().filter(|rival| runs(host, rival.service)).map(seen).collect()
}

/// Two writers fight only where W32Time writes.
fn tools(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    if !facts.running {
        return Vec::new();
    }
    let says_so = host.evidence.parts.get(windows::VMWARE).is_some_and(|slice| slice.status == 0);
    let vmware = windows_others::has(&facts.registry, windows_others::VMWARE) && says_so;
    let seen = vmware.then(|| {
        host.seen(windows::VMWARE, "exit code 0: the tools synchronise the time")
            .with("program", "VMware Tools")
            .with("remedy", "\"C:\\Program Files\\VMware\\VMware Tools\\VMwareToolboxCmd.exe\" timesync disable")
    });
    let virtualbox = windows_others::virtualbox_sets(&facts.registry) && runs(host, windows_others::VIRTUALBOX);
    let command = format!("reg query {}\\{} /v ImagePath", windows_others::SERVICES, windows_others::VIRTUALBOX);
    let other = virtualbox.then(|| {
        let seen = host.seen("others", "VBoxService runs, and its ImagePath is without --disable-timesync");
        Seen { about: command.clone(), command, ..seen }
            .with("program", "VBoxService (VirtualBox)")
            .with("remedy", "put --disable-timesync behind the program in ImagePath of VBoxService, and start it anew")
    });
    seen.into_iter().chain(other).collect()
}

fn disabled(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    let seen = || in_registry(host, "", "Start", format!("Start {DISABLED}, and it does not run"));
    if !facts.running && start(facts) == DISABLED { vec![seen()] } else { Vec::new() }
}

fn stopped(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    if facts.running || start(facts) == DISABLED || !is_registered(host, facts) {
        return Vec::new();
    }
    let (reason, command) = boot(facts).unwrap_or(("never started", "net start w32time"));
    let seen = host.seen("service", format!("it does not run; {}", how_it_starts(facts)));
    vec![seen.with("reason", reason).with("command", command)]
}

fn not_at_boot(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    let Some((reason, command)) = boot(facts).filter(|_| facts.running) else { return Vec::new() };
    let seen = in_registry(host, "", "Start", how_it_starts(facts));
    vec![seen.with("reason", reason).with("command", command.trim_end_matches(" & net start w32time"))]
}

/// The values that decide whether a host asks and serves, with what they have to be.
fn decisive(host: &Patient<'_>) -> Vec<(&'static str, &'static str, String)> {
    let layout = w32time::layout(host.spec);
    let serves = host.spec.role == crate::inventory::spec::Role::Master;
    let asks = !host.spec.time.sources.is_empty();
    let mut all = Vec::new();
    if asks {
        all.push(("Parameters", "Type", layout.sync_type.to_owned()));
        all.push(("Parameters", "NtpServer", layout.peers));
        all.push(("TimeProviders\\NtpClient", "Enabled", "1".to_owned()));
    }
    if serves {
        all.push(("TimeProviders\\NtpServer", "Enabled", "1".to_owned()));
        if layout.announce == 5 {
            all.push(("Config", "AnnounceFlags", layout.announce.to_string()));
        }
    }
    all
}

fn policy(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    let seen = |(key, name, wanted): (&'static str, &'static str, String)| {
        let value = facts.registry.value(&format!("{POLICY}\\{key}"), name)?.to_string();
        let mut seen = in_registry(host, key, name, format!("{POLICY}\\{key} {name} is `{value}`"));
        seen.command = format!("reg query {POLICY}\\{key} /v {name}");
        seen.about.clone_from(&seen.command);
        (value != wanted).then(|| seen.with("value", value).with("wanted", wanted))
    };
    decisive(host).into_iter().filter_map(seen).collect()
}

/// Whether a policy has the say about a value; then the policy is the cause.
pub(super) fn by_policy(facts: &WindowsFacts, key: &str, name: &str) -> bool {
    facts.registry.value(&format!("{POLICY}\\{key}"), name).is_some()
}

fn not_asking(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    if !facts.running || host.spec.time.sources.is_empty() {
        return Vec::new();
    }
    let (kind, enabled) = (text(facts, "Parameters", "Type"), text(facts, "TimeProviders\\NtpClient", "Enabled"));
    let asks = matches!(kind.to_ascii_uppercase().as_str(), "NTP" | "ALLSYNC");
    let (key, name, value) = match (asks, enabled.as_str()) {
        (false, _) => ("Parameters", "Type", kind),
        (true, "0") => ("TimeProviders\\NtpClient", "Enabled", enabled),
        _ => return Vec::new(),
    };
    let name_shown = if key == "Parameters" { "Type" } else { "NtpClient\\Enabled" };
    let mut seen = in_registry(host, key, name, format!("{name_shown} is `{value}`"));
    seen.values.retain(|(known, _)| *known != "name");
    let seen = seen.with("name", name_shown).with("value", value).with("remedy", remedy(host, facts, name));
    let seen = seen.beyond_apply(is_of_domain(host, facts));
    if by_policy(facts, key, name) { Vec::new() } else { vec![seen] }
}

/// Whether the domain gives the host its time, and the inventory does not say to replace that.
fn is_of_domain(host: &Patient<'_>, facts: &WindowsFacts) -> bool {
    w32time::refusal(host.spec, facts).is_some() && host.spec.domain_time != DomainTime::Replace
}

fn remedy(host: &Patient<'_>, facts: &WindowsFacts, name: &str) -> String {
    let host_name = host.name();
    if is_of_domain(host, facts) {
        return format!(
            "`domain_time: replace` for {host_name} in the inventory, and fleetclock apply -l {host_name}; or leave its time to the domain and take it out"
        );
    }
    if name == "Enabled" {
        return format!(
            "fleetclock apply -l {host_name}, or on {host_name}: reg add {W32TIME}\\TimeProviders\\NtpClient /v Enabled /t REG_DWORD /d 1 /f & net stop w32time & net start w32time"
        );
    }
    format!("fleetclock apply -l {host_name}, or on {host_name}: w32tm /config /syncfromflags:manual /update")
}

/// The names of a list of sources, without their flags.
fn names(list: &str) -> Vec<String> {
    let name = |entry: &str| entry.split(',').next().unwrap_or_default().to_ascii_lowercase();
    let mut all: Vec<String> = list.split_whitespace().map(name).collect();
    all.sort();
    all
}

fn other_sources(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    let (value, wanted) = (text(facts, "Parameters", "NtpServer"), w32time::layout(host.spec).peers);
    let asks = facts.running && !wanted.is_empty() && not_asking(host, facts).is_empty();
    if !asks || by_policy(facts, "Parameters", "NtpServer") || names(&value) == names(&wanted) {
        return Vec::new();
    }
    let seen = in_registry(host, "Parameters", "NtpServer", format!("NtpServer is `{value}`"));
    vec![seen.with("value", value).with("wanted", wanted)]
}

/// The nearest source counts: it is the one that could be followed.
fn too_far(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    let usable = host.evidence.answers.iter().filter(|answer| answer.usable());
    let Some(nearest) = usable.filter_map(|answer| answer.offset_ns).min_by_key(|offset| offset.saturating_abs())
    else {
        return Vec::new();
    };
    let name = if nearest >= 0 { "MaxPosPhaseCorrection" } else { "MaxNegPhaseCorrection" };
    let limit = number(facts, "Config", name).unwrap_or(w32time::LARGEST_CORRECTION_S);
    let offset = nearest as f64 / 1e9;
    if !facts.running || limit == NO_LIMIT || offset.abs() <= f64::from(limit) {
        return Vec::new();
    }
    let seen = in_registry(
        host,
        "Config",
        name,
        format!("{name} is {limit}; the nearest source is ahead by {}", signed(offset)),
    );
    vec![seen.with("offset", signed(offset)).with("limit", limit.to_string())]
}

fn hypervisor(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    let wanted = host.spec.by_hypervisor();
    let key = "TimeProviders\\VMICTimeProvider";
    let seen = || in_registry(host, key, "Enabled", "VMICTimeProvider\\Enabled is 1".to_owned());
    if facts.hypervisor_time && !wanted { vec![seen()] } else { Vec::new() }
}

/// Worst drift of a clock that nobody corrects, seconds per second (RFC 5905, PHI).
const DRIFT: f64 = 15e-6;

fn polls_seldom(host: &Patient<'_>, facts: &WindowsFacts) -> Vec<Seen> {
    let limit = host.spec.limits.max_error.as_secs_f64();
    let Some(exponent) = number(facts, "Config", "MaxPollInterval") else { return Vec::new() };
    let interval = f64::from(exponent).exp2();
    if host.spec.time.sources.is_empty() || interval * DRIFT <= limit {
        return Vec::new();
    }
    let seen = in_registry(host, "Config", "MaxPollInterval", format!("MaxPollInterval is {exponent} (log2 s)"));
    let seen = seen.with("interval", format!("{interval:.0}")).with("drift", format!("{:.3}", interval * DRIFT));
    vec![seen.with("limit", format!("{limit}")).with("maxpoll", format!("{:.0}", (limit / DRIFT).log2().floor()))]
}
