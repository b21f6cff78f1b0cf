//! Hosts without a repository: their packages come from a folder of the control side, and go again when the change is
//! taken back.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fixture::Lab;
use crate::report::{error, statuses};

const HOSTS: &[&str] = &["deb=bookworm@10.10.10.1", "red=rhel@10.10.10.2", "leap=suse@10.10.10.3"];

const FLEET: &str = "
defaults: { ssh: { user: root, SSH }, packages: { from: packages } }
hosts:
  deb: { address: 10.10.10.1, role: master, isolated: true, serve: [10.10.10.0/24] }
  red: { address: 10.10.10.2, role: slave, follows: [deb] }
  leap: { address: 10.10.10.3, role: slave, follows: [deb] }
";

const DEBS: &str = "/var/cache/apt/archives";

/// What a rollback has to bring back.
/// What chronyd has written stays where rpm takes it out, as ever.
const STATE: &str = "if command -v dpkg-query >/dev/null; then dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n'; else rpm -qa | sort; fi
systemctl is-active systemd-timesyncd || :
ls -d /etc/chrony* /usr/sbin/chronyd 2>/dev/null || :
! command -v dpkg-query >/dev/null || ls -d /var/lib/chrony 2>/dev/null || :
for f in $(dpkg-query -L systemd-timesyncd 2>/dev/null); do [ ! -f $f ] || sha256sum $f; done";

/// Takes a file of a host into the folder.
fn take(lab: &Lab, host: &str, pattern: &str) -> PathBuf {
    let path = lab.sh(host, &format!("ls {pattern}"));
    let content = STANDARD.decode(lab.sh(host, &format!("base64 -w0 {pattern}")).trim()).unwrap();
    let file = lab.path("packages").join(Path::new(path.trim()).file_name().unwrap());
    std::fs::write(&file, content).unwrap();
    file
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn packages_of_a_folder_are_pushed_and_taken_out_again() {
    let lab = Lab::up("push", HOSTS, FLEET);
    let _ = std::fs::remove_dir_all(lab.path("packages"));
    let refused = |host: &str, why: &str| {
        let (code, report) = lab.json(&["plan", "-l", host]);
        let said = error(&report, host);
        assert!(code == 1 && said.contains(why), "{said}");
    };
    refused("deb", "read the packages of");
    std::fs::create_dir(lab.path("packages")).unwrap();
    refused("deb", "has no .deb file of it");
    let chrony = take(&lab, "deb", &format!("{DEBS}/chrony_*"));
    for host in ["red", "leap"] {
        take(&lab, host, "/srv/repo/chrony-4*.rpm");
        lab.sh(host, "rm -rf /srv/repo /etc/yum.repos.d/* /etc/zypp/repos.d/*");
    }
    // It needs one that the host has not.
    lab.sh("deb", "dpkg --remove --force-depends tzdata >/dev/null 2>&1");
    refused("deb", "needs `tzdata` for chrony, and neither the host nor");
    take(&lab, "deb", &format!("{DEBS}/tzdata_*"));
    lab.sh(
        "deb",
        "rm -rf /etc/apt/sources.list* /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb",
    );
    let whole = std::fs::read(&chrony).unwrap();
    std::fs::write(&chrony, &whole[..whole.len() - 999]).unwrap();
    refused("deb", "it is cut off");
    std::fs::write(&chrony, &whole).unwrap();

    let before: Vec<String> = ["deb", "red", "leap"].iter().map(|host| lab.sh(host, STATE)).collect();
    let plan = lab.fleetclock(&["plan"]);
    for part in ["+ package chrony", "pushed", "+ package tzdata", "- package systemd-timesyncd"] {
        assert!(plan.stdout.contains(part), "{part}: {}{}", plan.stdout, plan.stderr);
    }
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    assert!(lab.sh("red", "chronyc -n sources").contains("^* 10.10.10.1"));
    assert!(lab.sh("leap", "chronyc -n sources").contains("^* 10.10.10.1"));
    // Nothing of it lies around, and nothing is left to do, whatever becomes of the folder.
    assert_eq!(lab.sh("deb", "find /var/lib/fleetclock -name 'chrony*' -o -name 'tzdata*'"), "");
    std::fs::remove_dir_all(lab.path("packages")).unwrap();
    let (code, report) = lab.json(&["check"]);
    assert_eq!((code, &statuses(&report)[0][..]), (0, "deb unchanged"), "{report:#}");

    let (code, report) = lab.json(&["undo", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    for (host, before) in ["deb", "red", "leap"].iter().zip(&before) {
        assert_eq!(&lab.sh(host, STATE), before, "{host}");
    }
}
