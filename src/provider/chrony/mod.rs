//! chrony.

mod access;
mod diagnosis;
mod runtime;

use anyhow::{Context, Result, bail};

use ipnet::IpNet;

use super::peer::unselected;
use super::started::CommandLine;
use super::{DaemonStatus, Layout, LinuxProvider, Peer, PeerKind, Provider, passed};
use crate::facts::services::{CHRONY, Service};
use crate::facts::{Facts, Family};
use crate::inventory::spec::{LeapSource, TimeSpec};
use crate::model::{DaemonReport, Slice};

/// chronyd, asked through `chronyc -c` (comma separated values, no words of people).
pub(super) struct Chrony;

/// Separates the two answers of [`Provider::status`].
const DIVIDER: &str = "--";

/// Reference id of a chronyd that serves its own clock, 127.127.1.1 (directive `local`).
const OWN_CLOCK: &str = "7F7F0101";

/// What `chronyd --version` says before 4.0, as a pattern of the shell; `-p` came with 4.0.
const BEFORE_4: &str = "*'version '[123].*";

/// Shell text that succeeds when a chronyd before 4.0 takes the file `{}`: it reads the file, and then
/// a line that it must refuse. So it ends there, before it asks, serves, sets or writes anything, and
/// whether it came so far says that it has taken all of the file.
const READ_OLD: &str = "{ fc_v=$(LC_ALL=C chronyd -Q \"include \"{} 'port -' 2>&1); case $fc_v in *' at line 2') ;; *) printf '%s\\n' \"$fc_v\" >&2; false ;; esac; }";

/// The command that accepts or refuses a file. What is not installed yet is asked when it is.
fn validate(facts: &Facts) -> String {
    match facts.versions.contains_key("chrony") {
        true if facts.lacks.contains(&"print_config") => READ_OLD.to_owned(),
        true => PRINT.to_owned(),
        false => format!("case $(chronyd --version 2>&1) in {BEFORE_4}) {READ_OLD} ;; *) {PRINT} ;; esac"),
    }
}

/// As of chrony 4.0.
const PRINT: &str = "chronyd -p -f {}";

impl Provider for Chrony {
    fn service(&self) -> &'static Service {
        &CHRONY
    }

    fn playbook(&self) -> &'static str {
        "linux-chrony.yml"
    }

    /// Its default `maxslewrate`.
    fn slew_ppm(&self) -> f64 {
        83_333.0
    }

    /// The third answer, the names that the configuration has for the sources, came with chrony 4.0.
    fn status(&self) -> &'static str {
        "chronyc -n -c tracking && echo -- && chronyc -n -c sources && echo -- && { chronyc -N -c sources 2>/dev/null || :; }"
    }

    fn parse_status(&self, seen: &Slice) -> Result<DaemonStatus> {
        if seen.status != 0 {
            return Ok(silent(seen));
        }
        let lines: Vec<&str> = seen.stdout.lines().collect();
        let mut answers = lines.split(|line| *line == DIVIDER);
        let tracking = answers.next().and_then(|lines| lines.first()).context("chronyc tracking printed nothing")?;
        let mut peers = answers.next().into_iter().flatten().map(|line| peer(line)).collect::<Result<Vec<_>>>()?;
        name(&mut peers, answers.next().unwrap_or_default());
        Ok(DaemonStatus { report: report(tracking, &peers)?, peers })
    }
}

