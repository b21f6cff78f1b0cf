//! The time service of a host, and those that stand in its way.

use super::{Find, ROW, Rule, Severity};
use crate::doctor::evidence::Unit;
use crate::doctor::{Patient, Seen};
use crate::provider::{self, Peer};

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC001",
        title: "No time service is installed",
        cause: "Nothing on {host} keeps its clock right.",
        fix: "fleetclock apply -l {host}",
        silences: true,
        configuration: true,
        find: Find::Host(not_installed),
        ..ROW
    },
    Rule {
        code: "FC002",
        title: "The time service is masked",
        cause: "Somebody has forbidden `{unit}` to start on {host}.",
        fix: "on {host}: systemctl unmask {unit} && systemctl enable {unit} && systemctl start {unit}",
        silences: true,
        configuration: true,
        find: Find::Host(masked),
        ..ROW
    },
    Rule {
        code: "FC003",
        title: "The time service has crashed",
        cause: "`{unit}` on {host} was started and ended by itself.",
        fix: "on {host}: put right what the last lines name, then systemctl restart {unit}",
        silences: true,
        configuration: true,
        find: Find::Host(crashed),
        ..ROW
    },
    Rule {
        code: "FC004",
        title: "The time service is stopped",
        cause: "`{unit}` on {host} was stopped, or never started.",
        fix: "on {host}: systemctl enable {unit} && systemctl start {unit}",
        silences: true,
        configuration: true,
        find: Find::Host(stopped),
        ..ROW
    },
    Rule {
        code: "FC012",
        title: "Another time service runs instead",
        cause: "`{other}` runs on {host}, and `{unit}`, which the inventory wants, does not.",
        fix: "on {host}: systemctl disable {other}; systemctl stop {other}; systemctl enable {unit} && systemctl start {unit}",
        silences: true,
        configuration: true,
        find: Find::Host(instead),
        ..ROW
    },
    Rule {
        code: "FC005",
        severity: Severity::Warning,
        title: "The time service does not start at boot",
        cause: "`{unit}` runs now, and will not after the next boot of {host}.",
        fix: "on {host}: systemctl enable {unit}",
        configuration: true,
        find: Find::Host(not_enabled),
        ..ROW
    },
    Rule {
        code: "FC006",
        title: "Two time services fight over one clock",
        cause: "`{other}` runs on {host} beside `{unit}`, and each takes back what the other does.",
        fix: "on {host}: systemctl disable {other}; systemctl stop {other}",
        configuration: true,
        find: Find::Host(fight),
        ..ROW
    },
    Rule {
        code: "FC007",
        title: "A program sets the clock from time to time",
        cause: "A job on {host} (timed, at boot, or when an interface comes up) makes the clock jump behind the back of `{unit}`.",
        fix: "on {host}: remove the line from {file}",
        find: Find::Host(timed),
        ..ROW
    },
    Rule {
        code: "FC008",
        severity: Severity::Warning,
        title: "DHCP adds time servers",
        cause: "The DHCP server of {host}'s network has named `{server}`, and `{unit}` has taken it.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Host(dhcp),
        ..ROW
    },
    Rule {
        code: "FC009",
        title: "The configuration on disk is not the one that runs",
        cause: "{config} on {host} was changed after `{unit}` had read it.",
        fix: "on {host}: systemctl restart {unit}",
        find: Find::Host(not_loaded),
        ..ROW
    },
    Rule {
        code: "FC010",
        title: "The configuration does not name the source",
        cause: "{config} on {host} does not name `{source}`, which the inventory does.",
        fix: "fleetclock apply -l {host}",
        configuration: true,
        find: Find::Host(not_named),
        ..ROW
    },
    Rule {
        code: "FC014",
        title: "The service follows a source that the inventory does not name",
        cause: "`{unit}` on {host} follows {other}, and the inventory does not name it.",
        fix: "fleetclock apply -l {host}, or name {other} in the inventory",
        configuration: true,
        find: Find::Host(follows_another),
        ..ROW
    },
    Rule {
        code: "FC011",
        severity: Severity::Warning,
        title: "Another time service starts at boot",
        cause: "`{other}` does not run on {host} now, and will beside `{unit}` after the next boot.",
        fix: "on {host}: systemctl disable {other}",
        configuration: true,
        find: Find::Host(fights_at_boot),
        ..ROW
    },
];

