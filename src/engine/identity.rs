//! Whether the machine that a host asks under the name of another is that other. A name is resolved
//! on the host that uses it, and may lead to any machine there; the address that comes of it is
//! compared with what the inventory says of the named host and with the addresses that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::inventory::HostSpec;
use crate::inventory::spec::{Connection, Source};
use crate::model::{ErrorReport, HostReport, SourceReport, Status, own_clock};

/// What is known of the machines of a run.
struct Machines<'a> {
    /// Which host has an address, read from it or written in the inventory, in the run or not.
    owners: BTreeMap<IpAddr, &'a str>,
    reports: BTreeMap<&'a str, &'a HostReport>,
}

/// What was found out about one source.
enum Found {
    /// Another machine, without doubt.
    Other(String),
    /// Perhaps another one.
    Perhaps(String),
}

/// Returns which host has an address, as far as the inventory says it. One that several hosts are reached by
/// (forwarded ports) says nothing of which of them.
pub fn owners(specs: &[HostSpec]) -> BTreeMap<IpAddr, String> {
    let mut owners: BTreeMap<IpAddr, Option<&str>> = BTreeMap::new();
    for spec in specs {
        let declared: BTreeSet<IpAddr> = spec.ips().collect();
        let reached = spec.address.parse().ok().filter(|address| !declared.contains(address));
        let owned = declared.into_iter().map(|address| (address, Some(spec.name.as_str())));
        let all = owned.chain(reached.map(|address| (address, has_usual_port(spec).then_some(spec.name.as_str()))));
        for (address, owner) in all.filter(|(address, _)| !address.is_loopback()) {
            owners.entry(address).and_modify(|owner| *owner = None).or_insert(owner);
        }
    }
    owners.into_iter().filter_map(|(address, owner)| Some((address, owner?.to_owned()))).collect()
}

/// Whether the address by which a host is reached is its own. At another port than the usual one it may be that of
/// a router, which passes the port on.
fn has_usual_port(spec: &HostSpec) -> bool {
    match &spec.connection {
        Connection::Ssh(settings) => settings.port.is_none_or(|port| port == 22),
        Connection::Winrm(settings) => matches!(settings.port, 5985 | 5986),
        Connection::Local(_) => true,
    }
}

/// Looks at the sources of all hosts that have been proven; a host that asks another machine than the
/// one that is named is not proven any more.
pub(crate) fn check(specs: &[HostSpec], owners: &BTreeMap<IpAddr, String>, reports: &mut [HostReport]) {
    let found: Vec<Vec<Found>> = {
        let machines = Machines::of(owners, reports);
        let specs: BTreeMap<&str, &HostSpec> = specs.iter().map(|spec| (spec.name.as_str(), spec)).collect();
        let of = |report: &HostReport| match specs.get(report.name.as_str()) {
            Some(spec) if report.daemon.is_some() => machines.strangers(spec, report),
            _ => Vec::new(),
        };
        reports.iter().map(of).collect()
    };
    for (report, found) in reports.iter_mut().zip(found) {
        tell(report, found);
    }
}

fn tell(report: &mut HostReport, found: Vec<Found>) {
    let mut others = Vec::new();
    for one in found {
        match one {
            Found::Other(text) => others.push(text),
            Found::Perhaps(text) => report.warnings.push(text),
        }
    }
    if others.is_empty() {
        return;
    }
    match report.status {
        Status::Unchanged | Status::Changed => {
            let hint = "put the name right where the host looks it up (DNS, /etc/hosts), or give the master a `time_address` that is the address to ask";
            report.status = Status::OutOfLimits;
            report.error = Some(ErrorReport { message: others.join("; "), hint: Some(hint.to_owned()) });
        }
        // It has failed for another reason already, which this may explain.
        _ => report.warnings.extend(others),
    }
}