impl LinuxProvider for Chrony {
    fn floor(&self, _facts: &Facts) -> Option<&'static str> {
        Some("chrony_floor")
    }

    fn layout(&self, facts: &Facts) -> Layout {
        let debian = Layout {
            package: "chrony",
            service: "chrony",
            units: CHRONY.units,
            config: "/etc/chrony/chrony.conf",
            driftfile: "/var/lib/chrony/chrony.drift",
            logdir: "/var/log/chrony",
            validate: validate(facts),
        };
        match facts.family {
            Family::Debian => debian,
            Family::RedHat | Family::Suse => {
                Layout { service: "chronyd", config: "/etc/chrony.conf", driftfile: "/var/lib/chrony/drift", ..debian }
            }
        }
    }

    /// It says nothing of a zone of `leapsectz` that is not there but a line in its log, and goes on without.
    fn shortcomings(&self, time: &TimeSpec, facts: &Facts) -> Vec<String> {
        let zone = |line: &String| line.trim().strip_prefix("leapsectz ").map(|zone| zone.trim().to_owned());
        let said = time.tuning.leap.iter().filter_map(|leap| match &leap.source {
            Some(LeapSource::Zone(zone)) => Some(zone.clone()),
            _ => None,
        });
        let missing =
            time.extra.iter().filter_map(zone).chain(said).find(|zone| zone.starts_with("right/") && !facts.right);
        let words = missing.map(|zone| {
            let package = match facts.family {
                Family::Debian => "; `apt-get install tzdata-legacy` brings it",
                Family::RedHat | Family::Suse => "",
            };
            format!("`leapsectz {zone}`: this system has no zone {zone}, and chronyd goes on without leap seconds from it{package}")
        });
        words.into_iter().collect()
    }

    fn ready(&self) -> &'static str {
        "fc_t=$(chronyc -n -c tracking 2>/dev/null) && [ \"${fc_t%%,*}\" != 00000000 ]"
    }

    fn talks(&self) -> &'static str {
        "timeout 8 chronyc -n -c tracking >/dev/null 2>&1"
    }

    /// chronyd does not start with a line that it does not understand, and goes on without tables of leap seconds
    /// that are not there.
    fn passed_over(&self) -> String {
        passed::over(PASSED, Some(MAY_PASS_OVER))
    }

    fn runtime(&self, config: &str, serve: &[IpNet]) -> String {
        runtime::probe(config, serve)
    }

    fn changed_at_run_time(&self, seen: &Slice, serve: &[IpNet]) -> Option<String> {
        runtime::changed(seen, serve)
    }

    /// The last of three octal digits is that of the last three polls.
    fn followed(&self) -> &'static str {
        r"chronyc -n -c sources 2>/dev/null | sed -n 's/^.,\*,\([^,]*\),[^,]*,[^,]*,[0-7]*[1-7],.*/\1/p'"
    }

    /// Polls may be 17 minutes apart and more; two questions of each source, two seconds apart.
    fn hurry(&self) -> &'static str {
        r#"[ -n "$(chronyc -n -c sources 2>/dev/null | sed -n 's/^.,\*,\([^,]*,\)\{3\}[0-7]*[1-7],.*/x/p')" ] || chronyc burst 1/2 >/dev/null 2>&1 || :"#
    }

    fn age(&self) -> &'static str {
        "chronyc -n -c sources 2>/dev/null | sed -n 's/^\\([^,]*,\\)\\{6\\}\\([0-9]*\\),.*/\\2/p' | sort -n | head -n 1"
    }
}

/// What stands in the journal of a table of leap seconds that is not there, and the line that names it.
const PASSED: &str = r#"sed -n 's/.*\(Timezone\|Leap second list\) \(.*\) failed .*check, ignoring.*/\2/p' |
while read -r fc_w; do grep -nF -e " $fc_w" "$fc_config" | sed -n 's/^\([0-9]*\):[[:space:]]*leapsec.*/\1/p'; done"#;

/// Succeeds where the file has a line that chronyd may go on without: nothing else is worth a look at the journal.
const MAY_PASS_OVER: &str = r#"grep -qs '^[[:space:]]*leapsec' "$fc_config""#;

/// chronyd(8), up to 4.6.
const COMMAND_LINE: CommandLine = CommandLine {
    program: "chronyd",
    values: "fFPrtuLl",
    config: 'f',
    directives: true,
    no_clock: Some('x'),
    once: "qQtp",
};

/// chronyd does not answer.
fn silent(seen: &Slice) -> DaemonStatus {
    let words = if seen.stdout.trim().is_empty() { &seen.stderr } else { &seen.stdout };
    DaemonStatus::silent(CHRONY.name, format!("chronyc: {}", words.trim()))
}

