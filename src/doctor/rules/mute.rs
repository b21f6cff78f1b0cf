//! A service that does not answer its own tool: it hangs, or it is kept from it.

use super::{Find, ROW, Rule};
use crate::doctor::{Patient, Seen};
use crate::firewall::firewalld::Opening;
use crate::firewall::{ClientPort, Packet, Sender, Verdict, walk};

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC013",
        title: "The time service hangs",
        cause: "`{unit}` runs on {host} and answers nobody, not even its own tool.",
        fix: "on {host}: {first}; its state before (`systemctl status {unit}`) says whether somebody stopped it",
        silences: true,
        find: Find::Host(hangs),
        ..ROW
    },
    Rule {
        code: "FC096",
        title: "The service cannot be asked what it does",
        cause: "`{unit}` runs on {host}, and whether it follows cannot be seen: {why}.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Host(mute),
        ..ROW
    },
];

/// A process that was stopped, waits for a disk, or is frozen hangs for certain. One that runs and
/// may talk, and does not, may be busy or kept from its own tool.
fn hangs(host: &Patient<'_>) -> Vec<Seen> {
    let evidence = host.evidence;
    let process = &evidence.inside.process;
    let halted = process.frozen || matches!(process.state.as_str(), "T" | "t" | "D");
    // What another file says of its tool is not known.
    let otherwise = kept_mute(host).is_some() || !super::unit::other_file(host).is_empty();
    if !evidence.runs() || evidence.talks || (!halted && otherwise) {
        return Vec::new();
    }
    // A frozen service does not end when it is told to.
    let first = if process.frozen {
        format!("systemctl thaw {}", evidence.unit)
    } else {
        format!("systemctl restart {}", evidence.unit)
    };
    let words = match (process.frozen, process.state.as_str()) {
        (true, _) => "its control group is frozen",
        (_, "T" | "t") => "the process was stopped",
        (_, "D") => "the process waits for a disk",
        (_, "") => "",
        _ => "the process runs or sleeps, and does not answer",
    };
    let text =
        [evidence.text("status"), words].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    vec![host.seen("status", text).with("first", first).perhaps(!halted && !process.state.is_empty())]
}

/// Why the service does not answer its tool though it works, and what helps.
fn kept_mute(host: &Patient<'_>) -> Option<(String, (String, bool))> {
    let evidence = host.evidence;
    let (name, service) = (host.name(), evidence.service?);
    let tool = service.tool()?;
    if evidence.parts.contains_key("tool") && evidence.text("tool").is_empty() {
        let remedy = format!("on {name}: install the package that brings `{}`: {}", tool.name, tool.install);
        return Some((format!("`{}` is not installed", tool.name), (remedy, false)));
    }
    if let Some(gag) = service.gag(&evidence.config) {
        let why = format!("`{}` {}", gag.line, gag.does);
        let Some(lines) = gag.opened_by else { return Some((why, host.remedy(&gag.line))) };
        let (_, taken_out) = host.remedy(&gag.line);
        // What `apply` would write lets the host itself ask; the file does not.
        let directive = |line: &str| line.split(' ').next().map(str::to_owned);
        let opens = |line: &String| lines.first().is_some_and(|first| directive(line) == directive(first));
        let applies = taken_out || host.lacking().iter().any(opens);
        let remedy = if applies {
            format!("fleetclock apply -l {name}")
        } else {
            let (lines, file, unit) = (lines.join("\\n"), &evidence.file, &evidence.unit);
            format!("on {name}: printf '{lines}\\n' >>{file} && systemctl restart {unit}")
        };
        return Some((why, (remedy, applies)));
    }
    if !tool.by_loopback {
        return None;
    }
    let tool = tool.name;
    let loopback = ipnet::IpNet::from(std::net::IpAddr::from(std::net::Ipv4Addr::LOCALHOST));
    let (port, sender) = (ClientPort::Chosen, Sender::Probe);
    let service = Opening::default();
    let (from, to, device) = (loopback, loopback, Some("lo"));
    let packet = |answer, inbound| Packet { inbound, answer, from, to, device, service, port, sender };
    let mut ways = [(false, false), (false, true), (true, false), (true, true)].into_iter();
    let rule =
        ways.find_map(|(answer, inbound)| match walk::verdict(&evidence.filter, &packet(answer, inbound), true) {
            Verdict::Stopped(stop) => Some(stop.rule.unwrap_or_else(|| "the policy of a chain".to_owned())),
            _ => None,
        })?;
    let why = format!("a packet filter of {name} stops `{tool}` on the loopback interface ({rule})");
    Some((
        why,
        (
            format!("on {name}: let everything of the interface lo pass before that rule, in the words of who owns it"),
            false,
        ),
    ))
}

/// It may work all the same; what `verify` needs to know cannot be known.
fn mute(host: &Patient<'_>) -> Vec<Seen> {
    let process = &host.evidence.inside.process;
    if !host.evidence.runs()
        || host.evidence.talks
        || process.frozen
        || matches!(process.state.as_str(), "T" | "t" | "D")
    {
        return Vec::new();
    }
    let seen = |(why, (remedy, applies)): (String, (String, bool))| {
        let text = host.evidence.text("status").to_owned();
        host.seen("status", text).with("why", why).with("remedy", remedy).beyond_apply(!applies)
    };
    kept_mute(host).map(seen).into_iter().collect()
}
