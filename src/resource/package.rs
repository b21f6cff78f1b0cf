//! An installed package, out of the host's repositories or out of a folder of this machine.

mod pushed;

use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::{Delta, Fix, Resource, Slice};
use crate::exit::Hint;
use crate::facts::{Facts, Family, PackageManager};
use crate::packages::{File, Folder};
use crate::text::decisive::decisive;
use crate::transport::quote::sh;

/// A package that shall be installed; its version is left to the distribution.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// What installs it.
    pub manager: PackageManager,
    /// Whether the manager waits for the lock of another run by itself.
    pub patient: bool,
    /// What to do where no repository has it, if that is known of this package on this system.
    pub instead: Option<&'static str>,
    /// Where its files are, if it comes from this machine; else from the repositories of the host.
    pub from: Option<Arc<Folder>>,
}

/// What the probe found.
enum State<'a> {
    Installed,
    /// Not installed: the version that would come, the packages that would go, and the files that are pushed for it.
    Available {
        version: String,
        removed: Vec<(String, String)>,
        files: Vec<&'a File>,
    },
}

impl Resource for Package {
    fn label(&self) -> String {
        format!("package {}", self.name)
    }

    fn probe(&self) -> String {
        let name = sh(&self.name);
        if let Some(folder) = &self.from {
            return pushed::probe(self, folder);
        }
        match self.manager {
            // The simulation takes no lock and must not write apt's caches. Nobody can read them and cannot
            // write them; root would, and goes without. What nobody may not read (a source with a password
            // in it) is a warning of apt's, and root looks instead.
            PackageManager::Apt => format!(
                "fc_v=$(dpkg-query -W -f '${{db:Status-Status}}' {name} 2>/dev/null)\n\
                 [ \"$fc_v\" = installed ] && {{ echo installed; exit 0; }}\n\
                 set -- apt-get -s -o Debug::NoLocking=1 -o APT::Get::Show-User-Simulation-Note=0 --no-install-recommends\n\
                 if fc_out=$(setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\" install {name} 2>&1); then\n\
                 case $fc_out in *'W: '*) ;; *) printf '%s\\n' \"$fc_out\"; exit 0 ;; esac\n\
                 fi\n\
                 \"$@\" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= install {name} || {{ {APT_SOURCES}; exit 1; }}"
            ),
            // The cache first: it is quick. A fresh system has none, or one without this package.
            PackageManager::Dnf | PackageManager::Yum => format!(
                "rpm -q {name} >/dev/null 2>&1 && {{ echo installed; exit 0; }}\n\
                 {tool} -q -C info {name} 2>/dev/null || {tool} -q info {name} || {{ {repositories}; exit 1; }}",
                tool = self.tool(),
                repositories = DNF_REPOSITORIES.replace("@TOOL@", self.tool())
            ),
            // What is cached first, without the lock: another zypper may be at work. The exit status of
            // `info` says nothing of a package that is not there.
            PackageManager::Zypper => format!(
                "rpm -q {name} >/dev/null 2>&1 && {{ echo installed; exit 0; }}\n\
                 fc_info=$(ZYPP_READONLY_HACK=1 zypper -q -n --no-refresh info {name} 2>/dev/null)\n\
                 case $fc_info in *Version*) printf '%s\\n' \"$fc_info\"; exit 0 ;; esac\n\
                 fc_info=$(ZYPP_LOCK_TIMEOUT=60 zypper -q -n info {name}); fc_status=$?\n\
                 printf '%s\\n' \"$fc_info\"\n\
                 case $fc_info in *Version*) ;; *) {ZYPPER_REPOSITORIES} ;; esac\n\
                 exit $fc_status"
            ),
        }
    }