fn not_installed(host: &Patient<'_>) -> Vec<Seen> {
    let there = !host.evidence.unit.is_empty();
    if there { Vec::new() } else { vec![host.seen("service", nobody(host))] }
}

/// In the names of those that were looked for.
fn nobody(host: &Patient<'_>) -> String {
    let all: Vec<&str> = provider::unnamed().map(|provider| provider.name()).collect();
    match (host.spec.provider.named(), all.as_slice()) {
        (Some(service), _) => format!("{} is not there", service.name),
        (None, [one, two]) => format!("neither {one} nor {two} is there"),
        (None, all) => format!("none of {} is there", all.join(", ")),
    }
}

/// Returns what is wrong with the unit when `holds` says so.
fn own(host: &Patient<'_>, holds: impl Fn(&Unit) -> bool) -> Vec<Seen> {
    let Some(unit) = host.evidence.own().filter(|unit| holds(unit)) else { return Vec::new() };
    let text = format!("{} is {} ({}), {}", host.evidence.unit, unit.active, unit.sub, unit.file);
    vec![host.seen("units", text)]
}

fn is_masked(unit: &Unit) -> bool {
    unit.load == "masked" || unit.file.starts_with("masked")
}

pub(super) fn has_crashed(unit: &Unit) -> bool {
    unit.active == "failed" || unit.sub == "auto-restart"
}

fn masked(host: &Patient<'_>) -> Vec<Seen> {
    own(host, is_masked)
}

fn crashed(host: &Patient<'_>) -> Vec<Seen> {
    let panicked = super::clock::panicked(host).is_some();
    let denied = super::machine::denial(host).is_some();
    let mut seen = own(host, |unit| has_crashed(unit) && !is_masked(unit) && !panicked && !denied);
    for seen in &mut seen {
        let refused = host.evidence.text("refused");
        let (part, why) =
            if refused.is_empty() { ("journal", last_words(host)) } else { ("refused", refused.to_owned()) };
        let result = host.evidence.own().map(|unit| format!("{}, status {}", unit.result, unit.status));
        seen.evidence = format!("{} ({}): {why}", seen.evidence, result.unwrap_or_default());
        seen.command = host.evidence.shown(part);
    }
    seen
}

/// The step of its start that systemd could not do, else the last line of the service itself.
/// The other lines of systemd only say that it has gone.
fn last_words(host: &Patient<'_>) -> String {
    let complaints = host.evidence.text("complaints");
    let steps =
        ["Failed at step", "Failed to determine", "Failed to load environment", "Failed to set up", "Failed to open"];
    let of_step = |line: &&str| steps.iter().any(|step| line.contains(step));
    if let Some(line) = complaints.lines().rfind(of_step) {
        return line.to_owned();
    }
    let of_systemd = |line: &str| line.contains(".service") || line.starts_with("Start") || line.starts_with("Stopp");
    // What the service said when it ended the time before is not why it ended now.
    let ended = |line: &str| line.contains("exiting");
    let own = |line: &&str| !of_systemd(line) && !ended(line);
    let mut journal = host.evidence.text("journal").lines();
    let killed = |line: &&str| line.contains("status=") || line.contains("code=");
    let last = complaints.lines().rfind(own).or_else(|| journal.clone().rfind(own)).or_else(|| journal.rfind(killed));
    last.unwrap_or("no last words in the journal").to_owned()
}

