//! The facts of a Linux host: one script, one parser.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::services::{self, System};
use super::versions::{self, SYSTEMD};
use super::{Facts, Family, PackageManager, Unit, units};
use crate::exit::Hint;
use crate::firewall::registry::{self, Signs};
use crate::firewall::{ALL, Word, record};

/// Marks of restarts that are owed. On a tmpfs: after a reboot the service has loaded everything.
pub(crate) const OWED: &str = "/run/fleetclock/owed";

/// Shell text that prints the places, `FILE:LINE`, where cloud-init is told to write a time configuration; nothing
/// where it is not installed or switched off.
pub const CLOUD: &str = r#"if command -v cloud-init >/dev/null 2>&1 && [ ! -e /etc/cloud/cloud-init.disabled ] && ! grep -qs 'cloud-init=disabled' /proc/cmdline; then
grep -Hn -A 3 '^ntp:' /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg /var/lib/cloud/instance/cloud-config.txt 2>/dev/null | {
fc_t=
while IFS= read -r fc_l; do
case $fc_l in
*:[0-9]*:ntp:*) [ -z "$fc_t" ] || echo "$fc_t"; fc_t=${fc_l%%:ntp:*} ;;
*'enabled: false'*) fc_t= ;;
esac
done
[ -z "$fc_t" ] || echo "$fc_t"
}
fi"#;

/// Returns shell text that prints `key=value` lines; a tool that is missing leaves its line out.
///
/// Every process that it starts is paid by each host of each run, and so is every line that it
/// writes by itself: what the shell can read, it reads, what it has to say, it says at once, and
/// systemd is only asked for units that are there.
pub fn script() -> String {
    let joined = |names: Vec<&str>| names.join(" ");
    let packages = joined(services::packages().collect()) + " " + &versions::packages();
    let units = joined(services::units().chain(ALL.iter().flat_map(|firewall| firewall.units()).copied()).collect());
    let said = |service: &services::Service| service.version.map(|(name, program)| format!("{name}={program}"));
    let programs: Vec<String> =
        std::iter::once("systemd=systemctl".to_owned()).chain(services::of(System::Linux).filter_map(said)).collect();
    let programs = programs.join(" ");
    let (signs, records) = (ALL.iter().map(|firewall| firewall.sign()).collect::<String>(), record::list());
    format!(
        r#"fc_release=
for fc_file in /etc/os-release /usr/lib/os-release; do
[ -r "$fc_file" ] && {{ . "$fc_file"; fc_release=yes; break; }}
done
# Before there was such a file, each had its own.
[ -n "$fc_release" ] || for fc_file in /etc/redhat-release /etc/SuSE-release /etc/debian_version /etc/slackware-version; do
[ -r "$fc_file" ] && {{ read -r PRETTY_NAME <"$fc_file"; break; }}
done
[ -n "$fc_release${{PRETTY_NAME-}}" ] || PRETTY_NAME=$(uname -sr)
{{ read -r fc_arch </proc/sys/kernel/arch; }} 2>/dev/null || fc_arch=$(uname -m)
fc_host=
read -r fc_host </proc/sys/kernel/hostname
while read -r fc_x fc_uid fc_rest; do [ "$fc_x" = Uid: ] && break; done </proc/self/status
fc_systemd= fc_init=
if [ -d /run/systemd/system ]; then fc_systemd=yes; else
read -r fc_init 2>/dev/null </proc/1/comm
case $(readlink /proc/1/exe) in *busybox*) fc_init=busybox ;; esac
if [ -e /run/openrc ]; then fc_init=OpenRC; elif [ -d /etc/init ] && [ "$fc_init" = init ]; then
case $(/sbin/init --version 2>/dev/null) in *upstart*) fc_init=upstart ;; esac
elif [ "$fc_init" = init ]; then fc_init='System V init'; fi
fi
# Each says itself what it is: what runs need not be what was installed.
for fc_tool in {programs}; do
command -v "${{fc_tool#*=}}" >/dev/null 2>&1 || continue
"${{fc_tool#*=}}" --version 2>&1 </dev/null | {{ read -r fc_x && echo "said=${{fc_tool%=*}} $fc_x"; }}
done
fc_tools=
for fc_tool in apt-get dnf yum zypper; do
command -v "$fc_tool" >/dev/null 2>&1 && fc_tools="$fc_tools
tool=$fc_tool"
done
fc_platform=
[ -r /run/systemd/container ] && read -r fc_platform </run/systemd/container
[ -n "$fc_platform" ] || [ ! -r /sys/class/dmi/id/sys_vendor ] || read -r fc_platform </sys/class/dmi/id/sys_vendor
if command -v apt-get >/dev/null 2>&1; then
dpkg-query -W -f 'package=${{Package}} ${{db:Status-Status}} ${{Version}}\n' {packages} 2>/dev/null
elif command -v rpm >/dev/null 2>&1; then
rpm -q --qf 'package=%{{NAME}} installed %{{VERSION}}-%{{RELEASE}}\n' {packages} 2>/dev/null | grep '^package='
fi
fc_units= fc_owed=
for fc_u in {units}; do
for fc_d in /etc /run /usr/lib /lib; do
[ -e "$fc_d/systemd/system/$fc_u.service" ] || [ -h "$fc_d/systemd/system/$fc_u.service" ] || continue
fc_units="$fc_units $fc_u.service"; break
done
for fc_o in $fc_u $fc_u.left; do
[ -e {OWED}/$fc_o ] && fc_owed="$fc_owed
owed=$fc_o"
done
done
[ -z "$fc_units" ] || systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState $fc_units 2>/dev/null
ip -o addr 2>/dev/null | while read -r fc_x fc_x fc_f fc_a fc_x; do
case $fc_f in inet | inet6) echo "address=${{fc_a%%/*}}" ;; esac
done
fc_x=$([ ! -d /sys/module/nf_tables ] || nft list tables 2>/dev/null; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null)
[ -z "$fc_x" ] || echo filters=yes
{records}
{{ {CLOUD}
}} | sed 's/^/cloud=/'
[ ! -e /usr/share/zoneinfo/right/UTC ] || echo right=yes
{signs}printf '%s\n' "id=${{ID-}}" "like=${{ID_LIKE-}}" "version=${{VERSION_ID-}}" "name=${{PRETTY_NAME-}}" "arch=$fc_arch" \
"host=$fc_host" "uid=$fc_uid" "systemd=$fc_systemd" "init=$fc_init$fc_tools" "platform=$fc_platform" "end=$fc_owed" \
"now=$(date +%s.%N)""#
    )
}

