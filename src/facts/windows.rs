//! The facts of a Windows host. Everything is read by a fixed set of commands in one execution,
//! and what they print is kept: the resources ask for the same commands and are answered from here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::registry::{Registry, Value};
use super::windows_firewall::{self, Firewall};
use super::windows_others::{self, Rival};
use crate::model::Slice;

/// Where the Windows Time service keeps its configuration.
pub const W32TIME: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\W32Time";

/// Where policies override it (Microsoft, "Windows Time service tools and settings").
pub const POLICY: &str = r"HKLM\SOFTWARE\Policies\Microsoft\W32Time";

/// Where a restart of a service that is owed is noted (see `resource::windows`), and the lock of a run.
pub const OWED: &str = r"HKLM\SOFTWARE\fleetclock";

const VERSION: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const PRODUCT: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\ProductOptions";
/// When Windows was shut down last: another value after each start.
const LAST_STOP: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\Windows";
const NETLOGON: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\Netlogon";

/// What a Windows host is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowsFacts {
    /// `ProductName` of the registry: `Windows Server 2019 Standard`.
    pub product: String,
    /// Build number: 7601 is 2008 R2, 14393 is 2016, 20348 is 2022.
    pub build: u32,
    /// Workstation, server or domain controller.
    pub kind: Kind,
    /// Whether it belongs to a domain.
    pub domain_member: bool,
    /// `Type` of the time service, that of a policy if it sets one: `NTP`, `NT5DS`, `NoSync`, `AllSync`.
    pub sync_type: String,
    /// Whether the service is started and stopped by triggers instead of at boot.
    pub trigger_start: bool,
    /// Whether a policy sets values of the time service.
    pub policy: bool,
    /// Whether the hypervisor may set the clock too.
    pub hypervisor_time: bool,
    /// Whether a profile of the firewall is on, by the host's own settings or by a policy.
    pub firewall: bool,
    /// What the firewall does with those who ask for time.
    #[serde(skip)]
    pub rules: Firewall,
    /// Whether the time service runs.
    pub running: bool,
    /// Names of the other time services that the host has, running or not.
    pub others: Vec<&'static str>,
    /// The registry that was read.
    #[serde(skip)]
    pub registry: Registry,
}

impl WindowsFacts {
    /// Returns the system's name with the number of its build.
    pub fn system(&self) -> String {
        format!("{} (build {})", self.product, self.build)
    }
}

/// What the host is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A client system.
    Workstation,
    /// A server.
    Server,
    /// A domain controller.
    DomainController,
}

/// The command that prints a key with everything below it.
pub fn query(key: &str) -> String {
    format!("reg query \"{key}\" /s 2>&1")
}

/// The command that prints one value.
pub fn query_value(key: &str, name: &str) -> String {
    format!("reg query \"{key}\" /v {name} 2>&1")
}

/// The command that prints whether a restart of a service is owed, and nothing else of that key.
pub fn query_owed(name: &str) -> String {
    query_value(OWED, name)
}

/// The one value of the time service that counts after the next start of Windows only (Microsoft: "requires system restart").
pub const AFTER_A_BOOT: &str = "UtilizeSslTimeData";

/// Which start of Windows it is: something that is another after the next.
pub fn this_boot(registry: &Registry) -> String {
    match registry.value(LAST_STOP, "ShutdownTime") {
        Some(Value::Other(_, data)) if !data.is_empty() => data.clone(),
        // A system that was never shut down.
        _ => "first".to_owned(),
    }
}

/// Whether a value was written that has to wait for the next start of Windows.
pub fn waits_for_boot(registry: &Registry) -> bool {
    registry.text(OWED, AFTER_A_BOOT) == Some(this_boot(registry).as_str())
}

/// Begins the names of the values that say which values of the registry have ever held a secret.
const SECRET: &str = "Secret ";

/// The name of the value that notes that a value has held a secret; it has the name of that one as its data.
pub fn secret_note(key: &str, name: &str) -> String {
    format!("{SECRET}{key}\\{name}")
}

/// Whether a value is noted to have held a secret: what it holds now may be an old one.
pub fn held_secret(registry: &Registry, key: &str, name: &str) -> bool {
    registry.value(OWED, &secret_note(key, name)).is_some()
}

