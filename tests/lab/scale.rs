//! Many hosts that answer as those of a lab do: `benches/fleet`, which makes its recordings of them first.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fixture::{Lab, named, tell};
use crate::report::error;
use crate::rollout::{HOSTS, THREE};

/// How many hosts ended in which way.
fn endings(report: &Value) -> BTreeMap<&str, usize> {
    let mut endings = BTreeMap::new();
    for host in report["hosts"].as_array().unwrap() {
        *endings.entry(host["status"].as_str().unwrap()).or_default() += 1;
    }
    endings
}

mod slow {
    use super::*;

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn two_hundred_hosts_end_as_those_that_they_answer_for() {
        // A master, a slave in sync and one that has drifted.
        let lab = Lab::up("many", HOSTS, THREE);
        assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
        lab.sh("server3", "echo 'tinker stepout 301' >>/etc/ntpsec/ntp.conf");
        let hosts = "server1@10.10.10.1 server2@10.10.10.2 server3@10.10.10.3";
        let root = env!("CARGO_MANIFEST_DIR");
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or(format!("{root}/target"), |dir| dir.display().to_string());
        let dir = lab.path("scale");
        lab.here(&format!(
            "{root}/tests/lab/lab run {lab} env SIMULATOR={target}/fleet/release/fleet-simulator FLEETCLOCK={} \
             {root}/benches/fleet/smoke {lab} {} {hosts}",
            env!("CARGO_BIN_EXE_fleetclock"),
            dir.display(),
            lab = named("many"),
        ));
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        for verb in ["check", "verify"] {
            let report: Value = serde_json::from_str(&read(&format!("{verb}.json"))).unwrap();
            let wanted = BTreeMap::from([("unchanged", 185), ("drifted", 5), ("failed", 2), ("unreachable", 8)]);
            assert_eq!(endings(&report), wanted, "{verb}: {:#}", report["hosts"][0]);
            assert!(error(&report, "h191").contains("refused"), "{}", error(&report, "h191"));
            // Neither one that accepts connections and says nothing nor one that is not there holds up the others.
            for (name, cause) in [("h193", "SSH handshake"), ("h200", "timed out after 2s")] {
                assert!(error(&report, name).contains(cause), "{name}: {}", error(&report, name));
            }
        }
        let said = read("said");
        tell(said.trim());
        assert!(said.contains(" 0 unknown"), "{said}");
    }
}
