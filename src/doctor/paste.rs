//! The commands inside of a fix, ready to be pasted: each a line of its own, whole for the shell of an account that
//! is not root. A fix is a sentence; what in it is a person's to decide is left there.

use crate::inventory::HostSpec;
use crate::inventory::spec::{Become, Connection};
use crate::model::Paste;
use crate::transport::quote;

/// What begins a command on a Linux host. What begins with another word is told to a person.
const PROGRAMS: &[&str] = &[
    "chronyc",
    "echo",
    "firewall-cmd",
    "ip",
    "ip6tables",
    "ip6tables-legacy",
    "iptables",
    "iptables-legacy",
    "ln",
    "mkdir",
    "nft",
    "printf",
    "sed",
    "semanage",
    "systemctl",
    "timedatectl",
    "ufw",
    "vmware-toolbox-cmd",
];

/// The same on a Windows host.
const WINDOWS: &[&str] = &["gpupdate", "net", "netsh", "reg", "sc", "w32tm"];

/// What ends a command and goes on with words.
const ENDS: &[&str] = &[
    " (",
    "; and ",
    "; or ",
    ", or ",
    ", and ",
    "; its ",
    "; if ",
    "; then ",
    "; a ",
    ": the inventory",
    ": its source",
    " takes ",
    ", which ",
];

/// What stands between two commands of a sentence, and whether the second is in place of the first.
const JOINTS: &[(&str, bool)] =
    &[("; or ", true), (", or ", true), ("; then ", false), (", then ", false), (", and ", false)];

/// Returns the commands of a fix, in the order in which they are run.
pub(super) fn commands(fix: &str, hosts: &[HostSpec]) -> Vec<Paste> {
    let mut found: Vec<Paste> = Vec::new();
    for (part, instead) in parts(fix) {
        let before = found.last().map(|paste| paste.on.clone());
        if let Some((on, command)) = command(part, before.as_deref())
            && let Some(line) = line(on, command, hosts)
        {
            found.push(Paste { on: on.to_owned(), line, instead: instead && !found.is_empty() });
        } else if !found.is_empty() || !instead {
            // Behind words for a person no command is whole: it may depend on what they decide.
            break;
        }
    }
    found
}

/// The parts of a sentence that may each be a command, with what joins them to the one before.
fn parts(fix: &str) -> Vec<(&str, bool)> {
    let mut all = Vec::new();
    let (mut rest, mut instead) = (fix, false);
    loop {
        let next = JOINTS.iter().filter_map(|(joint, is_other)| {
            let at = outside(rest, joint)?;
            starts(&rest[at + joint.len()..]).then_some((at, joint.len(), *is_other))
        });
        let Some((at, length, is_other)) = next.min_by_key(|(at, ..)| *at) else {
            all.push((rest, instead));
            return all;
        };
        all.push((&rest[..at], instead));
        (rest, instead) = (&rest[at + length..], is_other);
    }
}

/// Whether a command begins here, as far as its first word tells.
fn starts(text: &str) -> bool {
    let word = text.split(' ').next().unwrap_or_default();
    matches!(word, "on" | "fleetclock") || PROGRAMS.contains(&word) || WINDOWS.contains(&word)
}

/// Where a text stands outside of quotes.
fn outside(text: &str, part: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '\'' | '"' | '`') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, _) if text.get(at..).is_some_and(|rest| rest.starts_with(part)) => return Some(at),
            _ => {}
        }
        None
    })
}

/// The host that a part names, else that of the command before it, and the command without what follows in words.
fn command<'a>(part: &'a str, before: Option<&'a str>) -> Option<(&'a str, &'a str)> {
    let (on, text) = match part.strip_prefix("on ").and_then(|rest| rest.split_once(": ")) {
        Some((host, text)) => (host, text),
        None if part.starts_with("fleetclock ") => ("", part),
        None => (before?, part),
    };
    let end = ENDS.iter().filter_map(|end| outside(text, end)).min().unwrap_or(text.len());
    Some((on, text.get(..end)?.trim()))
}

/// The line as it is typed at the host, or `None` if it is none.
fn line(on: &str, command: &str, hosts: &[HostSpec]) -> Option<String> {
    let program = command.split(' ').next()?;
    // What the inventory has to say first, or the name of a thing for people.
    if command.contains(" with ") || command.contains('`') {
        return None;
    }
    if on.is_empty() {
        return (program == "fleetclock").then(|| command.to_owned());
    }
    let spec = hosts.iter().find(|spec| spec.name == on)?;
    match &spec.connection {
        Connection::Winrm(_) => WINDOWS.contains(&program).then(|| command.to_owned()),
        Connection::Ssh(ssh) if PROGRAMS.contains(&program) => Some(as_root(ssh.elevate.method, command)),
        Connection::Local(_) if PROGRAMS.contains(&program) => Some(as_root(Become::Sudo, command)),
        Connection::Ssh(_) | Connection::Local(_) => None,
    }
}

