//! What else on a machine has a hand in its time: security modules, hypervisors, cloud-init.

use super::{Find, ROW, Rule, Severity};
use crate::doctor::{Patient, Seen};

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    DENIED,
    Rule {
        code: "FC017",
        severity: Severity::Warning,
        title: "The hypervisor sets the clock too",
        cause: "{program} on {host} moves the clock to that of the hypervisor, behind the back of `{unit}`.",
        fix: "on {host}: {remedy}",
        find: Find::Host(hypervisor),
        ..ROW
    },
    Rule {
        code: "FC018",
        title: "The service follows the clock of the hypervisor",
        cause: "`{unit}` on {host} follows {clock}, a clock that the machine is given, and no source of the inventory.",
        fix: "fleetclock apply -l {host} takes `refclock` out; or write it into `extra` of {host}, if it is wanted",
        configuration: true,
        find: Find::Host(refclock),
        ..ROW
    },
    Rule {
        code: "FC019",
        severity: Severity::Warning,
        title: "cloud-init writes the time configuration",
        cause: "{file} on {host} has `ntp:`: cloud-init writes {config} anew at the first boot of a clone or of a restored image.",
        fix: "on {host}: take `ntp:` out of {file}, and out of what the cloud hands to the machine",
        find: Find::Host(cloud),
        ..ROW
    },
];

/// Found when a service that has crashed, or follows nobody for no other reason, was denied something.
pub(in crate::doctor) const DENIED: Rule = Rule {
    code: "FC015",
    title: "SELinux or AppArmor denies the time service something",
    cause: "The kernel has denied `{what}` to {program} on {host} since it was started.",
    fix: "{remedy}",
    silences: true,
    find: Find::Host(crashed_by_denial),
    ..ROW
};

/// How long a start may take that fails, seconds (`DefaultTimeoutStartSec`).
const STARTING: i64 = 90;

/// The value behind `name=` in a line of the audit log, without its quotes.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let at = line.find(&format!(" {name}="))?;
    let rest = line.get(at + name.len() + 2..)?;
    let end = |c: char| c.is_whitespace();
    Some(match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => rest.split(end).next().unwrap_or_default(),
    })
}

/// `audit(1586491847.910:15)`: seconds since 1970.
fn when(line: &str) -> Option<i64> {
    line.split_once("audit(")?.1.split('.').next()?.parse().ok()
}

/// The last denial since the service was started for the last time.
pub(in crate::doctor) fn denial(host: &Patient<'_>) -> Option<Seen> {
    // A daemon that ends before it is ready has never been started, in the words of systemd.
    let ended = || Some(host.evidence.text("ended").parse::<i64>().ok()? - STARTING);
    let since = host.evidence.started.or_else(ended)?;
    // The clock may have moved a little between the two notes.
    let recent = |line: &&str| when(line).is_some_and(|at| at >= since - 1);
    let line = host.evidence.text("denied").lines().rfind(recent)?;
    let apparmor = line.contains("apparmor=");
    let what = if apparmor {
        let denied = field(line, "denied_mask").or(field(line, "operation")).unwrap_or("an access");
        format!("{denied} {}", field(line, "name").unwrap_or_default())
    } else {
        let access =
            line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(what, _)| what.trim());
        format!("{access} {}", field(line, "path").or(field(line, "name")).unwrap_or_default())
    };
    let program = field(line, "comm").unwrap_or("the time service");
    let allow = if apparmor { allow_by_profile(line) } else { allow_by_label(line, program) };
    let remedy = format!("on {}: {allow}; then systemctl restart {}", host.name(), host.evidence.unit);
    Some(host.seen("denied", line).with("what", what.trim()).with("program", program).with("remedy", remedy))
}

fn allow_by_profile(line: &str) -> String {
    let profile = field(line, "profile").unwrap_or("/usr/sbin/chronyd").trim_start_matches('/').replace('/', ".");
    format!("allow it in /etc/apparmor.d/local/{profile}, and apparmor_parser -r /etc/apparmor.d/{profile}")
}

/// A port has a label of its own; of files, wrong labels are the usual reason.
fn allow_by_label(line: &str, program: &str) -> String {
    match field(line, "src").filter(|_| line.contains("name_bind")) {
        Some(port) => format!("semanage port -a -t ntp_port_t -p udp {port}"),
        None => format!(
            "restorecon -Rv /etc /var/lib/chrony /var/log/chrony /run/chrony (`ausearch -m avc -c {program} | audit2why` says more)"
        ),
    }
}

fn crashed_by_denial(host: &Patient<'_>) -> Vec<Seen> {
    let crashed = host.evidence.own().is_some_and(super::service::has_crashed);
    denial(host).filter(|_| crashed).into_iter().collect()
}

fn hypervisor(host: &Patient<'_>) -> Vec<Seen> {
    let programs = host.evidence.text("machine").lines().filter_map(|line| line.strip_prefix("sets "));
    let seen = |program| {
        let remedy = match program {
            "vmtoolsd" => "vmware-toolbox-cmd timesync disable".to_owned(),
            program => format!("start {program} with --disable-timesync"),
        };
        let text = format!("{program} runs and sets the clock; {}", host.evidence.unit);
        host.seen("machine", format!("{text} does too")).with("program", program).with("remedy", remedy)
    };
    programs.filter(|_| host.evidence.runs()).map(seen).collect()
}

/// A clock of the machine is shown by a name, not by an address.
fn refclock(host: &Patient<'_>) -> Vec<Seen> {
    let evidence = host.evidence;
    let wanted = host.spec.time.extra.iter().any(|line| line.trim_start().starts_with("refclock"));
    let clock = evidence.config.all("refclock").next().filter(|_| !wanted);
    let is_clock =
        |peer: &&crate::provider::Peer| peer.mark == '*' && peer.address.parse::<std::net::IpAddr>().is_err();
    let selected = evidence.peers.iter().find(is_clock);
    let seen = clock.zip(selected).map(|(words, peer)| {
        let clock = words.get(..2).unwrap_or(words).join(" ");
        host.seen("status", format!("{} is marked *; refclock {}", peer.address, words.join(" "))).with("clock", clock)
    });
    seen.into_iter().collect()
}

fn cloud(host: &Patient<'_>) -> Vec<Seen> {
    let line = host.evidence.text("cloud").lines().next();
    let seen = line.map(|line| {
        let file = line.rsplit_once(':').map_or(line, |(file, _)| file);
        host.seen("cloud", format!("{line}: ntp:")).with("file", file)
    });
    seen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_an_audit_line_are_read() {
        let line = r#"audit: type=1400 audit(1586491847.910:15): apparmor="DENIED" operation="open" profile="/usr/sbin/ntpd" name="/usr/local/sbin/" pid=783 comm="ntpd" denied_mask="r" fsuid=0"#;
        assert_eq!(
            (when(line), field(line, "name"), field(line, "fsuid")),
            (Some(1_586_491_847), Some("/usr/local/sbin/"), Some("0"))
        );
        assert_eq!((field(line, "ame"), when("no time")), (None, None));
    }
}
