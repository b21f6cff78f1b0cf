//! ntpd: classic ntp and ntpsec.

mod access;
mod diagnosis;
mod runtime;

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, bail};

use ipnet::IpNet;

use super::peer::unselected;
use super::started::CommandLine;
use super::{DaemonStatus, Layout, LinuxProvider, Peer, PeerKind, Provider, passed};
use crate::facts::services::{NTPD, Service};
use crate::facts::{Facts, Family};
use crate::inventory::spec::{Source, TimeSpec};
use crate::model::{DaemonReport, Slice, is_own_clock};

/// Where `ntpq` asks: 127.0.0.1, which files with `restrict` lines have, and `::1` often have not; by the name of
/// the host itself it would ask there first. A service that was started with `-6` has only that.
macro_rules! here {
    () => {
        "$(grep -qs ':007B ' /proc/net/udp && echo 127.0.0.1 || echo ::1)"
    };
}

/// As many characters of an address an ntpq without `-w` shows.
const SHORT: usize = 15;

/// The same for the questions of others.
pub const HERE: &str = here!();

/// ntpd, asked through `ntpq` (control messages, RFC 9327).
pub(super) struct Ntpd;

impl Provider for Ntpd {
    fn service(&self) -> &'static Service {
        &NTPD
    }

    fn asks_from_123(&self) -> bool {
        true
    }

    fn playbook(&self) -> &'static str {
        "linux-ntpd.yml"
    }

    /// `-w` (ntp 4.2.7) keeps long addresses whole; an older ntpq knows it not and is asked without. One that
    /// gets no answer waits for ten seconds or twenty, for each question.
    fn status(&self) -> &'static str {
        concat!(
            "fc_q() { timeout 8 ntpq -n \"$@\" -c 'rv 0 leap,stratum,refid,offset,rootdelay,rootdisp' -c peers -c as ",
            here!(),
            " 2>&1; }\n\
             fc_t=$(fc_q -w); fc_r=$?\n\
             case $fc_r:$fc_t in 0:*) ;; *option*|*sage*) fc_t=$(fc_q); fc_r=$?; echo old=yes ;; esac\n\
             printf '%s\\n' \"$fc_t\"; (exit $fc_r)"
        )
    }

    fn parse_status(&self, seen: &Slice) -> Result<DaemonStatus> {
        if seen.status != 0 || !seen.stdout.contains("leap=") {
            return Ok(silent(seen));
        }
        let peers = peers(&seen.stdout)?;
        Ok(DaemonStatus { report: report(&seen.stdout, &peers), peers })
    }
}