/// When a script ran, by our own clock, seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Before it was sent.
    pub sent: f64,
    /// After its answer came.
    pub received: f64,
}

impl Moment {
    /// The middle of it, which is wrong by half of its length at most.
    fn middle(self) -> (f64, f64) {
        (f64::midpoint(self.sent, self.received), (self.received - self.sent).max(0.0) / 2.0)
    }
}

/// Reads what the script printed; `moment` is when it ran.
///
/// # Errors
/// A system that is not managed here; says what was found.
pub fn parse(text: &str, moment: Moment) -> Result<Facts> {
    let pairs: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |key: &str| pairs.iter().find(|(k, _)| *k == key).map_or("", |(_, v)| *v);
    let units = units(text);
    let all = |key: &str| pairs.iter().filter(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned()).collect::<Vec<_>>();
    let installed = packages(&pairs);
    let versions = versions::read(all("said").iter().filter_map(|said| said.split_once(' ')), &installed);
    let family = managed(&value, &versions)?;
    let (now, doubt) = moment.middle();
    let host_now: f64 = value("now").parse().context("the host's `date` printed no time")?;
    Ok(Facts {
        os_id: value("id").to_owned(),
        os_version: value("version").to_owned(),
        os_name: value("name").to_owned(),
        family,
        package_manager: manager(family, &all("tool"))?,
        systemd: true,
        arch: value("arch").to_owned(),
        hostname: value("host").to_owned(),
        platform: value("platform").to_owned(),
        cloud: all("cloud"),
        right: value("right") == "yes",
        uid: value("uid").parse().context("the host's /proc/self/status has no user id")?,
        lacks: lacks(&versions, family, value("id"), value("version")),
        versions,
        packages: installed.into_iter().filter(|(name, _)| services::packages().any(|time| time == name)).collect(),
        owed: all("owed"),
        records: all("record"),
        filters: value("filters") == "yes",
        firewall: firewall(&units, &all("sign")),
        units: units.into_iter().filter(|(name, _)| !is_of_firewall(name)).collect(),
        addresses: all("address").iter().filter_map(|address| address.parse().ok()).collect(),
        clock_offset_s: host_now - now,
        clock_uncertainty_s: doubt,
    })
}