impl<'a> Machines<'a> {
    fn of(owners: &'a BTreeMap<IpAddr, String>, reports: &'a [HostReport]) -> Self {
        let mut owners: BTreeMap<IpAddr, &str> =
            owners.iter().map(|(address, name)| (*address, name.as_str())).collect();
        for report in reports {
            let own = report.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok());
            owners.extend(own.filter(|address| !address.is_loopback()).map(|address| (address, report.name.as_str())));
        }
        Machines { owners, reports: reports.iter().map(|report| (report.name.as_str(), report)).collect() }
    }

    fn strangers(&self, spec: &HostSpec, report: &HostReport) -> Vec<Found> {
        let declared = |row: &SourceReport| {
            spec.time.sources.iter().find(|source| source.address == row.address && source.host.is_some())
        };
        let one = |row: &SourceReport| {
            let source = declared(row)?;
            self.stranger(source, row).or_else(|| self.follows_another(source, row))
        };
        report.sources.iter().filter_map(one).collect()
    }

    /// A source that is not in this run is taken at its word: what it says that it follows.
    fn follows_another(&self, source: &Source, row: &SourceReport) -> Option<Found> {
        let name =
            source.host.as_deref().filter(|name| self.reports.get(name).is_none_or(|own| own.daemon.is_none()))?;
        let told = u32::from_str_radix(row.refid.as_deref()?, 16).ok().filter(|_| row.is_ok())?;
        // Of a source of stratum 1 the reference is a kind of clock; one that is cut off has failed already.
        let own = own_clock(told).is_some();
        let right = |reference: &u32| *reference == told || (own && own_clock(*reference).is_some());
        let silent = source.references.is_empty() || source.references.iter().any(right);
        if silent || row.stratum? < 2 || (own && source.fed) {
            return None;
        }
        let follows = if own { "its own clock".to_owned() } else { Ipv4Addr::from(told).to_string() };
        Some(Found::Perhaps(format!(
            "{name} says that it follows {follows}, and the inventory says otherwise; `verify -l {name}` looks at it"
        )))
    }

    fn stranger(&self, source: &Source, row: &SourceReport) -> Option<Found> {
        let (name, address) = (source.host.as_deref()?, row.ip.as_deref()?.parse::<IpAddr>().ok()?);
        if source.address.parse() == Ok(address) {
            // The inventory says it: nothing is looked up, but two machines may have one address.
            return self.answers_differently(name, row);
        }
        let master = self.reports.get(name);
        let has = |master: &HostReport| master.addresses.iter().any(|own| own.parse() == Ok(address));
        if source.known.contains(&address) || master.is_some_and(|master| has(master)) {
            return self.answers_differently(name, row);
        }
        let leads = format!("`{}` is to be {name} and leads this host to {address}", row.address);
        if let Some(other) = self.owners.get(&address).filter(|other| **other != name) {
            return Some(Found::Other(format!("{leads}, which is {other}")));
        }
        if let Some(master) = master.filter(|master| !master.addresses.is_empty()) {
            let own: Vec<&str> =
                master.addresses.iter().map(String::as_str).filter(|own| is_of_a_network(own)).collect();
            // What was read of one family says nothing of the other.
            let alike = |own: &&str| own.parse::<IpAddr>().is_ok_and(|own| own.is_ipv4() == address.is_ipv4());
            own.iter().find(|own| alike(own))?;
            return Some(Found::Other(format!("{leads}, which {name} does not have (it has {})", own.join(", "))));
        }
        let known: Vec<String> = source.known.iter().map(ToString::to_string).collect();
        (!known.is_empty()).then(|| {
            Found::Perhaps(format!(
                "{leads}; the inventory knows {name} as {}, and its addresses were not read in this run",
                known.join(", ")
            ))
        })
    }

    /// What a machine says of itself and what it tells those who ask it is the same reference.
    fn answers_differently(&self, name: &str, row: &SourceReport) -> Option<Found> {
        let itself = self.reports.get(name)?.daemon.as_ref()?;
        let (own, told) = (itself.refid.as_deref()?, row.refid.as_deref()?);
        let own_stratum = itself.stratum?;
        let differs = own != told && row.is_ok() && row.stratum.is_some_and(|stratum| stratum != own_stratum);
        differs.then(|| {
            Found::Perhaps(format!(
                "{} answers this host as stratum {} with reference {told}, and {name} itself says stratum {own_stratum} \
                 and {own}: perhaps two machines have this address, or {name} has just changed its source",
                row.ip.as_deref().unwrap_or(&row.address),
                row.stratum.unwrap_or(0)
            ))
        })
    }
}

