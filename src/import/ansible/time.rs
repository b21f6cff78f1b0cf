//! The variables of roles for time that people use: linux-system-roles, geerlingguy, debops, those of chrony, and
//! the data of tasks for W32Time.

use ipnet::IpNet;

use super::servers::{Server, servers};
use super::view::View;
use crate::facts::services::Ability;
use crate::import::words::span;
use crate::yaml::out::Out;
use crate::yaml::tree::{At, Kind, Node};

/// What a variable says.
#[derive(Clone, Copy, PartialEq)]
enum Means {
    Servers,
    Pools,
    /// Networks that may ask.
    Allow,
    /// Seconds over which the clock may step; 0 is never, below 0 the usual.
    Threshold,
    /// `1.0 3`, as chrony has it.
    Makestep,
    Provider,
    /// Lines for the file of chrony.
    Extra,
    /// The stratum of a master that goes by its own clock.
    Stratum,
    /// Seconds that a source may be off, in a key of ours.
    Distance,
    /// How many sources have to agree; 1 is the usual.
    Least,
    /// Nothing that is ours: what is to be done anyway, time zones, what other variables are made of.
    Idle,
}

/// The variables by role, in the order of how much they are used.
const VARIABLES: &[(&str, Means)] = &[
    // linux-system-roles.timesync, redhat.rhel_system_roles, fedora.linux_system_roles
    ("timesync_ntp_servers", Means::Servers),
    ("timesync_step_threshold", Means::Threshold),
    ("timesync_max_distance", Means::Distance),
    ("timesync_min_sources", Means::Least),
    ("timesync_ntp_provider", Means::Provider),
    ("timesync_chrony_custom_settings", Means::Extra),
    // geerlingguy.ntp, kubespray, and those made after them
    ("ntp_servers", Means::Servers),
    ("ntp_server", Means::Servers),
    ("ntp_additional_servers", Means::Servers),
    ("ntp_pools", Means::Pools),
    ("ntp_pool", Means::Pools),
    ("ntp_daemon", Means::Provider),
    ("ntp_package", Means::Provider),
    ("ntp_allow_networks", Means::Allow),
    ("ntp_allow", Means::Allow),
    ("ntp_restrict", Means::Allow),
    ("ntp_enabled", Means::Idle),
    ("ntp_manage_config", Means::Idle),
    ("ntp_timezone", Means::Idle),
    ("ntp_area", Means::Idle),
    ("ntp_cron_handler_enabled", Means::Idle),
    // roles of chrony
    ("chrony_servers", Means::Servers),
    ("chrony_ntp_servers", Means::Servers),
    ("chrony_server", Means::Servers),
    ("chrony_pools", Means::Pools),
    ("chrony_ntp_pools", Means::Pools),
    ("chrony_pool", Means::Pools),
    ("chrony_allow", Means::Allow),
    ("chrony_allow_networks", Means::Allow),
    ("chrony_allowed_networks", Means::Allow),
    ("chrony_allowed_subnets", Means::Allow),
    ("chrony_allow_hosts", Means::Allow),
    ("chrony_makestep", Means::Makestep),
    ("chrony_local_stratum", Means::Stratum),
    ("chrony_extra_options", Means::Extra),
    ("chrony_extra_config", Means::Extra),
    // debops.ntp
    ("ntp__servers", Means::Servers),
    ("ntp__daemon", Means::Provider),
    ("ntp__allow", Means::Allow),
    ("ntp__ignore_ntpdate", Means::Idle),
    // Windows
    ("w32time_ntp_servers", Means::Servers),
    ("w32time_servers", Means::Servers),
    ("win_ntp_servers", Means::Servers),
    ("windows_ntp_servers", Means::Servers),
    ("windows_ntp_server", Means::Servers),
    ("win_ntp_server", Means::Servers),
];

/// Variables of time whose meaning is not known begin so.
const PREFIXES: &[&str] = &["timesync_", "ntp_", "chrony_", "w32time_"];

/// What the variables of a host say of time.
#[derive(Debug, Default)]
pub(super) struct Time {
    pub(super) servers: Vec<Server>,
    pub(super) allow: Vec<IpNet>,
    pub(super) stratum: Option<i64>,
    pub(super) of_sources: Vec<OfSources>,
}

/// What a variable says of all sources of a host: a key of ours, and what that asks of a time service.
#[derive(Debug)]
pub(super) struct OfSources {
    pub(super) at: At,
    pub(super) variable: String,
    pub(super) key: &'static str,
    pub(super) value: Out,
    pub(super) ability: Ability,
}