fn is_stopped(unit: &Unit) -> bool {
    !is_masked(unit) && !has_crashed(unit) && unit.active != "active"
}

fn stopped(host: &Patient<'_>) -> Vec<Seen> {
    let alone = others(host, |unit| unit.active == "active").next().is_none();
    let unmet = super::unit::condition(host).is_some();
    own(host, |unit| is_stopped(unit) && alone && !unmet && super::clock::panicked(host).is_none())
}

fn instead(host: &Patient<'_>) -> Vec<Seen> {
    let Some(other) = others(host, |unit| unit.active == "active").next() else { return Vec::new() };
    let seen = own(host, is_stopped).into_iter();
    seen.map(|mut seen| {
        seen.evidence.push_str(&format!("; {other} is active"));
        seen.with("other", other.as_str())
    })
    .collect()
}

/// What is enabled or linked below /run is gone after the next boot.
fn is_gone_at_boot(file: &str) -> bool {
    matches!(file, "disabled" | "linked" | "linked-runtime" | "enabled-runtime")
}

fn not_enabled(host: &Patient<'_>) -> Vec<Seen> {
    own(host, |unit| unit.active == "active" && !is_masked(unit) && is_gone_at_boot(&unit.file))
}

/// The units that are not the service's own, by any of its names.
fn others<'a>(host: &'a Patient<'_>, holds: impl Fn(&Unit) -> bool + 'a) -> impl Iterator<Item = &'a String> {
    let own = |name: &str| name.trim_end_matches('d') == host.evidence.unit.trim_end_matches('d');
    let units = host.evidence.units.iter().filter(move |(name, unit)| !own(name) && holds(unit));
    units.map(|(name, _)| name)
}

fn fight(host: &Patient<'_>) -> Vec<Seen> {
    if !host.evidence.runs() {
        return Vec::new();
    }
    let by_unit = others(host, |unit| unit.active == "active").map(|other| {
        host.seen("units", format!("{other} is active, {} too", host.evidence.unit)).with("other", other.as_str())
    });
    by_unit.chain(by_hand(host)).collect()
}

/// A daemon that runs outside every unit that is known.
fn by_hand<'a>(host: &'a Patient<'_>) -> impl Iterator<Item = Seen> + 'a {
    let known = |group: &str| host.evidence.units.contains_key(group.trim_end_matches(".service"));
    let strays =
        host.evidence.processes.iter().filter(move |process| !process.group.is_empty() && !known(&process.group));
    strays.map(|process| {
        let text = format!("process {} is {}, in {}", process.id, process.name, process.group);
        host.seen("processes", text).with("other", process.group.trim_end_matches(".service")).beyond_apply(true)
    })
}

fn fights_at_boot(host: &Patient<'_>) -> Vec<Seen> {
    if host.evidence.unit.is_empty() {
        return Vec::new();
    }
    let enabled = others(host, |unit| unit.active != "active" && unit.file == "enabled" && unit.load == "loaded");
    enabled.map(|other| host.seen("units", format!("{other} is enabled")).with("other", other.as_str())).collect()
}

fn timed(host: &Patient<'_>) -> Vec<Seen> {
    let lines = host.evidence.text("cron").lines().filter_map(|line| line.split_once(':'));
    lines.map(|(file, line)| host.seen("cron", format!("{file}: {}", line.trim())).with("file", file)).collect()
}

fn dhcp(host: &Patient<'_>) -> Vec<Seen> {
    // A file that has taken the place of the own one is FC030.
    if super::unit::other_file(host).iter().any(|seen| seen.fill("{other}").ends_with(".dhcp")) {
        return Vec::new();
    }
    let named = |server: &str| host.spec.time.sources.iter().any(|source| source.address == server);
    let loaded = |server: &str| host.evidence.peers.iter().any(|peer| peer.address == server);
    let lines = host.evidence.text("dhcp").lines().filter_map(|line| line.split_once(' '));
    let taken = lines.filter(|(server, _)| loaded(server) && !named(server));
    let remedy = keep_out_dhcp(host);
    taken
        .map(|(server, file)| {
            host.seen("dhcp", format!("{file} names {server}, and {} asks it", host.evidence.unit))
                .with("server", server)
                .with("remedy", remedy.as_str())
        })
        .collect()
}