/// Reads `chronyc -c tracking`: reference id, address, stratum, reference time, correction,
/// last offset, RMS offset, frequency, residual, skew, root delay, root dispersion, interval, leap.
fn report(line: &str, peers: &[Peer]) -> Result<DaemonReport> {
    let fields: Vec<&str> = line.split(',').collect();
    let [reference, source, stratum, _, correction, .., delay, dispersion, _, _] = fields[..] else {
        bail!("chronyc tracking printed `{line}`");
    };
    let synchronised = reference != "00000000";
    Ok(DaemonReport {
        provider: CHRONY.name.to_owned(),
        synchronised,
        source: synchronised.then(|| source.to_owned()).filter(|source| !source.is_empty()),
        stratum: synchronised.then(|| stratum.parse().ok()).flatten(),
        offset_s: correction.parse().ok(),
        root_dispersion_s: dispersion.parse().ok().filter(|_| synchronised),
        root_delay_s: delay.parse().ok().filter(|_| synchronised),
        since_s: None,
        refid: synchronised.then(|| reference.to_ascii_lowercase()),
        own_clock: reference == OWN_CLOCK,
        detail: if synchronised { String::new() } else { unselected(peers) },
    })
}

/// Reads a line of `chronyc -c sources`: mode, state, name, stratum, poll (log2 seconds), reach (octal), age of the
/// last sample (all ones: none), ...
fn peer(line: &str) -> Result<Peer> {
    let fields: Vec<&str> = line.split(',').collect();
    let [mode, state, address, _, poll, reach, age, ..] = fields[..] else {
        bail!("chronyc sources printed `{line}`");
    };
    Ok(Peer {
        address: address.to_owned(),
        name: None,
        selected: state == "*",
        mark: state.chars().next().unwrap_or_default(),
        reach: Some(u8::from_str_radix(reach, 8).with_context(|| format!("chronyc sources printed `{line}`"))?),
        last_s: age.parse().ok().filter(|age| *age < u64::from(u32::MAX)),
        every_s: poll.parse().ok().and_then(|poll: i32| 1_u64.checked_shl(u32::try_from(poll.max(0)).ok()?)),
        kind: if mode == "#" { PeerKind::Clock } else { PeerKind::Server },
        pools: Vec::new(),
    })
}

