//! How the service was started: conditions and limits of its unit, the words of its command line.

use std::net::IpAddr;

use super::{Find, ROW, Rule};
use crate::doctor::inside::Inside;
use crate::doctor::{Link, Patient, Seen};
use crate::provider::passed;
use crate::transport::quote::sh;

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC029",
        title: "A condition of the unit is not met",
        cause: "systemd starts `{unit}` on {host} only where a condition is met, and it is not: {condition}.",
        fix: "{remedy}",
        silences: true,
        find: Find::Host(unmet),
        ..ROW
    },
    Rule {
        code: "FC030",
        title: "The service was started with another file",
        cause: "`{unit}` on {host} has read {other} and not {config}, which fleetclock writes.",
        fix: "{remedy}",
        find: Find::Host(other_file),
        ..ROW
    },
    Rule {
        code: "FC128",
        title: "Another file of the service has the last word",
        cause: "{other} on {host} comes after {config}, which fleetclock writes, and names sources of its own.",
        fix: "{remedy}",
        find: Find::Host(overruled),
        ..ROW
    },
    Rule {
        code: "FC098",
        title: "The service has passed over lines of its file",
        cause: "`{unit}` on {host} goes on without what it did not understand, or cannot use, of {config}: {lines}.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Host(passed_over),
        ..ROW
    },
    Rule {
        code: "FC031",
        title: "The service was started for one address family only",
        cause: "`{unit}` on {host} was started with `{option}`, and none of its sources has an address of that kind.",
        fix: "{remedy}",
        find: Find::Host(one_family),
        ..ROW
    },
    Rule {
        code: "FC028",
        title: "The unit keeps the service from the network",
        cause: "systemd does not let `{unit}` on {host} talk to {peer}: {setting}.",
        fix: "on {host}: {remedy}",
        find: Find::Link(shut_in),
        ..ROW
    },
];

/// What a unit says of itself, and the file in which it says so.
fn place(inside: &Inside, name: &str) -> String {
    match inside.unit_line(name) {
        Some((file, line)) => format!("`{line}` in {file}"),
        None => format!("`{name}={}`", inside.setting(name)),
    }
}

/// A drop-in of one's own that comes last, and takes back a setting of another one.
fn drop_in(host: &Patient<'_>, section: &str, line: &str) -> String {
    let unit = &host.evidence.unit;
    let folder = format!("/etc/systemd/system/{unit}.service.d");
    format!(
        "mkdir -p {folder} && printf '[{section}]\\n{line}\\n' >>{folder}/zzz-fleetclock.conf && systemctl daemon-reload && systemctl restart {unit}"
    )
}

/// What the last start has stumbled over, if it was a condition.
pub(super) fn condition(host: &Patient<'_>) -> Option<String> {
    let inside = &host.evidence.inside;
    let failed = |kind: &str| {
        let tried = !matches!(inside.setting(&format!("{kind}TimestampMonotonic")), "" | "0");
        tried && inside.setting(&format!("{kind}Result")) == "no"
    };
    let kind = ["Condition", "Assert"].into_iter().find(|kind| failed(kind))?;
    let all = inside.unit_lines.iter().filter(|(_, line)| line.starts_with(kind));
    let all: Vec<String> = all.map(|(file, line)| format!("`{line}` in {file}")).collect();
    Some(if all.is_empty() { format!("a {}", kind.to_lowercase()) } else { all.join(" or ") })
}

fn unmet(host: &Patient<'_>) -> Vec<Seen> {
    let evidence = host.evidence;
    let Some(condition) = condition(host).filter(|_| !evidence.runs()) else { return Vec::new() };
    let name = host.name();
    let of_rights = condition.contains("ConditionCapability=CAP_SYS_TIME");
    let remedy = if of_rights && !condition.contains(" or ") {
        format!(
            "{name} may not set its clock, as a container may not: keep the time of the machine that it runs on, and take {name} out of the inventory"
        )
    } else {
        // An empty condition takes back all others.
        let reset = if condition.contains("Assert") { "AssertPathExists=" } else { "ConditionPathExists=" };
        format!(
            "on {name}: meet it and systemctl start {}; or, if nobody needs it: {}",
            evidence.unit,
            drop_in(host, "Unit", reset)
        )
    };
    let seen = host.seen("unit", format!("ConditionResult=no: {condition}"));
    vec![seen.with("condition", condition).with("remedy", remedy)]
}

/// The words that the service was started with.
pub(super) fn arguments<'a>(host: &Patient<'a>) -> Vec<&'a str> {
    host.evidence.text("options").lines().next().unwrap_or_default().split_whitespace().collect()
}