impl LinuxProvider for Ntpd {
    /// ntpsec began where the oldest classic ntp that is managed was.
    fn floor(&self, _facts: &Facts) -> Option<&'static str> {
        Some("ntp_floor")
    }

    fn layout(&self, facts: &Facts) -> Layout {
        let classic = Layout {
            package: if has_ntpsec(facts) { "ntpsec" } else { "ntp" },
            service: "ntpd",
            units: &["ntpd"],
            config: "/etc/ntp.conf",
            driftfile: "/var/lib/ntp/drift",
            logdir: "/var/log/ntpstats",
            validate: validate(facts),
        };
        match facts.family {
            Family::Debian if has_ntpsec(facts) => Layout {
                service: "ntpsec",
                units: NTPD.units,
                config: "/etc/ntpsec/ntp.conf",
                driftfile: "/var/lib/ntpsec/ntp.drift",
                logdir: "/var/log/ntpsec",
                ..classic
            },
            Family::Debian => {
                Layout { service: "ntp", units: &["ntp", "ntpd"], driftfile: "/var/lib/ntp/ntp.drift", ..classic }
            }
            // Both have ntpsec in the places of classic ntp, and under the name of its service.
            Family::RedHat => classic,
            Family::Suse => Layout { driftfile: "/var/lib/ntp/drift/ntp.drift", ..classic },
        }
    }

    fn refusal(&self, time: &TimeSpec, facts: &Facts) -> Option<(String, &'static str)> {
        let long = |source: &&Source| source.address.parse::<Ipv6Addr>().is_ok() && source.address.len() > SHORT;
        let source = time.sources.iter().find(long).filter(|_| facts.lacks.contains(&"wide"))?;
        let address = &source.address;
        let text =
            format!("the ntpq of this host shows {SHORT} characters of an address, so {address} cannot be proven");
        Some((text, "name the source by a shorter address, or say `provider: chrony`"))
    }

    fn shortcomings(&self, time: &TimeSpec, facts: &Facts) -> Vec<String> {
        let open = facts.lacks.contains(&"restrict_source") && time.sources.iter().any(Source::is_named);
        let fixed = facts.lacks.contains(&"pool_renewed") && time.sources.iter().any(|source| source.pool);
        let told = [(open, OPEN), (fixed, FIXED)].into_iter().filter(|(is, _)| *is);
        told.map(|(_, text)| text.to_owned()).collect()
    }

    /// It goes on without a line that it does not understand.
    fn passed_over(&self) -> String {
        passed::over(PASSED, None)
    }

    fn runtime(&self, config: &str, _serve: &[IpNet]) -> String {
        runtime::probe(config)
    }

    fn changed_at_run_time(&self, seen: &Slice, _serve: &[IpNet]) -> Option<String> {
        runtime::changed(seen)
    }

    /// The last of three octal digits is that of the last three polls. A long address has a line of its own.
    fn followed(&self) -> &'static str {
        concat!(
            "{ fc_h=",
            here!(),
            "; ntpq -n -w -p $fc_h 2>/dev/null || ntpq -n -p $fc_h 2>/dev/null; }",
            r" | sed -n -e '/^[*o][^ ]*$/{N;s/\n/ /;}' -e 's/^[*o]\([^ ]*\)  *\([^ ]*  *\)\{5\}[0-7]*[1-7] .*/\1/p'"
        )
    }

    fn ready(&self) -> &'static str {
        concat!(
            "fc_t=$(timeout 5 ntpq -n -c 'rv 0 leap' ",
            here!(),
            " 2>/dev/null) && case $fc_t in *leap=11*|*leap=3*) false ;; *leap=*) ;; *) false ;; esac"
        )
    }

    /// `ntpq` ends well though nobody answered.
    fn talks(&self) -> &'static str {
        concat!("case $(timeout 5 ntpq -n -c 'rv 0 leap' ", here!(), " 2>&1) in *leap=*) ;; *) false ;; esac")
    }

    fn age(&self) -> &'static str {
        concat!(
            "ntpq -n -c peers ",
            here!(),
            " 2>/dev/null | while read -r fc_1 fc_2 fc_3 fc_4 fc_w fc_5; do case $fc_w in '' | *[!0-9]*) ;; *) echo \"$fc_w\" ;; esac; done | sort -n | head -n 1"
        )
    }
}

/// What ntpd 4.2.6 to 4.2.8 and ntpsec say in the journal of a line; what follows in the same statement is lost, too. A
/// `restrict` for IPv6 is passed over where the kernel has none, and nobody is let in by that.
const PASSED: &str = r"sed -n 's/.*syntax error in .* line \([0-9]*\), column.*/\1/p; s/.*restrict: ignoring line \([0-9]*\), [a-z/]* .[^:]*. unusable.*/\1/p'";

/// ntpd(8) of classic ntp 4.2.8 and of ntpsec.
const COMMAND_LINE: CommandLine = CommandLine {
    program: "ntpd",
    values: "cfiIkLlprstuUvVzw",
    config: 'c',
    directives: false,
    no_clock: None,
    once: "q",
};

