//! What the programs of a host can do, by their versions. One table: a feature that is used here, the
//! version that brought it, where that stands, and what is done without it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use Held::{Code, Shape, Test};

use super::Family;

/// A feature of a program of the host that is used.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    /// Its name in `lacks` of the facts.
    pub name: &'static str,
    /// The program.
    pub program: &'static str,
    /// What is used, as one writes it.
    pub what: &'static str,
    /// The first version that has it.
    pub since: &'static str,
    /// Where that is written.
    pub source: &'static str,
    /// What is done on an older one.
    pub without: &'static str,
    /// What sees to that.
    pub held: Held,
}

/// What makes a row true: none stands here that nothing reads.
#[derive(Debug, Clone, Copy)]
pub enum Held {
    /// Code or a template that looks for its name in `lacks`.
    Code,
    /// The way without it is always tried, and the lab has a shape of a system that refuses it: in these words of
    /// `tests/lab/ages/rules.txt`.
    Shape(&'static str),
    /// The same, and a test of this name shows it.
    Test(&'static str),
}

/// The oldest systemd whose hosts are managed.
pub const SYSTEMD: &str = "219";

/// The oldest chrony that is managed: `chronyc -c` and `local orphan`.
pub const CHRONY: &str = "2.4";

/// The oldest classic ntp that is managed.
pub const NTP: &str = "4.2.6";

const fn row(
    program: &'static str,
    name: &'static str,
    since: &'static str,
    what: &'static str,
    without: &'static str,
    source: &'static str,
    held: Held,
) -> Feature {
    Feature { name, program, what, since, source, without, held }
}

/// All features that some version within reach does not have. `docs/systems.md` shows this table.
#[rustfmt::skip]
pub const FEATURES: &[Feature] = &[
    row("chrony", "chrony_floor", CHRONY, "`chronyc -c`, `local ... orphan`", "refused: chrony is too old", "chrony NEWS, 2.4", Code),
    row("chrony", "ntpdata", "3.0", "`chronyc ntpdata`", "`doctor` goes without", "chrony NEWS, 3.0", Test("what_chronyd_says_of_its_sources_is_read")),
    row("chrony", "xleave", "3.0", "`xleave` of a source", "refused where it is asked for", "chrony NEWS, 3.0", Code),
    row("chrony", "source_offset", "3.0", "`offset` of a source", "refused where it is asked for", "chrony NEWS, 3.0", Code),
    row("chrony", "log_raw", "3.1", "`log rawmeasurements`", "refused where it is asked for", "chrony NEWS, 3.1", Code),
    row("chrony", "burst", "3.3", "`burst` of a source", "refused where it is asked for", "chrony NEWS, 3.3", Code),
    row("chrony", "filter", "3.4", "`filter` of a source", "refused where it is asked for", "chrony NEWS, 3.4", Code),
    row("chrony", "print_config", "4.0", "`chronyd -p`", "chronyd reads the file up to a line behind its end that it must refuse; nothing is opened or started", "chrony NEWS, 4.0", Code),
    row("chrony", "source_names", "4.0", "`chronyc -N`", "names are resolved on the host instead; changes at run time are not compared", "chrony NEWS, 4.0", Shape("-N")),
    row("chrony", "selectdata", "4.0", "`chronyc selectdata`, `authdata`", "`doctor` judges by `chronyc sources` alone", "chrony NEWS, 4.0", Shape("selectdata")),
    row("chrony", "dscp", "4.0", "`dscp`", "refused where it is asked for", "chrony NEWS, 4.0", Code),
    row("chrony", "extfield", "4.2", "`extfield` of a source", "refused where it is asked for", "chrony NEWS, 4.2", Code),
    row("chrony", "log_selection", "4.3", "`log selection`", "refused where it is asked for", "chrony NEWS, 4.3", Code),
    row("chrony", "leapseclist", "4.6", "`leapseclist`", "refused where it is asked for", "chrony NEWS, 4.6", Code),
    row("ntp", "ntp_floor", NTP, "the grammar of ntp.conf", "refused: ntp is too old", "ntp ChangeLog, 4.2.5", Code),
    row("ntp", "restrict_source", "4.2.7p22", "`restrict source`", "a `restrict` line for each source; with a source that is a name or a pool, the default lets everybody ask for time", "ntp ChangeLog, 4.2.7p22", Code),
    row("ntp", "pool_renewed", "4.2.7p22", "`pool` that looks for other servers when one goes", "`pool` asks all addresses that the name has when ntpd starts", "ntp ChangeLog, 4.2.7p22", Code),
    row("ntp", "orphanwait", "4.2.7p36", "`tos orphanwait`", "left out: orphan mode begins at once", "ntp ChangeLog, 4.2.7p36", Code),
    row("ntp", "mrulist", "4.2.7p22", "`ntpq -c mrulist`", "`doctor` does not say whether a question has come", "ntp ChangeLog, 4.2.7p22", Code),
    row("ntp", "wide", "4.2.7p461", "`ntpq -w`", "sources with a longer IPv6 address are refused; changes at run time are not compared", "ntp ChangeLog, 4.2.7p461", Code),
    row("ntp", "ntp_dscp", "4.2.8p3", "`dscp`", "refused where it is asked for", "ntp ChangeLog, 4.2.8p3, bug 2837", Code),
    row("systemd", "systemd_floor", SYSTEMD, "`systemd-run --on-active`, `busctl call`", "refused: systemd is too old", "systemd NEWS, 218 and 219", Test("a_system_that_is_not_managed_says_what_it_is")),
    row("systemd", "journal_sync", "228", "`journalctl --sync`", "the last lines of a service that fails may be missing", "systemd pull request 1848, in 228", Test("a_journal_that_cannot_be_synced_is_read_all_the_same")),
    row("systemd", "short_unix", "230", "`journalctl -o short-unix`", "the time is read in another form", "systemd NEWS, 230", Shape("short-unix")),
    row("systemd", "invocation", "232", "`InvocationID`", "the last lines of the unit", "systemd NEWS, 232", Shape("property:InvocationID")),
    row("systemd", "timesync_bus", "239", "`org.freedesktop.timesync1`", "`provider: timesyncd` is refused: it does not say what it follows", "systemd NEWS, 239", Code),
    row("systemd", "run0", "256", "`run0`", "refused: another `become` is named", "systemd NEWS, 256", Test("a_program_that_is_too_old_is_named")),
    row("sudo-rs", "prompt", "0.2.5", "`sudo -p`", "refused: sudo-rs is too old", "sudo-rs CHANGELOG, 0.2.5", Test("a_program_that_is_too_old_is_named")),
    row("firewalld", "rich_priority", "0.7.0", "`priority` of a rich rule", "the rule to take away is named, and a direct rule", "firewalld 0.7.0 release notes", Code),
    row("firewalld", "settings2", "0.9.0", "`getZoneSettings2`", "`getZoneSettings`, whose values have no names", "firewalld 0.9.0 release notes", Shape("get*Settings2")),
    row("firewalld", "zone_priority", "2.0.0", "`ingress_priority` of a zone", "zones with sources are taken in the order of their names", "firewalld.org, Zone Priorities, 2023", Test("a_lower_priority_comes_first")),
    row("nftables", "nft_json", "0.9.0", "`nft -j`", "the rules are said to be unreadable; nothing is concluded", "nftables 0.9.0 announcement", Shape("-j")),
    row("coreutils", "sync_file", "8.24", "`sync FILE`", "all file systems are synced", "coreutils NEWS, 8.24", Shape("ignored:*")),
    row("bash", "epochrealtime", "5.0", "`$EPOCHREALTIME`", "`date +%s%N`: the probe that needs bash is less exact", "bash NEWS, 5.0", Shape("unset:EPOCHREALTIME")),
    row("iproute2", "route_ports", "4.18.0", "`ip route get ... ipproto udp`", "rules that look at ports are not seen by `doctor`", "iproute2 4.18.0, ip route get support for sport, dport and ipproto match", Shape("ipproto")),
    row("apt", "lock_timeout", "1.9.11", "`DPkg::Lock::Timeout`", "tried again for a minute while another holds the lock", "apt change log, 1.9.11", Code),
];

/// Packages that bring the programs of the table, by program. systemd says itself what it is; what gives root
/// rights is met before there are facts.
const PACKAGES: &[(&str, &[&str])] = &[
    ("chrony", &["chrony"]),
    ("ntp", &["ntp"]),
    ("firewalld", &["firewalld"]),
    ("nftables", &["nftables"]),
    ("coreutils", &["coreutils", "coreutils-single"]),
    ("bash", &["bash"]),
    ("iproute2", &["iproute2", "iproute"]),
    ("apt", &["apt"]),
];

/// Returns the names of all packages whose versions are of interest.
pub(super) fn packages() -> String {
    let time = ["chrony", "ntp"];
    let others = PACKAGES.iter().filter(|(program, _)| !time.contains(program));
    others.flat_map(|(_, names)| names.iter().copied()).collect::<Vec<_>>().join(" ")
}

/// Returns the version of each program: as it says itself, else as its package says.
///
/// `said` are pairs of a program and the first line that it printed; `installed` are packages.
pub(super) fn read<'a>(
    said: impl Iterator<Item = (&'a str, &'a str)>,
    installed: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    for (program, names) in PACKAGES {
        let package = names.iter().find_map(|name| installed.get(*name));
        versions.extend(package.and_then(|text| upstream(text)).map(|version| ((*program).to_owned(), version)));
    }
    for (program, line) in said {
        let Some(version) = printed(line) else { continue };
        if program == "ntpd" && line.contains("ntpsec") {
            versions.remove("ntp");
            versions.insert("ntpsec".to_owned(), version);
            continue;
        }
        let program = if program == "ntpd" { "ntp" } else { program };
        versions.insert(program.to_owned(), version);
    }
    versions
}

/// The part of a package's version that its makers gave it: `1:4.2.8p15+dfsg-1` is `4.2.8p15`.
fn upstream(text: &str) -> Option<String> {
    let text = text.split_once(':').map_or(text, |(_, rest)| rest);
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(text.len());
    text.get(..end).filter(|version| version.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

/// The first word of a line that is a version: `chronyd (chrony) version 3.4 (+CMDMON ...)`,
/// `ntpd 4.2.6p5@1.2349-o`, `systemd 219`, `ntpd ntpsec-1.2.2`.
fn printed(line: &str) -> Option<String> {
    line.split([' ', '@', '(']).map(|word| word.trim_start_matches("ntpsec-")).find_map(upstream)
}

/// Compares two versions: numbers by their value, and `4.2.6p5` between `4.2.6` and `4.2.7`.
pub fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> {
        let parts = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
        parts.map(|part| part.parse().unwrap_or(u64::MAX)).collect()
    };
    let (mut a, mut b) = (numbers(a), numbers(b));
    let longest = a.len().max(b.len());
    a.resize(longest, 0);
    b.resize(longest, 0);
    a.cmp(&b)
}

/// Returns whether a version is older than another.
pub fn is_older(version: &str, than: &str) -> bool {
    compare(version, than) == Ordering::Less
}

/// What a system brings of a program that is not installed yet, where that is an old one.
pub(super) fn brings(family: Family, id: &str, version: &str) -> Option<(&'static str, &'static str)> {
    let major = version.split('.').next().unwrap_or_default();
    // Fedora 7 had no systemd; all others of the family that are called 7 are made of RHEL 7, and Amazon Linux 2 is.
    let is_el7 = family == Family::RedHat && (major == "7" || id == "amzn" && major == "2");
    match version {
        _ if is_el7 => Some(("ntp", "4.2.6p5")),
        "16.04" if id == "ubuntu" => Some(("chrony", "2.1.1")),
        _ => None,
    }
}

/// Returns the names of the features that the programs of these versions do not have. One whose version
/// is not known counts as new: what it is asked for then fails in words, and is taken back.
pub fn lacks(versions: &BTreeMap<String, String>) -> Vec<&'static str> {
    let old = |feature: &&Feature| versions.get(feature.program).is_some_and(|is| is_older(is, feature.since));
    FEATURES.iter().filter(old).map(|feature| feature.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn versions_are_read_as_programs_and_packages_write_them() {
        for (line, version) in [
            ("chronyd (chrony) version 3.4 (+CMDMON +NTP +REFCLOCK)", Some("3.4")),
            ("chronyd (chrony) version 4.6.1 (+CMDMON)", Some("4.6.1")),
            ("chronyd (chrony) version DEVELOPMENT (+CMDMON)", None),
            ("ntpd - NTP daemon program - Ver. 4.2.6p5", Some("4.2.6p5")),
            ("ntpd 4.2.6p5@1.2349-o Tue Jun 23 15:38:21 UTC 2020 (1)", Some("4.2.6p5")),
            ("ntpd 4.2.8p15@1.3728-o Wed Sep 23 11:46:38 UTC 2020 (1)", Some("4.2.8p15")),
            ("ntpd ntpsec-1.2.2", Some("1.2.2")),
            ("systemd 219", Some("219")),
            ("systemd 252 (252.39-1~deb12u1)", Some("252")),
            ("systemd 257.9-1~deb13u1", Some("257.9")),
            ("usage: ntpd [-dnSsv] [-f file]", None),
        ] {
            assert_eq!(printed(line).as_deref(), version, "{line}");
        }
        for (package, version) in [
            ("1:4.2.8p15+dfsg-1", "4.2.8p15"),
            ("4.2.6p5-29.el7.centos.2", "4.2.6p5"),
            ("3.4-1.el7", "3.4"),
            ("219-78.el7_9.9", "219"),
            ("245.4-4ubuntu3.24", "245.4"),
            ("8.22-24.el7", "8.22"),
        ] {
            assert_eq!(upstream(package).as_deref(), Some(version), "{package}");
        }
    }

    #[test]
    fn a_patch_level_comes_after_its_version_and_before_the_next() {
        for (older, newer) in [
            ("4.2.6p5", "4.2.7p22"),
            ("4.2.6", "4.2.6p1"),
            ("4.2.7p22", "4.2.8"),
            ("4.2.7p9", "4.2.7p22"),
            ("3.5.1", "4.0"),
            ("2.4", "3.0"),
            ("8.6", "8.24"),
            ("219", "230"),
        ] {
            assert!(is_older(older, newer) && !is_older(newer, older), "{older} {newer}");
        }
        assert!(!is_older("4.0", "4") && !is_older("4", "4.0"));
    }

    #[test]
    fn what_the_program_says_counts_more_than_its_package() {
        let installed = BTreeMap::from([("chrony".to_owned(), "4.3-2+deb12u1".to_owned())]);
        let versions = read([("chrony", "chronyd (chrony) version 3.4 (+CMDMON)")].into_iter(), &installed);
        assert_eq!(versions["chrony"], "3.4");
        assert!(
            ["print_config", "source_names", "selectdata", "dscp"].iter().all(|name| lacks(&versions).contains(name))
        );
        assert!(!lacks(&versions).contains(&"filter"), "3.4 has it");
        let silent = read([("chrony", "error while loading shared libraries")].into_iter(), &installed);
        assert_eq!((silent["chrony"].as_str(), lacks(&silent)), ("4.3", vec!["leapseclist"]));
        let sec = read([("ntpd", "ntpd ntpsec-1.2.2")].into_iter(), &BTreeMap::new());
        assert_eq!((sec["ntpsec"].as_str(), lacks(&sec)), ("1.2.2", vec![]));
        assert_eq!(lacks(&BTreeMap::new()), Vec::<&str>::new());
    }

    #[test]
    fn what_a_system_brings_is_known_by_its_family() {
        let old = Some(("ntp", "4.2.6p5"));
        for (family, id, version, wanted) in [
            (Family::RedHat, "rhel", "7.9", old),
            (Family::RedHat, "centos", "7", old),
            (Family::RedHat, "cloudlinux", "7.9", old),
            (Family::RedHat, "virtuozzo", "7", old),
            (Family::RedHat, "amzn", "2", old),
            (Family::RedHat, "amzn", "2023", None),
            (Family::RedHat, "rocky", "9.4", None),
            (Family::RedHat, "fedora", "42", None),
            (Family::Debian, "debian", "7", None),
            (Family::Debian, "ubuntu", "16.04", Some(("chrony", "2.1.1"))),
            (Family::Debian, "ubuntu", "20.04", None),
        ] {
            assert_eq!(brings(family, id, version), wanted, "{id} {version}");
        }
    }

    #[test]
    fn names_are_there_once_and_no_version_is_asked_for_in_vain() {
        let mut names: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        let (asked, others) = (PACKAGES.iter().map(|(program, _)| *program), ["systemd", "sudo-rs"]);
        let used: BTreeSet<&str> = FEATURES.iter().map(|feature| feature.program).collect();
        assert_eq!(
            used,
            asked.chain(others).collect(),
            "a version is read where it makes a difference, and only there"
        );
    }

    /// `docs/systems.md` has this table; with `UPDATE=1` the test writes it.
    #[test]
    fn the_page_shows_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/systems.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (begin, end) = ("<!-- versions -->\n", "<!-- end -->");
        let (head, rest) = page.split_once(begin).unwrap();
        let (shown, tail) = rest.split_once(end).unwrap();
        let rows: String = FEATURES
            .iter()
            .map(|f| format!("| {} | {} | {} | {} | {} |\n", f.program, f.since, f.what, f.without, f.source))
            .collect();
        let table = format!(
            "| program | since | what is used | on an older one | source |\n| --- | --- | --- | --- | --- |\n{rows}"
        );
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
            return;
        }
        assert_eq!(shown, table, "UPDATE=1 writes it");
    }
}