/// What the programs cannot do, those included that are not installed yet.
fn lacks(versions: &BTreeMap<String, String>, family: Family, id: &str, version: &str) -> Vec<&'static str> {
    let mut all = versions.clone();
    if let Some((program, brought)) = versions::brings(family, id, version) {
        all.entry(program.to_owned()).or_insert_with(|| brought.to_owned());
    }
    versions::lacks(&all)
}

/// What is managed here.
const MANAGED: &str = "Debian, Red Hat and SUSE families with systemd 219 or newer are managed";

/// Returns the family of a system that is managed.
fn managed<'a>(value: &impl Fn(&str) -> &'a str, versions: &BTreeMap<String, String>) -> Result<Family> {
    let name = value("name");
    let found = if name.is_empty() { "a system without /etc/os-release" } else { name };
    let started = match (value("systemd"), value("init")) {
        ("yes", _) => None,
        (_, "") => Some("what starts its services is not known, and is not systemd".to_owned()),
        (_, init) => Some(format!("its services are started by {init}, not by systemd")),
    };
    let old = || {
        let is = versions.get("systemd").filter(|is| versions::is_older(is, SYSTEMD))?;
        Some(format!("its systemd is {is}, older than {SYSTEMD}"))
    };
    match (family(value("id"), value("like")), started.or_else(old)) {
        (Some(family), None) => Ok(family),
        (None, None) => refuse(&format!("{found} (ID `{}`)", value("id"))),
        (_, Some(why)) => refuse(&format!("{found}: {why}")),
    }
}

fn refuse<T>(found: &str) -> Result<T> {
    Err(anyhow::anyhow!("this system is not managed: {found}").hint(MANAGED))
}

fn family(id: &str, like: &str) -> Option<Family> {
    let words: Vec<&str> = std::iter::once(id).chain(like.split_whitespace()).collect();
    let is = |known: &[&str]| words.iter().any(|word| known.contains(word));
    if is(&["debian", "ubuntu"]) {
        return Some(Family::Debian);
    }
    if is(&["rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn"]) {
        return Some(Family::RedHat);
    }
    is(&["suse", "sles", "opensuse", "opensuse-leap"]).then_some(Family::Suse)
}

fn manager(family: Family, tools: &[String]) -> Result<PackageManager> {
    let wanted: &[(&str, PackageManager)] = match family {
        Family::Debian => &[("apt-get", PackageManager::Apt)],
        Family::RedHat => &[("dnf", PackageManager::Dnf), ("yum", PackageManager::Yum)],
        Family::Suse => &[("zypper", PackageManager::Zypper)],
    };
    match wanted.iter().find(|(tool, _)| tools.iter().any(|found| found == tool)) {
        Some((_, manager)) => Ok(*manager),
        None => bail!("no package manager of this family was found (found: {})", tools.join(", ")),
    }
}

fn packages(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .filter(|(key, _)| *key == "package")
        .filter_map(|(_, value)| {
            let mut words = value.split(' ');
            let (name, state, version) = (words.next()?, words.next()?, words.next()?);
            (state == "installed").then(|| (name.to_owned(), version.to_owned()))
        })
        .collect()
}