/// Whether the ntpd of a system is ntpsec: it has that one, or has neither and brings that one only (Debian 12,
/// Ubuntu 23.04, Fedora 34). RHEL 8 and later bring none of them; EPEL has ntpsec, where somebody has chosen it.
fn has_ntpsec(facts: &Facts) -> bool {
    let has = |package: &str| facts.packages.contains_key(package);
    if has("ntpsec") || has("ntp") {
        return has("ntpsec");
    }
    let version = |unknown: f64| facts.os_version.parse().unwrap_or(unknown);
    match (facts.family, facts.os_id.as_str()) {
        (Family::Debian, "ubuntu") => version(f64::INFINITY) >= 23.04,
        (Family::Debian, _) => version(f64::INFINITY) >= 12.0,
        (_, "fedora") => version(0.0) >= 34.0,
        _ => false,
    }
}

/// Without `restrict source`.
const OPEN: &str = "this ntpd knows no `restrict source`, and a source is a name: the default lets everybody ask this host for time; name sources by their addresses, and only the served networks may";

/// Without a `pool` that is renewed.
const FIXED: &str = "this ntpd asks the addresses that a pool has when it starts, and no other when one of them goes: restart it when a server of the pool is gone for good";

/// classic ntpd has no way to check a file. One that was installed a moment ago may be older than it was
/// taken for, and would leave out what it does not know.
fn validate(facts: &Facts) -> String {
    let known = ["ntp", "ntpsec"].iter().any(|program| facts.versions.contains_key(*program));
    if known { String::new() } else { UNKNOWN.to_owned() }
}

const UNKNOWN: &str =
    "case $(ntpd --version 2>&1) in *[!0-9]4.2.[0-6]*) ! grep -nE '^restrict +source|orphanwait' {} >&2 ;; esac";

/// ntpd does not answer.
fn silent(seen: &Slice) -> DaemonStatus {
    let words = if seen.stderr.trim().is_empty() { seen.stdout.trim() } else { seen.stderr.trim() };
    let words = if words.is_empty() { "no answer" } else { words };
    DaemonStatus::silent(
        NTPD.name,
        format!("it cannot be asked what it follows (ntpq: {})", words.strip_prefix("ntpq: ").unwrap_or(words)),
    )
}

/// Reads `name=value, name=value`; offset, delay and dispersion are in milliseconds.
fn report(variables: &str, peers: &[Peer]) -> DaemonReport {
    let value = |name: &str| {
        variables
            .split([',', '\n'])
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value.trim()))
    };
    let seconds = |name: &str| value(name).and_then(|ms| ms.parse::<f64>().ok()).map(|ms| ms / 1000.0);
    let synchronised = value("leap").is_some_and(|leap| !matches!(leap, "11" | "3"));
    let selected = peers.iter().find(|peer| peer.selected).map(|peer| peer.address.clone());
    DaemonReport {
        provider: NTPD.name.to_owned(),
        synchronised,
        source: selected.or_else(|| value("refid").map(str::to_owned)).filter(|_| synchronised),
        stratum: value("stratum").and_then(|text| text.parse().ok()),
        offset_s: seconds("offset"),
        root_dispersion_s: seconds("rootdisp"),
        root_delay_s: seconds("rootdelay"),
        since_s: None,
        refid: value("refid").filter(|_| synchronised).and_then(reference),
        own_clock: synchronised && own_clock(value("refid").unwrap_or_default(), peers),
        detail: if synchronised { String::new() } else { unselected(peers) },
    }
}

/// The reference id in hexadecimal: ntpq shows an address, or the letters of a clock.
fn reference(shown: &str) -> Option<String> {
    if let Ok(address) = shown.parse::<Ipv4Addr>() {
        return Some(format!("{:08x}", u32::from(address)));
    }
    let letters = shown.trim_matches('.').bytes();
    let mut bytes = [0; 4];
    for (place, letter) in bytes.iter_mut().zip(letters) {
        *place = letter;
    }
    (shown.len() <= 6 && !shown.is_empty()).then(|| format!("{:08x}", u32::from_be_bytes(bytes)))
}

