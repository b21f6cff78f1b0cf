//! Other programs that move the clock of a Windows host: time services of their own, and the tools of hypervisors.

use super::registry::Registry;

/// Below it each service has its key.
pub const SERVICES: &str = r"HKLM\SYSTEM\CurrentControlSet\Services";

/// A time service beside W32Time: the name of the service, and what people call the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rival {
    /// As `sc` knows it.
    pub service: &'static str,
    /// The program.
    pub program: &'static str,
}

/// Those that are known, by the names that their own set-up gives them.
pub const RIVALS: &[Rival] = &[
    Rival { service: "NTP", program: "ntpd of Meinberg" },
    Rival { service: "NetTimeSvc", program: "NetTime" },
    Rival { service: "Dimension4", program: "Dimension 4" },
];

/// The service of VMware's tools; whether it sets the clock, only its own program knows.
pub const VMWARE: &str = "VMTools";

/// The service of VirtualBox's guest additions.
pub const VIRTUALBOX: &str = "VBoxService";

/// The word with which VirtualBox's service leaves the clock alone.
const LEAVES_THE_CLOCK: &str = "--disable-timesync";

/// The command that prints which of them the host has, and how they start; the names stand in the answer.
pub fn query() -> String {
    let rivals = RIVALS.iter().map(|rival| rival.service);
    let all = rivals.chain([VMWARE, VIRTUALBOX]).map(|service| format!("reg query {SERVICES}\\{service} 2>&1"));
    all.collect::<Vec<_>>().join("&")
}

/// The command that prints the state of those that run, each after its name.
pub fn query_states() -> String {
    let rivals = RIVALS.iter().map(|rival| rival.service);
    let all = rivals.chain([VIRTUALBOX]).map(|service| format!("echo {service}&sc query {service} 2>&1"));
    all.collect::<Vec<_>>().join("&")
}

/// The command with which VMware's tools say whether they set the clock: by their exit code, 0 if they do
/// (open-vm-tools, toolboxcmd-time.c).
pub const ASK_VMWARE: &str = r#"call "C:\Program Files\VMware\VMware Tools\VMwareToolboxCmd.exe" timesync status 2>&1"#;

/// Which rivals the host has.
pub fn present(registry: &Registry) -> Vec<Rival> {
    RIVALS.iter().copied().filter(|rival| has(registry, rival.service)).collect()
}

/// Whether the host has a service.
pub fn has(registry: &Registry, service: &str) -> bool {
    registry.has(&format!("{SERVICES}\\{service}"))
}

/// Whether VirtualBox's additions set the clock when they run.
pub fn virtualbox_sets(registry: &Registry) -> bool {
    let path = registry.text(&format!("{SERVICES}\\{VIRTUALBOX}"), "ImagePath");
    path.is_some_and(|path| !path.to_ascii_lowercase().contains(LEAVES_THE_CLOCK))
}

/// What the states printed of one service.
pub fn state_of<'a>(printed: &'a str, service: &str) -> &'a str {
    let known = |line: &str| RIVALS.iter().any(|rival| rival.service == line) || line == VIRTUALBOX;
    let mut at = 0;
    let mut begin = None;
    for line in printed.split_inclusive('\n') {
        match begin {
            None if line.trim() == service => begin = Some(at + line.len()),
            Some(begin) if known(line.trim()) => return printed.get(begin..at).unwrap_or_default(),
            _ => {}
        }
        at += line.len();
    }
    begin.and_then(|begin| printed.get(begin..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::windows::{RUNNING, service_state};

    #[test]
    fn each_service_is_told_from_the_next() {
        let state = |number: u32| {
            format!("\nSERVICE_NAME: X\n        종류               : 10  X\n        상태              : {number}  X\n")
        };
        let printed = format!("NTP\nFAILED 1060:\nNetTimeSvc \n{}Dimension4\n{}VBoxService\nno\n", state(4), state(1));
        let of = |service: &str| service_state(state_of(&printed, service));
        assert_eq!(
            [of("NTP"), of("NetTimeSvc"), of("Dimension4"), of("VBoxService")],
            [None, Some(RUNNING), Some(1), None]
        );
        assert_eq!(state_of("", "NTP"), "");
    }

    #[test]
    fn what_the_host_has_is_read_from_the_registry() {
        let key = |service: &str| format!("{}\\{service}\n", SERVICES.replace("HKLM", "HKEY_LOCAL_MACHINE"));
        let registry = |text: &str| Registry::parse(text);
        let both = registry(&format!(
            "ERROR: no such key\n{}    Start    REG_DWORD    0x2\n{}",
            key("NetTimeSvc"),
            key("VMTools")
        ));
        assert_eq!(present(&both).iter().map(|rival| rival.program).collect::<Vec<_>>(), ["NetTime"]);
        assert!(has(&both, VMWARE) && !has(&both, VIRTUALBOX));
        let sets = |path: &str| {
            virtualbox_sets(&registry(&format!("{}    ImagePath    REG_EXPAND_SZ    {path}\n", key(VIRTUALBOX))))
        };
        assert!(sets(r"system32\VBoxService.exe") && !sets(r"system32\VBoxService.exe --disable-timesync"));
        assert!(!virtualbox_sets(&both));
    }
}