/// Reads all that is said of time. What is the same for masters and others is set at once.
pub(super) fn time(view: &mut View<'_>) -> Time {
    let mut time = Time::default();
    for (name, means) in VARIABLES {
        if *means != Means::Idle
            && let Some(node) = view.node(name)
        {
            one(view, &mut time, name, *means, &node);
        }
    }
    registry(view, &mut time);
    let mut seen: Vec<String> = Vec::new();
    time.servers.retain(|server| {
        !seen.contains(&server.address) && {
            seen.push(server.address.clone());
            true
        }
    });
    unknown(view);
    time
}

fn one(view: &mut View<'_>, time: &mut Time, name: &str, means: Means, node: &Node) {
    let text = node.scalar().unwrap_or_default();
    match means {
        Means::Servers => time.servers.extend(servers(node, false)),
        Means::Pools => time.servers.extend(servers(node, true)),
        Means::Allow => time.allow.extend(networks(view, name, node)),
        Means::Threshold => match text.parse::<f64>() {
            Ok(0.0) => view.set("", "step", Out::text("never")),
            Ok(seconds) if seconds > 0.0 => step(view, seconds, None),
            Ok(_) => {}
            Err(_) => view.notes.say(node.at, format!("`{name}`: `{text}` is no number of seconds; left out")),
        },
        Means::Makestep => makestep(view, name, node),
        Means::Provider => provider(view, name, node.at, &text),
        Means::Extra => extra(view, time, node),
        Means::Stratum => time.stratum = text.parse().ok().filter(|stratum| (1..=15).contains(stratum)),
        Means::Distance => {
            let length = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0).and_then(span).map(Out::text);
            of_sources(time, name, node.at, "max_distance", Ability::MaxDistance, length);
        }
        Means::Least => {
            let least = text.parse().ok().filter(|least| (2..=64).contains(least)).map(Out::Number);
            of_sources(time, name, node.at, "min_sources", Ability::MinSources, least);
        }
        Means::Idle => {}
    }
}

fn of_sources(time: &mut Time, name: &str, at: At, key: &'static str, ability: Ability, value: Option<Out>) {
    let variable = name.to_owned();
    time.of_sources.extend(value.map(|value| OfSources { at, variable, key, value, ability }));
}

/// `step: { over: .., first: .. }`; without a number of updates the usual three.
fn step(view: &mut View<'_>, seconds: f64, updates: Option<Out>) {
    let over = span(seconds).map(|over| ("over".to_owned(), Out::text(over)));
    let first = updates.map(|updates| ("first".to_owned(), updates));
    view.set("", "step", Out::Map(over.into_iter().chain(first).collect()));
}

/// `1.0 3`, `[1.0, 3]` or `{ threshold, limit }`.
fn makestep(view: &mut View<'_>, name: &str, node: &Node) {
    let words: Vec<String> = match &node.kind {
        Kind::List(list) => list.iter().filter_map(Node::scalar).collect(),
        Kind::Map(pairs) => pairs.iter().filter_map(|(_, node)| node.scalar()).collect(),
        _ => node.scalar().unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    };
    let numbers: Vec<f64> =
        words.iter().filter(|word| *word != "makestep").filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [over, limit] if over > 0.0 && limit < 0.0 => step(view, over, Some(Out::text("always"))),
        [over, limit] if over > 0.0 && (1.0..=1000.0).contains(&limit) => {
            step(view, over, Some(Out::Number(limit as i64)));
        }
        _ => view.notes.say(node.at, format!("`{name}` is not `SECONDS UPDATES`, as in `1.0 3`; left out")),
    }
}

fn provider(view: &mut View<'_>, name: &str, at: At, text: &str) {
    if view.host.is_windows() {
        return;
    }
    match text {
        "chrony" | "chronyd" => view.set("", "provider", Out::text("chrony")),
        "ntp" | "ntpd" | "ntpsec" => view.set("", "provider", Out::text("ntpd")),
        "timesyncd" | "systemd-timesyncd" => view.set("", "provider", Out::text("timesyncd")),
        "auto" | "" => {}
        other => {
            let text = format!(
                "`{name}: {other}` is no time service that is managed here: the active one is taken, else chrony"
            );
            view.notes.say(at, text);
        }
    }
}