    fn known(&self, facts: &Facts) -> Option<Slice> {
        let installed = facts.packages.contains_key(&self.name);
        installed.then(|| Slice { stdout: "installed\n".to_owned(), ..Slice::default() })
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let State::Available { version, removed, files } = self.state(seen)? else {
            return Ok(Vec::new());
        };
        let mut deltas = match files.is_empty() {
            true => vec![Delta::new(self.label(), "installed", None, Some(version))],
            false => files.into_iter().map(pushed::delta).collect(),
        };
        for (name, version) in removed {
            // What the package manager takes away is as much a part of the plan as what it brings.
            deltas.push(Delta::new(format!("package {name}"), "installed", Some(version), None));
        }
        Ok(deltas)
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let State::Available { removed, files, .. } = self.state(seen)? else {
            return Ok(Fix::default());
        };
        if let Some(folder) = &self.from {
            return Ok(pushed::fix(self, folder, &files, &removed));
        }
        let change = self.install(&[self.name.as_str()]);
        let names: Vec<&str> = removed.iter().map(|(name, _)| name.as_str()).collect();
        let undo = if names.is_empty() {
            String::new()
        } else {
            // dpkg still lists what was removed and left its configuration, and only that.
            let there = format!("dpkg-query -W -f '${{db:Status-Status}}\\n' {} 2>/dev/null", words(&names));
            format!("[ \"$({there} | grep -cx installed)\" != {} ] || exit 0\n{}", names.len(), self.install(&names))
        };
        Ok(Fix { change, undo, ..Fix::default() })
    }

    fn reviewed(&self, seen: &Slice) -> String {
        match self.state(seen) {
            // The files themselves count, and not what else the host has.
            Ok(State::Available { removed, files, .. }) if self.from.is_some() => pushed::reviewed(&files, &removed),
            _ => format!("{}\n{}", seen.status, seen.stdout),
        }
    }
}

impl Package {
    /// One that a step asks for; `from` is where it comes from, if not from the repositories of the host.
    pub fn new(name: String, facts: &Facts, from: Option<Arc<Folder>>) -> Self {
        let patient = !facts.lacks.contains(&"lock_timeout");
        let instead = instead(&name, facts);
        Package { name, manager: facts.package_manager, patient, instead, from }
    }

    fn tool(&self) -> &'static str {
        match self.manager {
            PackageManager::Apt => "apt-get",
            PackageManager::Dnf => "dnf",
            PackageManager::Yum => "yum",
            PackageManager::Zypper => "zypper",
        }
    }

    fn apt(&self, names: &str) -> String {
        let install = format!(
            "DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=60 \
             -o Dpkg::Options::=--force-confold --no-install-recommends install {names}"
        );
        if self.patient { format!("{install} >/dev/null") } else { patiently(&install) }
    }

    /// Each waits for the lock of another run, and asks nothing.
    fn install(&self, names: &[&str]) -> String {
        let names = words(names);
        match self.manager {
            PackageManager::Apt => format!("{WITHOUT_START}{}", self.apt(&names)),
            PackageManager::Dnf => format!("dnf -y -q --setopt=install_weak_deps=0 install {names} >/dev/null"),
            PackageManager::Yum => format!("yum -y -q install {names} >/dev/null"),
            // Installed, and: a reboot is due (102), zypper itself was renewed (103), a repository that is
            // not needed could not be read (106). Whether the package is there is looked at afterwards.
            PackageManager::Zypper => format!(
                "fc_status=0\n\
                 ZYPP_LOCK_TIMEOUT=60 zypper -q -n install --no-recommends {names} >/dev/null || fc_status=$?\n\
                 case $fc_status in 0 | 102 | 103 | 106) ;; *) exit $fc_status ;; esac"
            ),
        }
    }

    fn state(&self, seen: &Slice) -> Result<State<'_>> {
        if seen.stdout.lines().next() == Some("installed") {
            return Ok(State::Installed);
        }
        if let Some(folder) = &self.from {
            return pushed::state(self, folder, seen);
        }
        let version = match self.manager {
            PackageManager::Apt => seen.stdout.lines().find_map(|line| simulated(line, "Inst", &self.name)),
            _ => described(&seen.stdout),
        };
        match version.filter(|version| !version.is_empty()) {
            Some(version) => Ok(State::Available { version, removed: removed(&seen.stdout), files: Vec::new() }),
            None => Err(self.missing(seen)),
        }
    }

    fn missing(&self, seen: &Slice) -> anyhow::Error {
        let said = format!("{}\n{}", seen.stdout, seen.stderr);
        let (name, tool) = (&self.name, self.tool());
        let hint = way_out(&said);
        let repositories = seen.stdout.lines().find_map(|line| line.strip_prefix(REPOSITORIES)).map(str::trim);
        let cause = cause(&seen.stderr);
        if hint != CARRY || cause.is_some() {
            let cause = cause.unwrap_or_else(|| "no repository has it".to_owned());
            return anyhow!("package `{name}` cannot be installed with {tool}: {cause}").hint(hint);
        }
        let (cause, hint) = match repositories {
            Some("") => ("no repository is enabled on this host".to_owned(), NONE),
            Some(some) => {
                (format!("no repository of this host has it (enabled: {some})"), self.instead.unwrap_or(CARRY))
            }
            None => ("no repository has it".to_owned(), self.instead.unwrap_or(CARRY)),
        };
        anyhow!("package `{name}` cannot be installed with {tool}: {cause}").hint(hint)
    }
}

