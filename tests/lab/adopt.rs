//! A fleet that people have configured by hand, taken over.

use crate::fixture::Lab;
use crate::report::host;

mod slow {
    use super::*;

    const HOSTS: &[&str] = &["m1=bookworm@10.10.10.1", "old=rhel@10.10.10.2", "plain=bookworm@10.10.10.3"];

    /// Only how they are reached is known of them: any role does.
    const BEFORE: &str = "
defaults: { ssh: { user: ops, become: sudo, SSH }, role: master, isolated: true }
hosts: { m1: 10.10.10.1, old: 10.10.10.2, plain: 10.10.10.3, gone: { address: 10.10.10.99, ssh: { timeout: 2s } } }
";

    /// Grown for years, in several files.
    const MASTER: &str = "export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq chrony >/dev/null 2>&1
mkdir -p /etc/chrony/local.d
cat >/etc/chrony/chrony.conf <<'END'
# kim, 2014: the time server of the new room
confdir /etc/chrony/conf.d
include /etc/chrony/local.d/*.inc
local stratum 9 orphan
allow 10.10.10/24
keyfile /etc/chrony/chrony.keys
driftfile /var/lib/chrony/chrony.drift
logdir /var/log/chrony
MakeStep 0.5 -1
rtcsync
ntpsigndsocket /var/lib/samba/ntp_signd
END
echo 'clientloglimit 4194304' >/etc/chrony/conf.d/20-clients.conf
printf '! the lab\\nallow 172.16.0.0/12\\n' >/etc/chrony/local.d/lab.inc
systemctl restart chrony";

    const SLAVE: &str = "dnf -qy install ntp >/dev/null 2>&1
cat >/etc/ntp.conf <<'END'
driftfile /var/lib/ntp/drift
restrict default kod nomodify notrap nopeer noquery
restrict 127.0.0.1
restrict ::1
server 10.10.10.1 iburst
tinker panic 0
END
systemctl enable -q --now ntpd; systemctl restart ntpd";

    const PLAIN: &str = "printf '[Time]\\nNTP=10.10.10.1\\nPollIntervalMaxSec=1024\\n' >/etc/systemd/timesyncd.conf
systemctl restart systemd-timesyncd";

    /// Which lines of a file go, as `plan` says on a host that was never managed.
    fn loses(report: &serde_json::Value, name: &str) -> Vec<String> {
        let deltas = host(report, name)["deltas"].as_array().cloned().unwrap_or_default();
        let lost = deltas.iter().flat_map(|delta| delta["loses"].as_array().cloned().unwrap_or_default());
        lost.filter_map(|line| line.as_str().map(str::to_owned)).collect()
    }

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn a_fleet_that_grew_by_hand_is_taken_over() {
        let lab = Lab::up("adopt", HOSTS, BEFORE);
        for (host, text) in [("m1", MASTER), ("old", SLAVE), ("plain", PLAIN)] {
            lab.sh(host, text);
        }
        lab.here("sleep 5");
        let file = lab.path("adopted.yml");
        let path = file.display().to_string();
        let run = lab.fleetclock(&["adopt", "--output", &path]);
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(run.code, 4, "{}{text}", run.stderr);
        for line in [
            "# Left out: gone: ",
            "    serve: [10.10.10.0/24, 172.16.0.0/12]\n",
            "    isolated: { stratum: 9 }\n",
            "    step: { over: 500ms, first: always }\n",
            "      - \"clientloglimit 4194304\"  # /etc/chrony/conf.d/20-clients.conf:1\n",
            "      - \"tinker panic 0\"  # /etc/ntp.conf:6\n",
            "    follows: [masters]\n",
            "plain: `plan` writes /etc/systemd/timesyncd.conf.d/fleetclock.conf beside its own files, and restarts it\n",
            "plain:/etc/systemd/timesyncd.conf:3: `Time.PollIntervalMaxSec 1024`: stays in force",
            "old:/etc/ntp.conf:2: `restrict default kod nomodify notrap nopeer noquery`: `plan` takes it out\n",
        ] {
            assert!(text.contains(line), "no `{line}` in\n{text}");
        }
        // What is there is left as it is.
        assert_eq!(lab.fleetclock(&["adopt", "--output", &path]).code, 2);

        lab.inventory(&text);
        let (_, report) = lab.json(&["plan"]);
        // The master says the same in other words: nothing but what is beside the file may differ.
        let deltas = host(&report, "m1")["deltas"].as_array().unwrap().clone();
        assert!(!deltas.iter().any(|delta| delta["property"] == "content"), "{report:#}");
        assert_eq!(loses(&report, "old"), ["restrict default kod nomodify notrap nopeer noquery"], "{report:#}");
        let shown = lab.fleetclock(&["plan", "-l", "old"]);
        let said = "fleetclock has never changed this host; its file loses 1 directive";
        assert!(shown.stdout.contains(said), "{}", shown.stdout);

        let apply = lab.fleetclock(&["apply", "--yes"]);
        assert_eq!(apply.code, 0, "{}{}", apply.stdout, apply.stderr);
        assert_eq!(lab.fleetclock(&["check"]).code, 0);
        // Another name for a host, and other comments in its file: nothing is written, nothing is restarted.
        let began = "systemctl show -p ExecMainStartTimestampMonotonic ntpd; cat /etc/ntp.conf";
        lab.sh("old", "sed -i '1i # a note by hand' /etc/ntp.conf");
        let before = lab.sh("old", began);
        lab.inventory(&text.replace("      old:", "      older:"));
        assert_eq!(lab.fleetclock(&["apply", "--yes", "-l", "older"]).code, 0);
        assert_eq!(lab.sh("old", began), before);
    }
}
