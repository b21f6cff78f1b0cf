//! What does not change during a run: operating system, package manager, firewall, and which
//! time services are there.

pub mod assumed;
pub mod linux;
pub mod registry;
pub mod services;
pub mod units;
pub mod versions;
pub mod windows;
pub mod windows_firewall;
pub mod windows_others;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::firewall::Word;

/// What was read from a host of either kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Found {
    /// A Linux host.
    Linux(Box<Facts>),
    /// A Windows host.
    Windows(Box<windows::WindowsFacts>),
}

impl Found {
    /// Returns the operating system's own name for itself.
    pub fn system(&self) -> String {
        match self {
            Found::Linux(facts) => facts.os_name.clone(),
            Found::Windows(facts) => facts.system(),
        }
    }
}

/// What was read from a Linux host in one execution.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// `ID` of os-release: `debian`, `rocky`.
    pub os_id: String,
    /// `VERSION_ID` of os-release; empty on rolling systems.
    pub os_version: String,
    /// `PRETTY_NAME` of os-release.
    pub os_name: String,
    /// The family whose file layout it has.
    pub family: Family,
    /// The package manager.
    pub package_manager: PackageManager,
    /// Whether systemd runs the machine.
    pub systemd: bool,
    /// `uname -m`.
    pub arch: String,
    /// The host's own name for itself.
    pub hostname: String,
    /// The container manager, else the maker of the machine (`QEMU`, `VMware, Inc.`, `Dell Inc.`).
    pub platform: String,
    /// Where cloud-init is told to write a time configuration: `FILE:LINE`.
    pub cloud: Vec<String>,
    /// Whether there are zones of the kind `right/UTC`, which know the leap seconds; newer systems have them in a
    /// package of their own.
    pub right: bool,
    /// User id that the scripts run as; 0 is root.
    pub uid: u32,
    /// Installed time packages with their versions.
    pub packages: BTreeMap<String, String>,
    /// The versions of programs, as their makers count them.
    pub versions: BTreeMap<String, String>,
    /// Features that these versions do not have; the names of [`versions::FEATURES`].
    pub lacks: Vec<&'static str>,
    /// Time services that systemd knows, by unit name without `.service`.
    pub units: BTreeMap<String, Unit>,
    /// Units whose restart is owed by a run that did not end.
    pub owed: Vec<String>,
    /// The names of the records of ports that earlier runs have opened.
    #[serde(skip)]
    pub records: Vec<String>,
    /// Whether there are tables of nftables or iptables, whoever has made them.
    #[serde(skip)]
    pub filters: bool,
    /// The firewall that is active, of those that can be opened.
    pub firewall: Word,
    /// The addresses of its interfaces.
    pub addresses: Vec<IpAddr>,
    /// The host's clock minus ours, seconds.
    pub clock_offset_s: f64,
    /// How wrong that may be: half of what reading it took, seconds.
    pub clock_uncertainty_s: f64,
}

/// The state of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unit {
    /// `ActiveState` is `active` (or on its way there).
    pub active: bool,
    /// `UnitFileState`: `enabled`, `disabled`, `masked`, ...; empty if systemd does not say.
    pub enabled: String,
    /// What systemd showed, `Key=value` lines.
    #[serde(skip)]
    pub shown: String,
}

/// A family of Linux systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Debian, Ubuntu and what derives from them.
    Debian,
    /// RHEL, Rocky, Alma, Oracle, CentOS, Fedora, Amazon.
    RedHat,
    /// SLES and openSUSE.
    Suse,
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    /// apt-get and dpkg.
    Apt,
    /// dnf and rpm.
    Dnf,
    /// yum and rpm.
    Yum,
    /// zypper and rpm.
    Zypper,
}