/// How an option is taken out of where it comes from.
pub(super) fn without(host: &Patient<'_>, option: &str) -> String {
    edited(host, option, &format!("s# *{option}##"))
}

/// How the file where an option comes from is edited.
fn edited(host: &Patient<'_>, option: &str, edit: &str) -> String {
    let (name, unit) = (host.name(), &host.evidence.unit);
    let from_unit = host
        .evidence
        .inside
        .unit_lines
        .iter()
        .rfind(|(_, line)| line.starts_with("ExecStart=") && line.contains(option));
    let file = match from_unit {
        Some((file, _)) => file.clone(),
        None => defaults(host).to_owned(),
    };
    format!("on {name}: sed -i '{edit}' {file} && systemctl daemon-reload && systemctl restart {unit}")
}

/// The file where the options of the service stand.
fn defaults(host: &Patient<'_>) -> &'static str {
    let evidence = host.evidence;
    let known = evidence.service.and_then(|service| service.defaults(&evidence.file, &evidence.unit));
    known.unwrap_or("the file of its options")
}

/// Where one of the lines is one of `extra`, `apply` would write it again.
fn passed_over(host: &Patient<'_>) -> Vec<Seen> {
    let text = host.evidence.text("passed");
    let lines: Vec<String> = text.lines().filter_map(passed::words).collect();
    if lines.is_empty() || !host.evidence.runs() || !other_file(host).is_empty() {
        return Vec::new();
    }
    let line = |said: &str| said.split_once(' ').map(|(_, line)| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let remedies = text.lines().filter_map(line).map(|line| host.remedy(&line));
    let (remedies, applies): (Vec<String>, Vec<bool>) = remedies.unzip();
    // One that only a person can put right comes first.
    let by_hand = applies.iter().position(|applies| !applies);
    let remedy = remedies[by_hand.unwrap_or(0)].clone();
    let seen = host.seen("passed", text.lines().collect::<Vec<_>>().join("; "));
    vec![seen.with("lines", lines.join(", ")).with("remedy", remedy).beyond_apply(by_hand.is_some())]
}

/// What stands under /etc is edited; of what a package or a boot brings, a link to nothing takes the place.
pub(super) fn overruled(host: &Patient<'_>) -> Vec<Seen> {
    let evidence = host.evidence;
    let Some(other) = evidence.service.and_then(|service| service.last_word(evidence.text("config"))) else {
        return Vec::new();
    };
    let (folder, name) = other.rsplit_once('/').unwrap_or_default();
    let own = evidence.file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let edit = if folder == own {
        let keys = evidence.config.language().sources.join("|");
        format!("sed -i -E 's/^[[:space:]]*({keys})[[:space:]]*=/#&/' {}", sh(other))
    } else {
        format!("ln -s /dev/null {}", sh(&format!("{own}/{name}")))
    };
    let remedy = format!("on {}: {edit} && systemctl restart {}", host.name(), evidence.unit);
    let seen = host.seen("config", format!("configured: {}", evidence.config.sources().join(", ")));
    vec![seen.with("other", other).with("remedy", remedy)]
}

pub(in crate::doctor) fn other_file(host: &Patient<'_>) -> Vec<Seen> {
    let evidence = host.evidence;
    let words = arguments(host);
    let Some(flag) =
        evidence.service.and_then(|service| service.command_line()).map(|line| format!("-{}", line.config))
    else {
        return Vec::new();
    };
    let mut files =
        words.windows(2).filter(|pair| pair.first() == Some(&flag.as_str())).filter_map(|pair| pair.get(1).copied());
    let Some(other) =
        files.next_back().filter(|file| evidence.runs() && !evidence.file.is_empty() && *file != evidence.file)
    else {
        return Vec::new();
    };
    let remedy = if other.ends_with(".dhcp") {
        let defaults = defaults(host);
        format!("on {}: echo 'IGNORE_DHCP=\"yes\"' >>{defaults} && systemctl restart {}", host.name(), evidence.unit)
    } else {
        // Not taken out: without it, a service loads the file that it was built with, which may be another.
        edited(host, &format!("{flag} {other}"), &format!("s#{flag} {other}#{flag} {}#", evidence.file))
    };
    let seen = host.seen("options", words.join(" "));
    vec![seen.with("other", other).with("remedy", remedy)]
}

pub(super) fn one_family(host: &Patient<'_>) -> Vec<Seen> {
    let words = arguments(host);
    let Some(option) = words.iter().find(|word| matches!(**word, "-4" | "-6")) else { return Vec::new() };
    let mut addresses =
        host.spec.time.sources.iter().flat_map(|source| host.evidence.stands_for(&source.address)).peekable();
    let none = addresses.peek().is_some() && addresses.all(|address| address.is_ipv6() != (*option == "-6"));
    if !none || !host.evidence.runs() {
        return Vec::new();
    }
    let seen = host.seen("options", words.join(" ")).with("option", *option);
    vec![seen.with("remedy", without(host, option))]
}

/// A unit that is shut in, on the end that gets no packets.
fn shut_in(link: &Link<'_>) -> Option<Seen> {
    if link.is_deaf() {
        let device = link.client_way().map(|(device, _)| device);
        return shut(link, &link.client, link.address()?, link.server_name(), device);
    }
    let server = link.server.filter(|server| link.is_silent() && server.evidence.runs())?;
    shut(link, &server, link.from()?, link.client.name(), link.server_way())
}

fn shut(link: &Link<'_>, host: &Patient<'_>, peer: IpAddr, name: &str, device: Option<&str>) -> Option<Seen> {
    let inside = &host.evidence.inside;
    let serves = host.name() != link.client.name();
    let (setting, line, perhaps) = wall(inside, peer, device, serves)?;
    let other = inside.process.own_network && !inside.setting("PrivateNetwork").starts_with("yes");
    let remedy = if other && line.is_empty() {
        format!("it runs in a network of its own, and not by its unit: systemctl restart {}", host.evidence.unit)
    } else {
        drop_in(host, "Service", &line)
    };
    let seen = host.seen("unit", format!("{setting}; {} got: {}", link.client.name(), link.outcome()));
    Some(link.name_both(seen).with("setting", setting).with("peer", name).with("remedy", remedy).perhaps(perhaps))
}

/// The setting that stands between the service and an address: in words, the line that takes it
/// back, and whether it may be something else.
fn wall(inside: &Inside, peer: IpAddr, device: Option<&str>, serves: bool) -> Option<(String, String, bool)> {
    let set = |name: &str| !matches!(inside.setting(name), "" | "no" | "~");
    if inside.process.own_network {
        let names = ["PrivateNetwork", "NetworkNamespacePath"];
        let name = names.into_iter().find(|name| set(name));
        let line =
            name.map_or(String::new(), |name| format!("{name}={}", if name == "PrivateNetwork" { "no" } else { "" }));
        let text = name.map_or("it runs in another network namespace".to_owned(), |name| place(inside, name));
        return Some((text, line, false));
    }
    if denies(inside.setting("IPAddressDeny"), peer) && !denies(inside.setting("IPAddressAllow"), peer) {
        return Some((place(inside, "IPAddressDeny"), "IPAddressDeny=".to_owned(), false));
    }
    let family = if peer.is_ipv4() { "AF_INET" } else { "AF_INET6" };
    if set("RestrictAddressFamilies") && excludes(inside.setting("RestrictAddressFamilies"), family) {
        let line = format!("RestrictAddressFamilies={family}");
        return Some((place(inside, "RestrictAddressFamilies"), line, false));
    }
    let devices = inside.setting("RestrictNetworkInterfaces");
    if set("RestrictNetworkInterfaces") && device.is_some_and(|device| excludes(devices, device)) {
        return Some((place(inside, "RestrictNetworkInterfaces"), "RestrictNetworkInterfaces=".to_owned(), false));
    }
    if serves && set("SocketBindDeny") {
        return Some((place(inside, "SocketBindDeny"), "SocketBindDeny=".to_owned(), false));
    }
    let names = ["IPIngressFilterPath", "IPEgressFilterPath", "BPFProgram"];
    let name = names.into_iter().find(|name| set(name))?;
    Some((place(inside, name), format!("{name}="), true))
}

/// Whether a list of networks holds an address.
fn denies(list: &str, address: IpAddr) -> bool {
    list.split_whitespace().any(|word| match word {
        "any" => true,
        "localhost" => address.is_loopback(),
        "link-local" => matches!(address, IpAddr::V4(four) if four.is_link_local()),
        word => word.parse::<ipnet::IpNet>().is_ok_and(|network| network.contains(&address)),
    })
}

/// Whether a list of what is allowed (with `~`: of what is not) leaves a word out.
fn excludes(list: &str, word: &str) -> bool {
    match list.strip_prefix('~') {
        Some(denied) => denied.split_whitespace().any(|other| other == word),
        None => !list.split_whitespace().any(|other| other == word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_systemd_are_understood() {
        let address: IpAddr = "10.10.10.1".parse().unwrap();
        assert!(denies("::/0 0.0.0.0/0", address) && !denies("127.0.0.0/8", address));
        assert!(excludes("AF_UNIX AF_INET6", "AF_INET") && excludes("~AF_INET", "AF_INET"));
        assert!(!excludes("AF_UNIX AF_INET", "AF_INET") && !excludes("~lo", "host0"));
    }
}