/// Gives the sources the names that their configuration has for them; both answers are in one order.
fn name(peers: &mut [Peer], lines: &[&str]) {
    let named = peers.len() == lines.len();
    for (index, peer) in peers.iter_mut().enumerate() {
        match lines.get(index).filter(|_| named) {
            Some(line) => peer.name = line.split(',').nth(2).map(str::to_owned),
            None if peer.kind == PeerKind::Server => peer.kind = PeerKind::Unnamed,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(stdout: &str, status: i32) -> Slice {
        Slice { stdout: stdout.to_owned(), stderr: String::new(), status }
    }

    const SYNCED: &str = "0A0A0A01,10.10.10.1,11,1795150000.1,0.000001,-0.000002,0.000002,-1.5,0.0,0.1,0.000200,0.000300,16.1,Normal\n--\n^,*,10.10.10.1,10,6,377,23,0.000001,0.000001,0.000100\n^,?,10.10.10.9,0,6,0,4294967295,0.0,0.0,0.0\n";

    #[test]
    fn leap_seconds_of_a_zone_that_is_not_there_are_said_to_be_missing() {
        let time = |extra: &str| {
            let text =
                format!("hosts: {{ h: {{ address: 10.0.0.9, role: master, isolated: true, extra: ['{extra}'] }} }}");
            crate::inventory::parse("t.yml".as_ref(), &text).unwrap().hosts.remove(0).time
        };
        let new = Facts { right: false, ..crate::facts::linux::tests_facts("") };
        let old = Facts { right: true, ..new.clone() };
        for (extra, lacks) in [
            ("leapsectz right/UTC", true),
            (" leapsectz  right/UTC ", true),
            ("leapsectz Etc/UTC", false),
            ("makestep 1 3", false),
        ] {
            assert_eq!(!Chrony.shortcomings(&time(extra), &new).is_empty(), lacks, "{extra}");
            assert!(Chrony.shortcomings(&time(extra), &old).is_empty(), "{extra}");
        }
    }

    #[test]
    fn a_selected_source_is_synchronised() {
        let status = Chrony.parse_status(&seen(SYNCED, 0)).unwrap();
        assert!(status.report.synchronised);
        assert_eq!(status.report.source.as_deref(), Some("10.10.10.1"));
        assert_eq!(status.report.stratum, Some(11));
        assert_eq!(status.report.root_dispersion_s, Some(0.0003));
        let first = &status.peers[0];
        assert_eq!((first.address.as_str(), first.selected, first.reach), ("10.10.10.1", true, Some(0o377)));
        assert_eq!(first.every_s, Some(64));
        assert_eq!((first.last_s, status.peers[1].last_s), (Some(23), None));
        assert!(!status.peers[1].selected);
        assert_eq!((status.report.refid.as_deref(), status.report.own_clock), (Some("0a0a0a01"), false));
    }

    #[test]
    fn a_source_has_the_name_of_the_configuration_and_a_clock_is_no_server() {
        let text = SYNCED.replace("^,?,10.10.10.9", "#,?,GPS");
        let named = "--\n^,*,ntp1.lab,10,6,377,23,0.0,0.0,0.0\n#,?,GPS,0,6,0,4294967295,0.0,0.0,0.0\n";
        let status = Chrony.parse_status(&seen(&format!("{text}{named}"), 0)).unwrap();
        assert_eq!(status.peers[0].name.as_deref(), Some("ntp1.lab"));
        assert_eq!((status.peers[1].name.as_deref(), status.peers[1].kind), (Some("GPS"), PeerKind::Clock));
    }

    #[test]
    fn its_own_clock_is_known_by_its_reference() {
        let text = "7F7F0101,,10,1795594892.1,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Normal\n--\n--\n";
        let status = Chrony.parse_status(&seen(text, 0)).unwrap();
        assert!(status.report.synchronised && status.report.own_clock && status.report.source.is_none());
    }

    #[test]
    fn no_selection_says_why() {
        let text = SYNCED.replace("0A0A0A01", "00000000").replace("^,*", "^,?");
        let status = Chrony.parse_status(&seen(&text, 0)).unwrap();
        assert!(!status.report.synchronised);
        assert_eq!(status.report.detail, "1 of 2 sources have answered, none is selected");
    }

    #[test]
    fn a_silent_daemon_is_a_status_and_not_an_error() {
        let status = Chrony.parse_status(&seen("506 Cannot talk to daemon\n", 1)).unwrap();
        assert_eq!(status.report.detail, "chronyc: 506 Cannot talk to daemon");
    }

    /// The words of chronyd 3.4, 2.4 and 4.3.
    #[test]
    fn a_chronyd_without_an_option_for_it_tells_whether_it_takes_a_file() {
        let all = "Fatal error : Could not parse port directive at line 2";
        for (says, taken) in [
            (all, true),
            ("Fatal error : Invalid command at line 9 in file /etc/x", false),
            ("Fatal error : Too many arguments for makestep directive at line 2 in file /etc/x", false),
            ("Fatal error : Could not open configuration file /etc/x : Permission denied", false),
        ] {
            for (version, read_by) in [("3.4", "-Q"), ("4.3", "-p")] {
                let facts = |text: &str| crate::facts::linux::tests_facts(text);
                let known = validate(&facts(&format!("said=chrony chronyd (chrony) version {version}\n")));
                for text in [known, validate(&facts(""))] {
                    let script = format!(
                        "chronyd() {{ case $1 in --version) echo 'chronyd (chrony) version {version} (+X)'; return ;; esac\n\
                         echo \"$1\" >&3; echo '2026-11-25T12:00:00Z {says}' >&2; [ \"$1\" = -p ] && {taken}; }}\n{}",
                        text.replace("{}", "\"/etc/x\"")
                    );
                    #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
                    let output = std::process::Command::new("sh")
                        .args(["-c", &format!("exec 3>&1\n{script}")])
                        .output()
                        .unwrap();
                    assert_eq!(output.status.success(), taken, "{says} {version}: {output:?}");
                    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), read_by, "{version}");
                    let error = String::from_utf8_lossy(&output.stderr).into_owned();
                    assert!(taken || error.contains(says), "{error}");
                }
            }
        }
    }

    #[test]
    fn garbage_is_an_error_that_shows_it() {
        let error = Chrony.parse_status(&seen("what\n", 0)).unwrap_err();
        assert!(error.to_string().contains("`what`"));
    }
}