/// An address by which others may know the host.
fn is_of_a_network(address: &str) -> bool {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => !v4.is_loopback() && !v4.is_link_local(),
        Ok(IpAddr::V6(v6)) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::blank;
    use crate::engine::sample::fleet;
    use crate::model::DaemonReport;
    use crate::model::Outcome;

    const FLEET: &str = "hosts: { m1: { address: 10.0.0.1, time_address: ntp1.lab, role: master, isolated: true, serve: [10.0.0.0/24] }, \
                         m2: { address: 10.0.0.2, role: master, isolated: true, serve: [10.0.0.0/24] }, \
                         s: { address: 10.0.0.9, role: slave, follows: [m1] } }";

    fn daemon(stratum: u8, refid: &str) -> DaemonReport {
        DaemonReport {
            provider: "chrony".to_owned(),
            synchronised: true,
            stratum: Some(stratum),
            refid: Some(refid.to_owned()),
            ..DaemonReport::default()
        }
    }

    /// The report of the slave, whose name `ntp1.lab` leads to an address; m1 has the addresses that
    /// are named, and where there are none it was not in the run.
    fn slave(leads_to: &str, m1_has: &[&str]) -> HostReport {
        let specs = fleet(FLEET);
        let mut reports: Vec<HostReport> = specs.iter().map(blank).collect();
        for report in &mut reports {
            report.daemon = Some(daemon(10, "7f7f0101"));
        }
        reports[0].addresses = m1_has.iter().map(|address| (*address).to_owned()).collect();
        reports[2].sources = vec![SourceReport {
            address: "ntp1.lab".to_owned(),
            host: Some("m1".to_owned()),
            ip: Some(leads_to.to_owned()),
            outcome: Outcome::Ok,
            stratum: Some(10),
            refid: Some("7f7f0101".to_owned()),
            ..SourceReport::default()
        }];
        let seen = if m1_has.is_empty() { &specs[2..] } else { &specs };
        let from = specs.len() - seen.len();
        check(seen, &owners(&specs), &mut reports[from..]);
        reports.remove(2)
    }

    fn message(report: &HostReport) -> &str {
        report.error.as_ref().map_or("", |error| &error.message)
    }

    #[test]
    fn a_name_that_leads_to_the_named_host_is_well() {
        for (address, own) in
            [("10.0.0.1", &["10.0.0.1"][..]), ("172.16.0.1", &["10.0.0.1", "172.16.0.1"]), ("10.0.0.1", &[])]
        {
            let report = slave(address, own);
            assert_eq!((report.status, report.warnings.len()), (Status::Unchanged, 0), "{address} {report:?}");
        }
    }

    #[test]
    fn a_name_that_leads_to_another_machine_is_a_failure() {
        let report = slave("10.0.0.77", &["127.0.0.1", "10.0.0.1", "fe80::1"]);
        assert_eq!(report.status, Status::OutOfLimits);
        let text = "`ntp1.lab` is to be m1 and leads this host to 10.0.0.77, which m1 does not have (it has 10.0.0.1)";
        assert_eq!(message(&report), text);
        let report = slave("10.0.0.2", &["10.0.0.1"]);
        assert_eq!(message(&report), "`ntp1.lab` is to be m1 and leads this host to 10.0.0.2, which is m2");
        assert!(report.error.unwrap().hint.unwrap().contains("time_address"));
    }

    #[test]
    fn what_cannot_be_known_is_a_warning() {
        let report = slave("10.0.0.77", &[]);
        assert_eq!(report.status, Status::Unchanged);
        assert!(report.warnings[0].contains("the inventory knows m1 as 10.0.0.1"), "{report:?}");
    }

    #[test]
    fn another_host_of_the_inventory_is_known_though_it_is_not_in_the_run() {
        let report = slave("10.0.0.2", &[]);
        assert_eq!(report.status, Status::OutOfLimits);
        assert_eq!(message(&report), "`ntp1.lab` is to be m1 and leads this host to 10.0.0.2, which is m2");
    }

    #[test]
    fn an_address_that_several_hosts_are_reached_by_is_that_of_none() {
        let text = "hosts: { a: { address: 10.0.0.1, role: master, isolated: true, ssh: { port: 2201 } }, \
                    b: { address: 10.0.0.1, time_address: 10.1.0.2, role: master, isolated: true, ssh: { port: 2202 } } }";
        let owners: Vec<(String, String)> =
            owners(&fleet(text)).into_iter().map(|(address, name)| (address.to_string(), name)).collect();
        assert_eq!(owners, [("10.1.0.2".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn an_address_whose_port_is_passed_on_may_be_that_of_a_router() {
        let owner = |ssh: &str| {
            let host = format!("address: 198.51.100.7, time_address: 10.1.0.2, role: master, isolated: true{ssh}");
            owners(&fleet(&format!("hosts: {{ b: {{ {host} }} }}"))).len()
        };
        assert_eq!((owner(""), owner(", ssh: { port: 22 }"), owner(", ssh: { port: 2222 }")), (2, 2, 1));
    }

    #[test]
    fn what_was_read_of_one_family_says_nothing_of_the_other() {
        assert_eq!(slave("10.0.0.77", &["10.0.0.1"]).status, Status::OutOfLimits);
        assert_ne!(slave("10.0.0.77", &["fd00::1"]).status, Status::OutOfLimits);
    }

    #[test]
    fn a_machine_that_tells_others_another_thing_than_itself_may_be_two() {
        let specs = fleet(FLEET);
        let mut reports: Vec<HostReport> = specs.iter().map(blank).collect();
        reports[0].addresses = vec!["10.0.0.1".to_owned()];
        reports[0].daemon = Some(daemon(10, "7f7f0101"));
        reports[2].daemon = Some(daemon(3, "0a000001"));
        reports[2].sources = vec![SourceReport {
            address: "ntp1.lab".to_owned(),
            ip: Some("10.0.0.1".to_owned()),
            outcome: Outcome::Ok,
            stratum: Some(2),
            refid: Some("47505300".to_owned()),
            ..SourceReport::default()
        }];
        check(&specs, &owners(&specs), &mut reports);
        assert_eq!(reports[2].status, Status::Unchanged);
        assert!(reports[2].warnings[0].contains("perhaps two machines have this address"), "{:?}", reports[2].warnings);
    }

    /// The warnings of a slave that was proven alone, whose master announces a reference.
    fn alone(master: &str, stratum: u8, refid: &str) -> Vec<String> {
        let text = format!(
            "hosts: {{ m1: {{ address: 10.0.0.1, role: master, serve: [10.0.0.0/24], {master} }}, \
             s: {{ address: 10.0.0.9, role: slave, follows: [m1] }} }}"
        );
        let spec = fleet(&text).remove(1);
        let mut report = blank(&spec);
        report.daemon = Some(daemon(stratum + 1, "0a000001"));
        report.sources = vec![SourceReport {
            address: "10.0.0.1".to_owned(),
            host: Some("m1".to_owned()),
            ip: Some("10.0.0.1".to_owned()),
            outcome: Outcome::Ok,
            stratum: Some(stratum),
            refid: Some(refid.to_owned()),
            ..SourceReport::default()
        }];
        let mut reports = [report];
        check(&[spec], &BTreeMap::new(), &mut reports);
        assert_eq!(reports[0].status, Status::Unchanged);
        std::mem::take(&mut reports[0].warnings)
    }

    #[test]
    fn a_master_that_is_not_in_the_run_is_taken_at_its_word_and_that_is_compared() {
        let says = |follows: &str| {
            vec![format!(
                "m1 says that it follows {follows}, and the inventory says otherwise; `verify -l m1` looks at it"
            )]
        };
        let fed = "upstream: [10.9.0.1, 10.9.0.2]";
        assert_eq!(alone(fed, 3, "0a090002"), Vec::<String>::new());
        assert_eq!(alone(fed, 3, "c0000263"), says("192.0.2.99"));
        assert_eq!(alone("isolated: true", 10, "7f7f0101"), Vec::<String>::new());
        assert_eq!(alone("isolated: true", 10, "4c4f434c"), Vec::<String>::new());
        assert_eq!(alone("isolated: true", 10, "7f000001"), Vec::<String>::new());
        assert_eq!(alone("isolated: true, upstream: [10.9.0.1]", 10, "7f000001"), says("its own clock"));
        assert_eq!(alone("isolated: true", 4, "c0000263"), says("192.0.2.99"));
        assert_eq!(alone("isolated: true, upstream: [10.9.0.1]", 10, "7f7f0101"), says("its own clock"));
        // That one is a failure of its own, and of these nothing is known.
        assert_eq!(alone(fed, 10, "7f7f0101"), Vec::<String>::new());
        for unknown in [
            "upstream: [ntp.example]",
            "upstream: [10.9.0.1, 'fd00::1']",
            "upstream: [10.9.0.1], extra: [refclock SHM 0]",
        ] {
            assert_eq!(alone(unknown, 3, "c0000263"), Vec::<String>::new(), "{unknown}");
        }
        assert_eq!(alone(fed, 1, "47505300"), Vec::<String>::new(), "a reference clock");
        // `VMTP`, where the inventory leaves the hypervisor in charge.
        let windows = "winrm: { user: a, password: { env: P } }, upstream: [10.9.0.1], vars: { hypervisor_time: YES }";
        assert_eq!(alone(&windows.replace("YES", "true"), 3, "564d5450"), Vec::<String>::new());
        assert_eq!(alone(&windows.replace("YES", "false"), 3, "564d5450"), says("86.77.84.80"));
    }
}
