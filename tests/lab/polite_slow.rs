//! Servers that limit the rate of questions, as they come: ntpd 4.2.8 of Debian 11 and ntpsec of
//! Debian 12 with `restrict default kod ... limited`, and chronyd with `ratelimit`. The limit is for
//! an address, and the host's own time service shares it.

use std::time::{Duration, Instant};

use crate::fixture::{Lab, tell};
use crate::report::host;

const HOSTS: &[&str] = &[
    "old=bullseye@10.10.10.1",
    "sec=bookworm@10.10.10.2",
    "chr=bookworm@10.10.10.3",
    "c1=bookworm@10.10.10.11",
    "c2=bookworm@10.10.10.12",
    "c3=bookworm@10.10.10.13",
];

const FLEET: &str = "
defaults:
  ssh: { user: root, SSH }
hosts:
  c1: { address: 10.10.10.11, role: master, upstream: [10.10.10.1] }
  c2: { address: 10.10.10.12, role: master, upstream: [10.10.10.2] }
  c3: { address: 10.10.10.13, role: master, upstream: [10.10.10.3] }
";

/// Debian's own line, on a server that has its own clock.
const NTPD: &str = "tos orphan 5 orphanwait 1
restrict default kod nomodify nopeer noquery limited
restrict 127.0.0.1
restrict ::1
";

const INSTALL: &str = "systemctl disable -q --now firewalld; export DEBIAN_FRONTEND=noninteractive
apt-get -qq -y --no-install-recommends install PACKAGE >/dev/null 2>&1
printf '%s' 'CONFIG' >FILE && systemctl restart PACKAGE";

/// Within this time a chronyd that nobody disturbs has its time: four questions and a start.
const USUAL: Duration = Duration::from_secs(15);

fn serve(lab: &Lab, name: &str, package: &str, file: &str, config: &str) {
    let script = INSTALL.replace("PACKAGE", package).replace("FILE", file).replace("CONFIG", config);
    lab.sh(name, &script);
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn servers_that_limit_the_rate_have_no_reason_to() {
    let lab = Lab::up("ypolite", HOSTS, FLEET);
    serve(&lab, "old", "ntp", "/etc/ntp.conf", NTPD);
    serve(&lab, "sec", "ntpsec", "/etc/ntpsec/ntp.conf", NTPD);
    serve(
        &lab,
        "chr",
        "chrony",
        "/etc/chrony/chrony.conf",
        "local stratum 5\nallow\nratelimit\ndriftfile /var/lib/chrony/x\n",
    );
    lab.sh("old", "for i in $(seq 30); do ntpq -c 'rv 0 leap' | grep -q leap=00 && break; sleep 1; done");
    lab.sh("sec", "for i in $(seq 30); do ntpq -c 'rv 0 leap' | grep -q leap=00 && break; sleep 1; done");
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    for turn in 0..6 {
        let (code, report) = lab.json(&["verify"]);
        let outcomes = ["c1", "c2", "c3"].map(|name| host(&report, name)["sources"][0]["outcome"].clone());
        assert_eq!(code, 0, "{turn} {outcomes:?} {report:#}");
        assert_eq!(outcomes, ["ok", "ok", "ok"], "{turn}");
    }
    for name in ["c1", "c2", "c3"] {
        let kisses = lab.sh(name, "journalctl -q -u chrony | grep -c 'KoD RATE' || true");
        assert_eq!(kisses, "0", "{name} was told to ask less often");
    }
    the_service_of_a_host_has_its_time_as_soon_as_ever(&lab);
}

/// A restart and a `verify` at once: who asks whom first is left to them.
fn the_service_of_a_host_has_its_time_as_soon_as_ever(lab: &Lab) {
    // What was asked before is forgotten.
    lab.sh("chr", "sleep 60");
    for name in ["c1", "c2", "c3"] {
        lab.sh(name, "systemctl restart chrony");
    }
    let began = Instant::now();
    let (code, report) = lab.json(&["verify"]);
    tell(&format!("verify after a restart: {:?}", began.elapsed()));
    assert_eq!(code, 0, "{report:#}");
    assert!(began.elapsed() < USUAL, "{:?}", began.elapsed());
}