/// As an orphan ntpd refers to itself, or it follows the driver 127.127.1 of its own clock.
fn own_clock(reference: &str, peers: &[Peer]) -> bool {
    match peers.iter().find(|peer| peer.selected) {
        Some(peer) => peer.address.starts_with(LOCAL_DRIVER),
        None => self::reference(reference).as_deref().is_some_and(is_own_clock),
    }
}

/// Addresses of the driver that stands for the host's own clock.
const LOCAL_DRIVER: &str = "127.127.1.";

/// The sources in the table of peers, with what the table of associations says of them.
fn peers(text: &str) -> Result<Vec<Peer>> {
    let (lines, spawned, is_old) = (table(text), spawned(text), text.lines().any(|line| line == OLD));
    let pools: Vec<String> = lines.iter().filter_map(|line| pool(line)).map(str::to_owned).collect();
    let mut peers = Vec::new();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| is_peer(line)) {
        let peer = peer(line)?;
        peers.push(match peer.kind {
            PeerKind::Server if spawned.contains(&index) => {
                Peer { kind: PeerKind::PoolMember, pools: pools.clone(), ..peer }
            }
            PeerKind::Server if is_old => Peer { kind: PeerKind::Unnamed, ..peer },
            _ => peer,
        });
    }
    Ok(peers)
}

/// The line of an ntpq without `-w`: its ntpd takes the servers of a pool as if they stood in its file.
const OLD: &str = "old=yes";

/// The lines of the table of peers, each whole: a long address has a line of its own.
fn table(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut part = String::new();
    for line in text.lines().skip_while(|line| !is_rule(line)).skip(1).take_while(|line| !line.trim().is_empty()) {
        part.push_str(line);
        if part.split_whitespace().count() > 1 {
            lines.push(std::mem::take(&mut part));
        }
    }
    lines
}

fn is_rule(line: &str) -> bool {
    line.starts_with("====")
}

/// The places in the table of those that no line of the configuration names: members of a pool.
/// The table of associations has the order of that of the peers, and the word `no` for them.
fn spawned(text: &str) -> Vec<usize> {
    let rows = text.lines().skip_while(|line| !line.starts_with("ind ")).skip(2);
    let rows = rows.map(|line| line.split_whitespace().collect::<Vec<_>>()).take_while(|fields| fields.len() > 3);
    rows.enumerate().filter(|(_, fields)| fields[3] == "no").map(|(index, _)| index).collect()
}

/// Leaves out the line that stands for a pool.
fn is_peer(line: &str) -> bool {
    line.split_whitespace().count() >= 10 && pool(line).is_none()
}

/// The name in the line that stands for a pool.
fn pool(line: &str) -> Option<&str> {
    let mut fields = line.split_whitespace();
    fields.next().filter(|_| fields.next() == Some(".POOL."))
}

/// Reads a line of `ntpq -n -p`: tally code, remote, refid, stratum, type, when, poll, reach (octal), ...
fn peer(line: &str) -> Result<Peer> {
    let tally = line.chars().next().context("ntpq printed an empty line")?;
    let rest = line.get(tally.len_utf8()..).unwrap_or_default();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let [address, _, _, kind, when, poll, reach, ..] = fields[..] else {
        bail!("ntpq -p printed `{line}`");
    };
    Ok(Peer {
        address: address.to_owned(),
        name: None,
        // `o` is a system peer disciplined by its pulse per second.
        selected: matches!(tally, '*' | 'o'),
        mark: tally,
        reach: Some(u8::from_str_radix(reach, 8).with_context(|| format!("ntpq -p printed `{line}`"))?),
        last_s: age(when),
        every_s: age(poll),
        kind: if kind == "l" { PeerKind::Clock } else { PeerKind::Server },
        pools: Vec::new(),
    })
}

/// `-` for never, seconds, or a number with the letter of minutes, hours, days.
fn age(when: &str) -> Option<u64> {
    let digits = when.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match when.get(digits.len()..)? {
        "" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests;