/// With the program that gives root rights on this host; a redirection and what stands behind `&&` need them as well.
fn as_root(method: Become, command: &str) -> String {
    let shell = |program: &str| format!("{program} sh -c {}", quote::sh(command));
    let simple = outside_any(command, &[';', '&', '|', '>', '<', '$', '(', '*']);
    match method {
        Become::None => command.to_owned(),
        Become::Su => format!("su -c {}", quote::sh(command)),
        Become::Doas if simple => format!("doas {command}"),
        Become::Doas => shell("doas"),
        Become::Run0 if simple => format!("run0 {command}"),
        Become::Run0 => shell("run0"),
        _ if simple => format!("sudo {command}"),
        _ => shell("sudo"),
    }
}

/// Whether none of these stands outside of quotes.
fn outside_any(text: &str, signs: &[char]) -> bool {
    signs.iter().all(|sign| outside(text, sign.encode_utf8(&mut [0; 4])).is_none())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn lines(fix: &str) -> Vec<String> {
        let text = "groups:\n  m: { role: master, isolated: true, serve: [10.0.0.0/8], hosts: { m1: { address: 10.0.0.1, ssh: { become: sudo } }, root: 10.0.0.4, bsd: { address: 10.0.0.5, ssh: { become: doas } }, old: { address: 10.0.0.6, ssh: { become: su } } } }\n  w: { role: slave, follows: [m1], winrm: { user: a, password: ask }, hosts: { win: 10.0.0.2 } }\n";
        let fleet = crate::inventory::parse(Path::new("t.yml"), text).unwrap();
        let shown = |paste: Paste| {
            let or = if paste.instead { "or " } else { "" };
            format!("{or}{}> {}", paste.on, paste.line)
        };
        commands(fix, &fleet.hosts).into_iter().map(shown).collect()
    }

    #[test]
    fn a_command_is_a_line_of_its_own() {
        for (fix, wanted) in [
            (
                "on m1: systemctl restart chrony (its file is right, and is read again)",
                &["m1> sudo systemctl restart chrony"][..],
            ),
            ("on root: systemctl restart chrony", &["root> systemctl restart chrony"]),
            ("on bsd: systemctl restart chrony", &["bsd> doas systemctl restart chrony"]),
            ("on old: systemctl restart chrony", &["old> su -c 'systemctl restart chrony'"]),
            (
                "on m1: systemctl enable chrony && systemctl start chrony",
                &["m1> sudo sh -c 'systemctl enable chrony && systemctl start chrony'"],
            ),
            (
                "on m1: sed -i 's#-f /etc/other.conf#-f /etc/chrony.conf#' /etc/x && systemctl restart chronyd",
                &[
                    r"m1> sudo sh -c 'sed -i '\''s#-f /etc/other.conf#-f /etc/chrony.conf#'\'' /etc/x && systemctl restart chronyd'",
                ],
            ),
            ("fleetclock apply -l m1", &["> fleetclock apply -l m1"]),
            (
                "fleetclock apply -l m1 takes `refclock` out; or write it into `extra` of m1",
                &["> fleetclock apply -l m1"],
            ),
            (
                "fleetclock apply -l m1; or on m1: echo 'allow 10.10.10.2' >>/etc/chrony/chrony.conf && systemctl restart chrony",
                &[
                    "> fleetclock apply -l m1",
                    r"or m1> sudo sh -c 'echo '\''allow 10.10.10.2'\'' >>/etc/chrony/chrony.conf && systemctl restart chrony'",
                ],
            ),
            (
                "fleetclock apply -l m1, or on m1: firewall-cmd --zone=public --add-rich-rule='rule family=\"ipv4\" accept'",
                &[
                    "> fleetclock apply -l m1",
                    "or m1> sudo firewall-cmd --zone=public --add-rich-rule='rule family=\"ipv4\" accept'",
                ],
            ),
            (
                "on m1: nft insert rule inet lab in ip saddr 10.10.10.2 udp dport 123 accept; and the same rule first in this chain of /etc/nftables.conf, or of a file",
                &["m1> sudo nft insert rule inet lab in ip saddr 10.10.10.2 udp dport 123 accept"],
            ),
            (
                "on m1: semanage port -a -t ntp_port_t -p udp 11123; then systemctl restart chrony",
                &["m1> sudo semanage port -a -t ntp_port_t -p udp 11123", "m1> sudo systemctl restart chrony"],
            ),
            (
                "on m1: systemctl disable ntpd; systemctl stop ntpd",
                &["m1> sudo sh -c 'systemctl disable ntpd; systemctl stop ntpd'"],
            ),
            ("on win: net stop w32time & net start w32time", &["win> net stop w32time & net start w32time"]),
            (
                "on win: w32tm /config /update & w32tm /resync; if that does not help: net stop w32time & net start w32time",
                &["win> w32tm /config /update & w32tm /resync"],
            ),
            ("fleetclock apply -l m1 with a smaller `maxpoll` in the inventory", &[]),
            ("on m1: remove the line from /etc/rc.local", &[]),
            ("on m1: put right what the last lines name, then systemctl restart chrony", &[]),
            ("ask who runs 10.10.10.9, or name another source", &[]),
            ("on other: systemctl restart chrony", &[]),
            (
                "a person has to decide by which router 10.0.0.9 is reached; on m1: `ip route add 10.0.0.9 via ROUTER`",
                &[],
            ),
        ] {
            assert_eq!(lines(fix), wanted, "{fix}");
        }
    }
}