/// Reads the blocks of `systemctl show`. An alias shows its unit's own name, so it is not counted twice.
fn units(text: &str) -> BTreeMap<String, Unit> {
    let unit = |shown: units::Shown<'_>| {
        let lines = ["LoadState", "ActiveState", "UnitFileState"].map(|key| format!("{key}={}\n", shown.text(key)));
        let enabled = shown.text("UnitFileState").to_owned();
        (shown.name().to_owned(), Unit { active: shown.is_active(), enabled, shown: lines.concat() })
    };
    units::shown(text).filter(|shown| shown.exists()).map(unit).collect()
}

fn is_of_firewall(unit: &str) -> bool {
    ALL.iter().any(|firewall| firewall.units().contains(&unit))
}

/// The firewall that filters, by its units and its signs.
fn firewall(units: &BTreeMap<String, Unit>, said: &[String]) -> Word {
    let of = |holds: &dyn Fn(&Unit) -> bool| -> Vec<&str> {
        units.iter().filter(|(_, unit)| holds(unit)).map(|(name, _)| name.as_str()).collect()
    };
    let active = of(&|unit| unit.active);
    let enabled = of(&|unit| unit.enabled.starts_with("enabled"));
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    registry::active(&Signs { active: &active, enabled: &enabled, said: &said })
}