/// What the values hold that are noted to have held a secret, where they were read.
pub fn old_secrets(registry: &Registry) -> Vec<String> {
    let noted = registry.values(OWED).filter_map(|(note, name)| {
        let (place, Value::Text(name)) = (note.strip_prefix(&SECRET.to_lowercase())?, name) else { return None };
        let key = place.get(..place.len().checked_sub(name.len() + 1)?)?;
        registry.value(key, name)
    });
    noted.flat_map(Value::texts).filter(|text| text.len() >= SHORTEST).collect()
}

/// What is shorter is no secret, and would hide half of what is shown.
pub const SHORTEST: usize = 4;

/// The command that prints what runs have left: the lock, what the host took back, restarts, notes of secrets.
pub fn query_runs() -> String {
    format!("reg query \"{OWED}\" 2>&1")
}

/// The command that prints the state of a service.
pub fn query_service(name: &str) -> String {
    format!("sc query {name} 2>&1")
}

/// The commands that print the addresses that the host has now, of either family, as tables.
pub fn query_addresses() -> [String; 2] {
    ["ipv4 show ipaddresses", "ipv6 show addresses"].map(|question| format!("netsh interface {question} 2>&1"))
}

/// Reads them: `Manual  Preferred  infinite  infinite 10.0.0.1`, in any language. Lines of another form
/// may have addresses of others (`Default Gateway: ...`).
pub fn addresses(printed: &str) -> Vec<String> {
    let address = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let last = fields.last().filter(|_| fields.len() >= TABLE)?;
        last.split('%').next()?.parse::<IpAddr>().ok().map(|address| address.to_string())
    };
    printed.lines().filter_map(address).collect()
}

/// Words of a line: kind, state, both lifetimes, address.
const TABLE: usize = 5;

/// The commands, each with the name that its answer has among the evidence of `doctor`.
pub fn queries() -> Vec<(&'static str, String)> {
    let [domain, standard, public] = windows_firewall::query_profiles();
    vec![
        ("product", query_value(VERSION, "ProductName")),
        ("build", query_value(VERSION, "CurrentBuildNumber")),
        ("type", query_value(PRODUCT, "ProductType")),
        ("netlogon", query_value(NETLOGON, "Start")),
        ("w32time", query(W32TIME)),
        ("policy", query(POLICY)),
        ("service", query_service("w32time")),
        ("rules", windows_firewall::query_rules()),
        ("own-rules", windows_firewall::query_ours()),
        ("owed", query_owed("w32time")),
        ("domain-profile", domain),
        ("standard-profile", standard),
        ("public-profile", public),
        ("firewall-policy", windows_firewall::query_policy()),
        ("firewall-managed", windows_firewall::query_managed()),
        ("others", windows_others::query()),
        ("last-stop", query_value(LAST_STOP, "ShutdownTime")),
        ("after-boot", query_owed(AFTER_A_BOOT)),
    ]
}

/// Reads what the commands printed, by command.
pub fn parse(answers: &BTreeMap<String, Slice>) -> WindowsFacts {
    let printed: String = answers.values().map(|slice| format!("{}\n", slice.stdout)).collect();
    let registry = Registry::parse(&printed);
    let text = |key: &str, name: &str| registry.text(key, name).unwrap_or_default().to_owned();
    let enabled =
        |provider: &str| registry.number(&format!("{W32TIME}\\TimeProviders\\{provider}"), "Enabled") == Some(1);
    let service = answers.get(&query_service("w32time"));
    // Set-up makes Netlogon start by itself when the host joins a domain.
    let domain_member = registry.number(NETLOGON, "Start") == Some(2);
    let rules = Firewall::parse(&registry, domain_member);
    WindowsFacts {
        product: text(VERSION, "ProductName"),
        build: text(VERSION, "CurrentBuildNumber").parse().unwrap_or(0),
        kind: kind(&text(PRODUCT, "ProductType")),
        domain_member,
        sync_type: Some(text(&format!("{POLICY}\\Parameters"), "Type"))
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| text(&format!("{W32TIME}\\Parameters"), "Type")),
        trigger_start: registry.has_below(&format!("{W32TIME}\\TriggerInfo")),
        policy: registry.has(POLICY),
        hypervisor_time: enabled("VMICTimeProvider"),
        firewall: rules.is_on(),
        rules,
        others: windows_others::present(&registry).iter().map(|rival: &Rival| rival.service).collect(),
        running: service.is_some_and(|slice| service_state(&slice.stdout) == Some(RUNNING)),
        registry,
    }
}

