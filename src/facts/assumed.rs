//! The facts of hosts that were not asked, for showing and checking what hangs on them.

use std::collections::BTreeMap;

use super::windows::{self, WindowsFacts};
use super::windows_others::RIVALS;
use super::{Facts, Family, PackageManager};
use crate::firewall::Word;

/// Returns those of a server of a workgroup, the firewall on, in a virtual machine, with each other time service
/// that is known: all that a playbook may have to change is there.
pub fn windows() -> WindowsFacts {
    let nothing = windows::parse(&BTreeMap::new());
    let others = RIVALS.iter().map(|rival| rival.service).collect();
    WindowsFacts { firewall: true, running: true, trigger_start: true, hypervisor_time: true, others, ..nothing }
}

/// Returns those of a Linux host of a family: `redhat`, `suse`, else Debian's.
pub fn linux(family: &str) -> Facts {
    let (family, package_manager) = match family {
        "redhat" => (Family::RedHat, PackageManager::Dnf),
        "suse" => (Family::Suse, PackageManager::Zypper),
        _ => (Family::Debian, PackageManager::Apt),
    };
    Facts {
        os_id: String::new(),
        os_version: String::new(),
        os_name: String::new(),
        family,
        package_manager,
        systemd: true,
        arch: std::env::consts::ARCH.to_owned(),
        hostname: String::new(),
        platform: String::new(),
        cloud: Vec::new(),
        right: true,
        uid: 0,
        packages: BTreeMap::new(),
        versions: BTreeMap::new(),
        lacks: Vec::new(),
        units: BTreeMap::new(),
        owed: Vec::new(),
        records: Vec::new(),
        filters: false,
        firewall: Word::NONE,
        addresses: Vec::new(),
        clock_offset_s: 0.0,
        clock_uncertainty_s: 0.0,
    }
}