/// The facts of a Debian host that also printed `more`, for the tests of other rooms.
#[cfg(test)]
pub(crate) fn tests_facts(more: &str) -> Facts {
    let text = format!("id=debian\nsystemd=yes\ntool=apt-get\nuid=0\nnow=0\n{more}");
    parse(&text, Moment { sent: 0.0, received: 0.0 }).unwrap_or_else(|error| unreachable!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKWORM: &str = "id=debian\nlike=\nversion=12\nname=Debian GNU/Linux 12 (bookworm)\narch=x86_64\nhost=server1\nuid=0\nsystemd=yes\ntool=apt-get\nplatform=QEMU\naddress=10.10.10.1\naddress=fe80::1%eth0\npackage=chrony installed 4.3-2\npackage=systemd-timesyncd config-files 252.39\nId=chrony.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\nId=chrony.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\nId=ntp.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n\nId=firewalld.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nnow=1000.5\n";

    fn parse(text: &str, now: f64) -> Result<Facts> {
        super::parse(text, Moment { sent: now - 0.25, received: now + 0.25 })
    }

    #[test]
    fn a_debian_host_is_read() {
        let facts = parse(BOOKWORM, 1000.0).unwrap();
        assert_eq!((facts.family, facts.package_manager), (Family::Debian, PackageManager::Apt));
        let shown = &facts.units["chrony"].shown;
        assert_eq!(shown, "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n");
        // Removed packages that left their configuration are not installed; an alias is no second unit.
        assert_eq!(facts.packages.keys().collect::<Vec<_>>(), ["chrony"]);
        assert_eq!(facts.units.keys().collect::<Vec<_>>(), ["chrony"]);
        assert_eq!(facts.firewall.as_str(), "firewalld");
        assert!((facts.clock_offset_s - 0.5).abs() < 1e-9 && (facts.clock_uncertainty_s - 0.25).abs() < 1e-9);
        assert_eq!(facts.addresses, ["10.10.10.1".parse::<std::net::IpAddr>().unwrap()]);
    }

    /// What cloud-init is told of the time in each of three files, and how many programs it takes to know.
    #[test]
    fn the_files_of_cloud_init_are_searched_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_str().unwrap();
        std::fs::create_dir(dir.path().join("cloud.cfg.d")).unwrap();
        for (name, text) in [
            ("cloud.cfg", "users: []\nntp:\n  enabled: true\n  servers: [a]\n"),
            ("cloud.cfg.d/05_off.cfg", "ntp:\n  servers: [b]\n  enabled: false\n"),
            ("cloud.cfg.d/90_on.cfg", "# ntp:\nchrony: 1\nntp:\n  servers: [c]\n"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let text = CLOUD.replace("/etc/cloud", root).replace("/proc/cmdline", "/dev/null");
        let text = text.replace("command -v cloud-init", ":");
        let tools = "exec 3>&2\ngrep() { echo grep >&3; command grep \"$@\"; }";
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new("dash").arg("-c").arg(format!("{tools}\n{text}")).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found, format!("{root}/cloud.cfg:2\n{root}/cloud.cfg.d/90_on.cfg:3\n"));
        // One for the command line of the kernel.
        assert_eq!(output.stderr, b"grep\ngrep\n".to_vec());
    }

    #[test]
    fn families_are_known_by_what_they_are_like() {
        for (id, like, tool, family) in [
            ("linuxmint", "ubuntu debian", "apt-get", Family::Debian),
            ("rocky", "rhel centos fedora", "dnf", Family::RedHat),
            ("centos", "rhel fedora", "yum", Family::RedHat),
            ("sles", "suse", "zypper", Family::Suse),
        ] {
            let text = BOOKWORM
                .replace("id=debian\nlike=", &format!("id={id}\nlike={like}"))
                .replace("tool=apt-get", &format!("tool={tool}"));
            assert_eq!(parse(&text, 0.0).unwrap().family, family, "{id}");
        }
    }

    #[test]
    fn a_system_that_is_not_managed_says_what_it_is() {
        let said = |changes: &[(&str, &str)]| {
            let text = changes.iter().fold(BOOKWORM.to_owned(), |text, (from, to)| text.replace(from, to));
            let error = parse(&text, 0.0).unwrap_err();
            assert_eq!(crate::exit::hint(&error), Some(MANAGED));
            error.to_string()
        };
        let name = "name=Debian GNU/Linux 12 (bookworm)";
        let (id, like) = ("id=debian", "systemd=yes\n");
        for (changes, words) in [
            (&[(id, "id=arch"), (name, "name=Arch Linux")][..], "Arch Linux (ID `arch`)"),
            (
                &[(id, "id=alpine"), (name, "name=Alpine Linux v3.20"), (like, "systemd=\ninit=OpenRC\n")],
                "Alpine Linux v3.20: its services are started by OpenRC, not by systemd",
            ),
            (
                &[(id, "id="), (name, "name=CentOS release 6.10 (Final)"), (like, "systemd=\ninit=upstart\n")],
                "CentOS release 6.10 (Final): its services are started by upstart, not by systemd",
            ),
            (
                &[(id, "id="), (name, "name=FreeBSD 14.1-RELEASE"), (like, "systemd=\n")],
                "FreeBSD 14.1-RELEASE: what starts its services is not known, and is not systemd",
            ),
            (
                &[
                    ("version=12", "version=8"),
                    (name, "name=Debian GNU/Linux 8 (jessie)"),
                    ("arch=", "said=systemd systemd 215\narch="),
                ],
                "Debian GNU/Linux 8 (jessie): its systemd is 215, older than 219",
            ),
            (
                &[(id, "id="), (name, "name="), (like, "systemd=\n")],
                "a system without /etc/os-release: what starts its services is not known, and is not systemd",
            ),
        ] {
            assert_eq!(said(changes), format!("this system is not managed: {words}"));
        }
    }

    #[test]
    fn versions_are_facts() {
        assert!(!versions::packages().split(' ').any(|package| package == "systemd"), "it says itself what it is");
        let old = "said=systemd systemd 219\nsaid=chrony chronyd (chrony) version 3.4 (+CMDMON)\nsaid=ntpd ntpd 4.2.6p5@1.2349-o\npackage=coreutils installed 8.22-24.el7\nid=debian";
        let facts = parse(&BOOKWORM.replace("id=debian", old), 0.0).unwrap();
        assert_eq!((facts.versions["chrony"].as_str(), facts.versions["ntp"].as_str()), ("3.4", "4.2.6p5"));
        for name in ["print_config", "restrict_source", "orphanwait", "short_unix", "sync_file"] {
            assert!(facts.lacks.contains(&name), "{name}: {:?}", facts.lacks);
        }
        assert_eq!(facts.packages.keys().collect::<Vec<_>>(), ["chrony"]);
        assert_eq!(parse(BOOKWORM, 0.0).unwrap().lacks, ["leapseclist"], "chrony 4.3");
    }
}