// A fresh time service must not start with the distribution's public servers; one that is removed must stop all the
// same. It means nothing once this shell is gone, so a run that is killed cannot leave a host on which packages start
// nothing any more.
/// Lets packages of dpkg start nothing while this shell is there.
const WITHOUT_START: &str = r#"if [ ! -e /usr/sbin/policy-rc.d ] || grep -qs fleetclock /usr/sbin/policy-rc.d; then
trap 'rm -f /usr/sbin/policy-rc.d' EXIT
printf '#!/bin/sh\n# by fleetclock, for one installation\n[ -d /proc/%s ] || exit 0\ncase "$*" in *start*) exit 101 ;; esac\n' $$ >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
fi
"#;

/// A command that does not wait for the lock of dpkg is tried again while another has it.
fn patiently(command: &str) -> String {
    format!(
        "fc_tries=0\n\
         until fc_out=$({command} 2>&1 >/dev/null); do\n\
         fc_tries=$((fc_tries + 1))\n\
         case $fc_tries:$fc_out in 30:*) ;; *'Could not get lock'* | *'Unable to acquire the dpkg'* | *'locked by another process'*) sleep 2; continue ;; esac\n\
         printf '%s\\n' \"$fc_out\" >&2\n\
         exit 100\n\
         done"
    )
}

/// Begins the line in which the probe names the repositories of a host that does not find the package.
const REPOSITORIES: &str = "fc-repositories";

/// Those of dnf and yum, by their ids; yum 3 marks some, and adds the release.
const DNF_REPOSITORIES: &str = r"echo fc-repositories $(@TOOL@ repolist 2>/dev/null | sed -n -e '/^repo id/,$!d' -e '/^repo id/d' -e '/^repolist:/d' -e 's,^[!*]*\([^ /]*\).*,\1,p')";

/// Those of zypper, by their aliases.
const ZYPPER_REPOSITORIES: &str = r"echo fc-repositories $(zypper -q -n --no-refresh repos 2>/dev/null | sed -n 's/^ *[0-9][0-9]* *| *\([^ |]*\) *|[^|]*| *Yes.*/\1/p')";

/// Those of apt, by address and suite; a password in an address is left out.
const APT_SOURCES: &str = r"echo fc-repositories $(apt-get indextargets --format '$(SITE) $(SUITE)' 'Created-By: Packages' 2>/dev/null | sort -u | sed -e 's,//[^/@]*@,//,' -e 's/$/,/' -e '$s/,$//')";

/// What a package manager says where it has lists and none of them has the package, in small letters.
const ABSENT: &[&str] = &[
    "no matching packages",
    "no matching package",
    "no packages to list",
    "unable to locate package",
    "has no installation candidate",
    "is not available, but is referred",
    "not found.",
];

fn is_absent(said: &str) -> bool {
    let said = said.to_lowercase();
    ABSENT.iter().any(|sign| said.contains(sign))
}

/// Why a package manager fails, other than that no repository has the package: what could not be read comes first,
/// for it may be where the package is.
fn cause(stderr: &str) -> Option<String> {
    let known = stderr.lines().find(|line| way_out(line) != CARRY && !is_absent(line));
    let words = decisive("", known.unwrap_or(stderr));
    (!words.is_empty() && !is_absent(&words)).then_some(words)
}