fn kind(product: &str) -> Kind {
    match product {
        "LanmanNT" => Kind::DomainController,
        "WinNT" => Kind::Workstation,
        _ => Kind::Server,
    }
}

/// The number of a running service (`SERVICE_RUNNING`, winsvc.h).
pub const RUNNING: u32 = 4;

/// Reads the state out of `sc query`: the second line with `: NUMBER`, in any language (the first is the type).
pub fn service_state(printed: &str) -> Option<u32> {
    let number = |line: &str| line.split_once(':')?.1.split_whitespace().next()?.parse().ok();
    printed.lines().filter_map(number).nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SC: &str = "\nSERVICE_NAME: w32time\n        TYPE               : 20  WIN32_SHARE_PROCESS  \n        STATE              : 4  RUNNING \n                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)\n        WIN32_EXIT_CODE    : 0  (0x0)\n";

    #[test]
    fn the_state_of_a_service_is_a_number() {
        assert_eq!(service_state(SC), Some(RUNNING));
        let korean = SC.replace("TYPE ", "종류 ").replace("STATE ", "상태 ").replace("4  RUNNING", "1  STOPPED");
        assert_eq!(service_state(&korean), Some(1));
        assert_eq!(service_state("[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\n"), None);
    }

    #[test]
    fn addresses_are_the_last_words_of_the_rows_of_a_table() {
        let printed = "\nSchnittstelle 12: Ethernet 0\n\nAdresstyp  DAD-Status  Gültigkeit Bevorzugt  Adresse\n---------  ----------- ---------- ---------- ------------------------\n\
                       Manuell    Bevorzugt     infinite   infinite 10.0.0.1\nDHCP       Bevorzugt     6d23h1m2s  6d23h1m2s 10.0.0.7\n\
                       Andere     Bevorzugt     infinite   infinite fe80::1%12\n    Standardgateway: 10.0.0.254\n";
        assert_eq!(addresses(printed), ["10.0.0.1", "10.0.0.7", "fe80::1"]);
        assert_eq!(
            addresses("The following command was not found: interface ipv6 show 10.0.0.1."),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_bare_host_has_facts_too() {
        let facts = parse(&BTreeMap::new());
        assert!(!facts.running && !facts.domain_member && facts.build == 0);
    }

    #[test]
    fn a_workgroup_server_is_read() {
        let slice = |stdout: &str| Slice { stdout: stdout.to_owned(), ..Slice::default() };
        let key = |short: &str| short.replace("HKLM", "HKEY_LOCAL_MACHINE");
        let answers = BTreeMap::from([
            (
                query_value(VERSION, "CurrentBuildNumber"),
                slice(&format!("\n{}\n    CurrentBuildNumber    REG_SZ    20348\n", key(VERSION))),
            ),
            (
                query_value(PRODUCT, "ProductType"),
                slice(&format!("\n{}\n    ProductType    REG_SZ    ServerNT\n", key(PRODUCT))),
            ),
            (query_service("w32time"), slice(SC)),
            (
                query(W32TIME),
                slice(&format!(
                    "\n{0}\n    Start    REG_DWORD    0x3\n\n{0}\\TriggerInfo\\0\n    Type    REG_DWORD    0x1\n\n{0}\\Parameters\n    Type    REG_SZ    NTP\n",
                    key(W32TIME)
                )),
            ),
        ]);
        let facts = parse(&answers);
        assert_eq!((facts.build, facts.kind), (20348, Kind::Server));
        assert!(facts.trigger_start && facts.running && !facts.policy && !facts.hypervisor_time);
        assert_eq!(facts.sync_type, "NTP");
    }
}