fn keep_out_dhcp(host: &Patient<'_>) -> String {
    let (name, evidence) = (host.name(), host.evidence);
    if let Some(way) = evidence.service.and_then(|service| service.without_dhcp()) {
        return format!("on {name}: {way}, or name the server in the inventory");
    }
    let line = evidence.config.value("sourcedir").map_or("the DHCP file".to_owned(), |dir| format!("sourcedir {dir}"));
    let (config, unit) = (&evidence.file, &evidence.unit);
    format!("on {name}: remove `{line}` from {config} and restart {unit}, or name the server in the inventory")
}

/// The sources that the service has selected, that the inventory does not name and DHCP has not.
/// A pool may stand for more addresses than its name had just now, and a name that stands for
/// none of the service's sources may have stood for one of them when it was started.
pub(super) fn strangers<'a>(host: &Patient<'a>) -> Vec<&'a Peer> {
    let evidence = host.evidence;
    let loaded = |address: &std::net::IpAddr| evidence.peers.iter().any(|peer| peer.address.parse() == Ok(*address));
    let moved = |name: &str| name.parse::<std::net::IpAddr>().is_err() && !evidence.stands_for(name).iter().any(loaded);
    if host.spec.time.sources.iter().any(|source| moved(&source.address)) {
        return Vec::new();
    }
    let from_dhcp = |address: &str| evidence.text("dhcp").lines().any(|line| line.split(' ').next() == Some(address));
    let named = |address: &str| {
        let is_it = |source: &crate::inventory::spec::Source| {
            source.pool || evidence.stands_for(&source.address).iter().any(|own| address.parse() == Ok(*own))
        };
        host.spec.time.sources.iter().any(is_it)
    };
    let selected = evidence.peers.iter().filter(|peer| peer.selected);
    let strange = selected.filter(|peer| peer.address.parse::<std::net::IpAddr>().is_ok_and(|a| !a.is_loopback()));
    strange.filter(|peer| !named(&peer.address) && !from_dhcp(&peer.address)).collect()
}

fn follows_another(host: &Patient<'_>) -> Vec<Seen> {
    let of_file = strangers(host).into_iter().filter(|peer| !super::runtime::is_added(host, peer));
    let seen = |peer: &Peer| {
        let text = format!("{} is marked {}", peer.address, peer.mark);
        host.seen("status", text).with("other", peer.address.as_str())
    };
    of_file.map(seen).collect()
}

fn not_loaded(host: &Patient<'_>) -> Vec<Seen> {
    let (Some(changed), Some(started)) = (host.evidence.changed, host.evidence.started) else { return Vec::new() };
    if !host.evidence.is_stale() {
        return Vec::new();
    }
    let text =
        format!("{} was changed {} s after {} was started", host.evidence.file, changed - started, host.evidence.unit);
    vec![host.seen("changed", text)]
}

/// A configuration that waits to be loaded is judged when it is.
fn not_named(host: &Patient<'_>) -> Vec<Seen> {
    let evidence = host.evidence;
    if evidence.unit.is_empty() || evidence.is_stale() || !super::unit::overruled(host).is_empty() {
        return Vec::new();
    }
    let missing = host.spec.time.sources.iter().filter(|source| evidence.config.source(&source.address).is_none());
    let text = match evidence.config.sources()[..] {
        [] => "no source is configured".to_owned(),
        ref some => format!("configured: {}", some.join(", ")),
    };
    missing.map(|source| host.seen("config", text.as_str()).with("source", source.address.as_str())).collect()
}