/// Lines as they are, for those hosts that have chrony; whom they let in is what `serve` says.
fn extra(view: &mut View<'_>, time: &mut Time, node: &Node) {
    let lines: Vec<String> = match &node.kind {
        Kind::List(list) => list.iter().filter_map(Node::scalar).collect(),
        _ => node.scalar().unwrap_or_default().lines().map(|line| line.trim().to_owned()).collect(),
    };
    let mut rest = Vec::new();
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        match line.strip_prefix("allow ").and_then(network) {
            Some(networks) => time.allow.extend(networks),
            None => rest.push(Out::text(line)),
        }
    }
    if !view.host.is_windows() && !rest.is_empty() {
        view.set("", "extra", Out::List(rest));
    }
}

/// Networks and addresses; ntpd's `restrict` lines too.
fn networks(view: &mut View<'_>, name: &str, node: &Node) -> Vec<IpNet> {
    let texts: Vec<(At, String)> = match &node.kind {
        Kind::List(list) => list.iter().filter_map(|node| Some((node.at, node.scalar()?))).collect(),
        _ => node
            .scalar()
            .into_iter()
            .flat_map(|text| text.split(',').map(|part| (node.at, part.trim().to_owned())).collect::<Vec<_>>())
            .collect(),
    };
    let mut networks = Vec::new();
    for (at, text) in texts {
        match network(&text) {
            Some(mut found) => networks.append(&mut found),
            None => view.notes.say(
                at,
                format!(
                    "`{name}`: `{text}` is no network; write it into `serve` of the masters if they have to let it in"
                ),
            ),
        }
    }
    networks
}

/// `None` where it is none; nothing in it for what needs no line (`127.0.0.1`, ntpd's default).
fn network(text: &str) -> Option<Vec<IpNet>> {
    let text = text.trim().trim_start_matches("allow ").trim_start_matches("restrict ");
    let text = text.trim_start_matches("-4 ").trim_start_matches("-6 ").trim();
    if matches!(text, "all" | "0/0") {
        return Some(vec!["0.0.0.0/0".parse().ok()?, "::/0".parse().ok()?]);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let network = match words[..] {
        ["default" | "source", ..] => return Some(Vec::new()),
        [address, "mask", mask, ..] => IpNet::with_netmask(address.parse().ok()?, mask.parse().ok()?).ok()?,
        [address, ..] => match address.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => IpNet::from(address.parse::<std::net::IpAddr>().ok()?),
        },
        [] => return None,
    };
    Some(if network.addr().is_loopback() { Vec::new() } else { vec![network.trunc()] })
}

/// Data for `win_regedit` in loops: the servers that stand under W32Time's key.
fn registry(view: &mut View<'_>, time: &mut Time) {
    for node in view.vars.values().flat_map(|said| entries(said.node)).filter(|node| is_servers(node)) {
        // `name` or `value` is what the entry is called, `data` or `value` what it holds.
        let held = ["data", "value"].into_iter().filter_map(|key| node.get(key));
        let data = held.into_iter().find(|data| data.scalar().is_some_and(|text| text != "NtpServer"));
        time.servers.extend(data.map(|data| servers(data, false)).unwrap_or_default());
    }
}

fn entries(node: &Node) -> &[Node] {
    match &node.kind {
        Kind::List(list) => list,
        _ => &[],
    }
}

fn is_servers(node: &Node) -> bool {
    let text = |key: &str| node.get(key).and_then(Node::scalar).unwrap_or_default();
    let path = format!("{}{}", text("path"), text("key")).to_lowercase();
    path.contains("\\w32time\\parameters") && ["name", "value", "entry"].iter().any(|key| text(key) == "NtpServer")
}

fn unknown(view: &mut View<'_>) {
    let known = |name: &str| VARIABLES.iter().any(|(known, _)| *known == name);
    let ours = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    for (name, said) in view.vars.iter().filter(|(name, _)| ours(name) && !known(name)) {
        if !entries(said.node).iter().any(is_servers) {
            view.notes.say(said.node.at, format!("`{name}` has no counterpart here; left out"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_as_roles_write_them() {
        let shown =
            |text: &str| network(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        for (text, networks) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.0.0.7/24", Some("10.0.0.0/24")),
            ("192.168.1.5", Some("192.168.1.5/32")),
            ("allow fd00::/8", Some("fd00::/8")),
            ("127.0.0.1", Some("")),
            ("-6 default kod", Some("")),
            ("10.1.0.0 mask 255.255.0.0 nomodify notrap", Some("10.1.0.0/16")),
            ("all", Some("0.0.0.0/0 ::/0")),
            ("office", None),
        ] {
            assert_eq!(shown(text).as_deref(), networks, "{text}");
        }
    }
}