/// What to do where no repository has a package of a time service that the system used to have.
fn instead(name: &str, facts: &Facts) -> Option<&'static str> {
    let major = facts.os_version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let without_ntp = facts.family == Family::RedHat && major.is_some_and(|major| major >= 8);
    (name == "ntp" && without_ntp).then_some(
        "Red Hat's systems have no ntp since release 8: say `provider: chrony` for this host; or install ntpsec, which \
         EPEL has (`dnf install epel-release`, then `dnf install ntpsec`): a host that has it keeps it",
    )
}

/// What a package manager says, in small letters, and the way out. The first that is found counts: what breaks
/// all repositories comes before what one of them lacks.
const WAYS_OUT: &[(&[&str], &str)] = &[
    (
        &[
            "unmet dependencies",
            "fix-broken",
            "dpkg was interrupted",
            "nothing provides",
            "conflicting requests",
            "broken packages",
        ],
        "mend the host's packages first: `apt-get --fix-broken install` or `dpkg --configure -a`, `dnf check`, `zypper verify`",
    ),
    (
        &[
            "could not get lock",
            "is locked by",
            "waiting for process with pid",
            "system management is locked",
            "another app is currently holding",
        ],
        "another package manager is at work on the host; wait until it is done",
    ),
    (
        &[
            "not valid yet",
            "is expired",
            "release file expired",
            "certificate is not yet valid",
            "certificate has expired",
        ],
        "see the host's clock first (`date`): a wrong clock makes lists and certificates look expired or not yet valid; \
         set it by hand, or renew the mirror",
    ),
    (
        &["no_pubkey", "gpg", "signature", "is not signed", "public key"],
        "import the key of the repository on the host; it is signed with one that is not known there",
    ),
    (&["no space left", "not enough free", "insufficient space", "disk full"], "free some space on the host's disk"),
    (&["read-only file system"], "mount the host's file system for writing, or install the package in its image"),
    (
        &[
            "could not resolve",
            "temporary failure resolving",
            "could not connect",
            "timed out",
            "connection refused",
            "cannot download",
            "failed to download",
            "ignoring repositories",
            "curl error",
            "curl#",
        ],
        "the host does not reach its package repositories: see its name servers, its proxy, or set up an offline mirror",
    ),
    (
        &[
            "no enabled repos",
            "there are no enabled",
            "no repositories defined",
            "cannot find a valid baseurl",
            "not registered",
        ],
        NONE,
    ),
];

const NONE: &str = "the host has no package repository: enable one, register the system, or set up an offline mirror";

const CARRY: &str =
    "see that the host's package repositories (or its offline mirror) carry it and that their lists are fresh";

fn way_out(said: &str) -> &'static str {
    let said = said.to_lowercase();
    let known = WAYS_OUT.iter().find(|(signs, _)| signs.iter().any(|sign| said.contains(sign)));
    known.map_or(CARRY, |(_, hint)| hint)
}

/// Reads `Version : 4.3` and `Release : 1.el9` as dnf, yum and zypper print them; the last is the newest.
fn described(text: &str) -> Option<String> {
    let value = |key: &str| {
        text.lines().rev().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim())
        })
    };
    let version = value("Version")?;
    Some(value("Release").map_or(version.to_owned(), |release| format!("{version}-{release}")))
}

fn words(names: &[&str]) -> String {
    names.iter().map(|name| sh(name)).collect::<Vec<_>>().join(" ")
}

/// Reads `Inst chrony (4.3-2 Debian:12 [amd64])` or `Remv NAME [VERSION]`: the version.
fn simulated(line: &str, verb: &str, name: &str) -> Option<String> {
    let rest = line.strip_prefix(verb)?.strip_prefix(' ')?.strip_prefix(name)?.strip_prefix(' ')?;
    // An upgrade shows the old version in brackets first.
    let rest = rest.split_once('(').map_or(rest, |(_, rest)| rest);
    Some(rest.trim_start_matches('[').split([' ', ']', ')']).next()?.to_owned())
}

fn removed(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let name = line.strip_prefix("Remv ")?.split(' ').next()?;
            Some((name.to_owned(), simulated(line, "Remv", name)?))
        })
        .collect()
}

#[cfg(test)]
mod tests;
