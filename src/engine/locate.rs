//! Where the inventory asks for what is not so on a host.

use std::collections::HashMap;
use std::path::Path;

use crate::firewall;
use crate::inventory::{At, HostSpec, Places};
use crate::model::{Delta, HostReport, Place};

/// Gives each host, what differs on it and what was found on it their places in a file. Hosts that are not in the
/// inventory any more have none. `named` says how the path of a file is shown.
pub fn give(named: impl Fn(&Path) -> String, hosts: &[HostSpec], reports: &mut [HostReport]) {
    let known: HashMap<&str, &Places> = hosts.iter().map(|host| (host.name.as_str(), &host.places)).collect();
    for report in reports {
        let Some(places) = known.get(report.name.as_str()) else { continue };
        let place = |at: At| {
            let file = named(Path::new(places.files.get(at.file as usize)?));
            Some(Place { file, line: at.line, column: at.column })
        };
        report.mark.place = place(places.host);
        for delta in &mut report.deltas {
            delta.mark.place = place(of_delta(places, delta));
        }
        for finding in &mut report.findings {
            finding.mark.place = place(places.host);
        }
    }
}

/// The key that asks for what a delta is about, else the host: whom a firewall lets in, which service there is, and
/// whom the files of that service name.
fn of_delta(places: &Places, delta: &Delta) -> At {
    let kind = delta.resource.split(' ').next().unwrap_or_default();
    let key = match kind {
        kind if kind == "firewall" || firewall::every().any(|firewall| firewall.word() == kind) => {
            places.serve.or(places.firewall)
        }
        "package" | "service" => places.provider,
        "file" | "registry" => places.sources,
        _ => None,
    };
    key.unwrap_or(places.host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;

    const FLEET: &str = "\
defaults: { provider: chrony }
groups:
  slaves:
    role: slave
    upstream: [10.9.9.9]
    hosts:
      web[1:2]: 10.0.0.[1:2]
hosts:
  m1: { address: 10.0.0.9, role: master, isolated: true, serve: [10.0.0.0/24] }
";

    #[test]
    fn what_differs_is_shown_where_it_is_asked_for() {
        let hosts = sample::fleet(FLEET);
        let mut reports: Vec<HostReport> = hosts.iter().map(sample::blank).collect();
        for report in &mut reports {
            let delta = |resource: &str| Delta::new(resource.to_owned(), "p", None, None);
            report.deltas = ["package chrony", "file /etc/chrony.conf", "firewalld zone public", "other time services"]
                .map(delta)
                .into();
        }
        give(|path| path.display().to_string(), &hosts, &mut reports);
        let shown = |name: &str| -> Vec<String> {
            let report = reports.iter().find(|report| report.name == name).unwrap();
            let marks = std::iter::once(&report.mark).chain(report.deltas.iter().map(|delta| &delta.mark));
            marks.map(|mark| mark.place.as_ref().unwrap().to_string().replace("fleet.yml:", "")).collect()
        };
        // A host of a range stands where the range does; its sources are those of its group.
        assert_eq!(shown("web2"), ["7:7", "1:23", "5:16", "7:7", "7:7"]);
        assert_eq!(shown("m1"), ["9:3", "1:23", "9:3", "9:65", "9:3"]);
    }
}
