//! ntpd: classic ntp and ntpsec.

use anyhow::{Context, Result, bail};

use super::{DaemonStatus, Layout, LinuxProvider, Peer, Provider, has_ntpsec};
use crate::facts::{Facts, Family};
use crate::inventory::spec::ProviderChoice;
use crate::report::DaemonReport;
use crate::resource::Slice;

/// ntpd, asked through `ntpq` (control messages, RFC 9327).
pub(super) struct Ntpd;

impl Provider for Ntpd {
    fn name(&self) -> &'static str {
        "ntpd"
    }

    fn choice(&self) -> ProviderChoice {
        ProviderChoice::Ntpd
    }

    fn asks_from_123(&self) -> bool {
        true
    }

    fn playbook(&self) -> &'static str {
        "linux-ntpd.yml"
    }

    fn status(&self) -> &'static str {
        "ntpq -n -c 'rv 0 leap,stratum,refid,offset,rootdisp' && echo -- && ntpq -n -p"
    }

    fn parse_status(&self, seen: &Slice) -> Result<DaemonStatus> {
        let Some((variables, table)) = seen.stdout.split_once("--\n").filter(|_| seen.status == 0) else {
            return Ok(silent(seen));
        };
        let peers = table.lines().filter(|line| is_peer(line)).map(peer).collect::<Result<Vec<_>>>()?;
        Ok(DaemonStatus { report: report(variables, &peers), peers })
    }
}

impl LinuxProvider for Ntpd {
    fn units(&self) -> &'static [&'static str] {
        &["ntpsec", "ntp", "ntpd"]
    }

    fn layout(&self, facts: &Facts) -> Layout {
        let classic = Layout {
            package: "ntp",
            service: "ntpd",
            units: &["ntpd"],
            config: "/etc/ntp.conf",
            driftfile: "/var/lib/ntp/drift",
            logdir: "/var/log/ntpstats",
            validate: String::new(),
        };
        match facts.family {
            Family::Debian if has_ntpsec(facts) => Layout {
                package: "ntpsec",
                service: "ntpsec",
                units: &["ntpsec", "ntp", "ntpd"],
                config: "/etc/ntpsec/ntp.conf",
                driftfile: "/var/lib/ntpsec/ntp.drift",
                logdir: "/var/log/ntpsec",
                ..classic
            },
            Family::Debian => {
                Layout { service: "ntp", units: &["ntp", "ntpd"], driftfile: "/var/lib/ntp/ntp.drift", ..classic }
            }
            Family::RedHat => classic,
            Family::Suse => Layout { driftfile: "/var/lib/ntp/drift/ntp.drift", ..classic },
        }
    }

    fn ready(&self) -> &'static str {
        "fc_t=$(ntpq -n -c 'rv 0 leap' 2>/dev/null) && case $fc_t in *leap=11*|*leap=3*) false ;; *leap=*) ;; *) false ;; esac"
    }
}

/// ntpd does not answer.
fn silent(seen: &Slice) -> DaemonStatus {
    let words = if seen.stderr.trim().is_empty() { &seen.stdout } else { &seen.stderr };
    let report = DaemonReport {
        provider: "ntpd".to_owned(),
        synchronised: false,
        source: None,
        stratum: None,
        offset_s: None,
        root_dispersion_s: None,
        detail: format!("ntpq: {}", words.trim()),
    };
    DaemonStatus { report, peers: Vec::new() }
}

/// Reads `name=value, name=value`; offset and dispersion are in milliseconds.
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
        provider: "ntpd".to_owned(),
        synchronised,
        source: selected.or_else(|| value("refid").map(str::to_owned)).filter(|_| synchronised),
        stratum: value("stratum").and_then(|text| text.parse().ok()),
        offset_s: seconds("offset"),
        root_dispersion_s: seconds("rootdisp"),
        detail: if synchronised { String::new() } else { why_not(peers) },
    }
}

fn why_not(peers: &[Peer]) -> String {
    match peers.iter().filter(|peer| peer.reach != Some(0)).count() {
        0 => format!("none of {} sources has answered", peers.len()),
        some => format!("{some} of {} sources have answered, none is selected", peers.len()),
    }
}

/// Leaves out the heading, the line that stands for a pool, and what ntpq says when there is none.
fn is_peer(line: &str) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    fields.len() >= 10 && fields[0] != "remote" && fields[1] != ".POOL."
}

/// Reads a line of `ntpq -n -p`: tally code, remote, refid, stratum, type, when, poll, reach (octal), ...
fn peer(line: &str) -> Result<Peer> {
    let tally = line.chars().next().context("ntpq printed an empty line")?;
    let rest = line.get(tally.len_utf8()..).unwrap_or_default();
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let [address, _, _, _, _, _, reach, ..] = fields[..] else {
        bail!("ntpq -p printed `{line}`");
    };
    Ok(Peer {
        address: address.to_owned(),
        // `o` is a system peer disciplined by its pulse per second.
        selected: matches!(tally, '*' | 'o'),
        reach: Some(u8::from_str_radix(reach, 8).with_context(|| format!("ntpq -p printed `{line}`"))?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNCED: &str = "leap=00, stratum=11, refid=10.10.10.1, offset=-0.012, rootdisp=1.5\n--\n     remote           refid      st t when poll reach   delay   offset  jitter\n==============================================================================\n*10.10.10.1      127.127.1.1     10 u    3   64  377    0.214   -0.012   0.021\n 0.pool.ntp.org  .POOL.          16 p    -   64    0    0.000    0.000   0.000\n";

    #[test]
    fn the_star_is_the_source() {
        let seen = Slice { stdout: SYNCED.to_owned(), ..Slice::default() };
        let status = Ntpd.parse_status(&seen).unwrap();
        assert!(status.report.synchronised);
        assert_eq!(status.report.source.as_deref(), Some("10.10.10.1"));
        assert_eq!(status.report.offset_s, Some(-0.000_012));
        assert_eq!(status.peers, [Peer { address: "10.10.10.1".into(), selected: true, reach: Some(255) }]);
    }

    #[test]
    fn leap_eleven_is_not_synchronised() {
        let stdout = SYNCED.replace("leap=00", "leap=11").replace('*', " ");
        let status = Ntpd.parse_status(&Slice { stdout, ..Slice::default() }).unwrap();
        assert!(!status.report.synchronised);
        assert_eq!(status.report.detail, "1 of 1 sources have answered, none is selected");
    }

    #[test]
    fn a_refused_connection_is_a_status() {
        let seen = Slice { stderr: "ntpq: read: Connection refused\n".to_owned(), status: 1, ..Slice::default() };
        assert_eq!(Ntpd.parse_status(&seen).unwrap().report.detail, "ntpq: ntpq: read: Connection refused");
    }
}
