//! Firewalls as they are met in the field: of both families, of iptables-legacy, a ufw whose
//! rules come in another order, whose profile is gone, or that is off. Beside NTP a step of one's own opens a port of
//! TCP. What becomes of packets is the judge.

use super::host;
use crate::fixture::{Lab, tell};

/// A firewall, and what packets get through it.
struct Shape {
    what: &'static str,
    /// The master that has it, and what the inventory says of it.
    on: &'static str,
    firewall: &'static str,
    close: &'static str,
    /// Who is answered then, and after an apply.
    before: &'static [&'static str],
    after: &'static [&'static str],
    boot: &'static str,
    /// Somebody closes it again, before all that is there.
    reorder: &'static str,
    open: &'static str,
}

const NOBODY: &[&str] = &[];
const FOLLOWERS: &[&str] = &["follower 123 v4", "follower 123 v6", "follower 4460 v4", "follower 4460 v6"];
const ALL: &[&str] = &[
    "follower 123 v4",
    "follower 123 v6",
    "follower 4460 v4",
    "follower 4460 v6",
    "stranger 123 v4",
    "stranger 123 v6",
    "stranger 4460 v4",
    "stranger 4460 v6",
];

const USUAL: Shape = Shape {
    what: "",
    on: "server1",
    firewall: "auto",
    close: "",
    before: NOBODY,
    after: FOLLOWERS,
    boot: "",
    reorder: "",
    open: "",
};

const UFW: &[Shape] = &[
    Shape {
        what: "ufw, whose rules for the followers come too late",
        close: "ufw allow 22/tcp; ufw deny 123/udp; ufw deny 4460/tcp; ufw allow proto udp from 10.10.10.0/24 to any port 123; ufw --force enable",
        boot: "systemctl restart ufw",
        reorder: "ufw delete deny 123/udp; ufw prepend deny 123/udp",
        open: "ufw --force reset; rm -f /etc/ufw/*.20*",
        ..USUAL
    },
    Shape {
        what: "ufw, open by a profile that is gone",
        close: "printf '[Clocks]\\ntitle=Clocks\\ndescription=Clocks\\nports=123/udp|4460/tcp\\n' >/etc/ufw/applications.d/clocks; ufw allow 22/tcp; for n in 10.10.10.0/24 fd00:10::/64; do ufw allow from $n to any app Clocks; done; ufw --force enable; rm /etc/ufw/applications.d/clocks",
        before: FOLLOWERS,
        boot: "ufw reload",
        open: "ufw --force reset; rm -f /etc/ufw/*.20*",
        ..USUAL
    },
    Shape {
        what: "ufw, which is off",
        firewall: "ufw",
        close: "ufw allow 22/tcp",
        before: ALL,
        after: ALL,
        boot: "ufw --force enable",
        open: "ufw --force reset; rm -f /etc/ufw/*.20*",
        ..USUAL
    },
];

const RULES: &[Shape] = &[
    Shape {
        what: "nftables, a table for each family and one for both before them",
        close: r#"printf '%s\n' 'flush ruleset' >/etc/nftables.conf; for f in ip ip6; do printf 'table %s filter {\n chain input {\n type filter hook input priority 0; policy drop;\n ct state established,related accept\n iif "lo" accept\n meta l4proto ipv6-icmp accept\n tcp dport 22 accept\n }\n}\n' $f >>/etc/nftables.conf; done; printf 'table inet guard {\n chain early {\n type filter hook input priority -10;\n udp dport 123 drop\n tcp dport { 4460, 4461 } drop\n }\n}\n' >>/etc/nftables.conf; systemctl enable -q nftables; systemctl restart nftables"#,
        boot: "systemctl restart nftables",
        reorder: "nft insert rule inet guard early udp dport 123 drop",
        open: "systemctl disable -q --now nftables; nft flush ruleset",
        ..USUAL
    },
    Shape {
        what: "iptables-legacy",
        close: "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends iptables-persistent >/dev/null 2>&1; for p in iptables ip6tables; do update-alternatives --set $p /usr/sbin/$p-legacy >/dev/null; $p -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT; $p -A INPUT -i lo -j ACCEPT; $p -A INPUT -p tcp --dport 22 -j ACCEPT; done; ip6tables -A INPUT -p ipv6-icmp -j ACCEPT; iptables -A INPUT -j REJECT; ip6tables -P INPUT DROP; netfilter-persistent save 2>/dev/null",
        boot: "systemctl restart netfilter-persistent",
        reorder: "ip6tables -I INPUT -p udp --dport 123 -j DROP",
        open: "systemctl disable -q --now netfilter-persistent; for p in iptables ip6tables; do $p -P INPUT ACCEPT; $p -F; done",
        ..USUAL
    },
];

const STEP: &str = r#"
- name: Open another port
  when: host.firewall != "none"
  firewall: { port: 4460/tcp, from: "{{ ntp.serve | join(' ') }}" }
"#;

const ASK: &str = "import socket, sys, threading
def ask(who, source, to, port):
    family = socket.AF_INET6 if ':' in to else socket.AF_INET
    for again in range(2):
        s = socket.socket(family, socket.SOCK_DGRAM if port == 123 else socket.SOCK_STREAM)
        s.settimeout(0.9)
        s.bind((source, 0))
        try:
            s.connect((to, port))
            if port == 123:
                s.send(b'\\x23' + bytes(47))
                s.recv(100)
            return print(who, port, 'v6' if ':' in to else 'v4', flush=True)
        except OSError:
            pass
n = sys.argv[1]
for who, own, to in [('follower', '10.10.10.2', '10.10.10.' + n), ('follower', 'fd00:10::2', 'fd00:10::' + n),
                     ('stranger', '10.20.0.2', '10.20.0.' + n), ('stranger', 'fd00:20::2', 'fd00:20::' + n)]:
    for port in 123, 4460:
        threading.Thread(target=ask, args=(who, own, to, port)).start()";

const LISTEN: &str = "import socket\ns = socket.create_server((\"::\", 4460), family=socket.AF_INET6, dualstack_ipv6=True)\nwhile 1: s.accept()[0].close()";

/// Whom a master answers; its service allows everybody, so only its firewall can keep silent.
fn answered(lab: &Lab, master: &str) -> Vec<String> {
    lab.sh(master, "chronyc -n allow all >/dev/null");
    let number = master.trim_start_matches("server");
    let said = lab.sh("server2", &format!("python3 - {number} <<'END'\n{ASK}\nEND"));
    lab.sh(master, "systemctl try-restart chronyd.service 2>/dev/null || systemctl restart chrony; sleep 0.5");
    let mut all: Vec<String> = said.lines().map(str::to_owned).collect();
    all.sort();
    all
}

/// All that a firewall has, now and in its files. Counters are no state.
const STATE: &str = "for p in iptables ip6tables; do $p-save 2>/dev/null | sed '/^#/d; s/ \\[.*//'; done; nft -s list ruleset 2>/dev/null; cat /etc/nftables.conf /etc/ufw/*.rules /etc/iptables/* /etc/sysconfig/ip*tables 2>/dev/null; ls -R /etc/fleetclock /etc/systemd/system/nftables.service.d 2>/dev/null; ls /var/lib/fleetclock | grep -v runs; true";

struct Stand {
    lab: Lab,
    assets: String,
    wrong: Vec<String>,
}

impl Stand {
    /// Masters as they are wanted, with no firewall, and who asks them.
    fn up(name: &str, hosts: &[&str]) -> Self {
        let lab = Lab::up(name, hosts, &inventory(hosts, "none"));
        let assets = lab.path("own-assets").display().to_string();
        assert_eq!(lab.fleetclock(&["assets", "export", &assets]).code, 0);
        let playbook = std::path::Path::new(&assets).join("playbooks/linux-chrony.yml");
        let text = std::fs::read_to_string(&playbook).unwrap() + STEP;
        std::fs::write(playbook, text).unwrap();
        for host in hosts {
            let name = host.split('=').next().unwrap_or_default();
            let number = name.trim_start_matches("server");
            lab.sh(name, &format!("systemctl disable -q firewalld 2>/dev/null; systemctl stop firewalld 2>/dev/null; ip addr add 10.20.0.{number}/24 dev host0; ip addr add fd00:20::{number}/64 dev host0 nodad; systemd-run -q --unit=listen python3 -c '{LISTEN}'"));
        }
        let stand = Stand { lab, assets, wrong: Vec::new() };
        assert_eq!(stand.json(&["apply", "--yes"]).0, 0);
        stand
    }

    fn json(&self, arguments: &[&str]) -> (i32, crate::report::Report) {
        self.lab.json(&[arguments, &["--assets", &self.assets]].concat())
    }

    fn expect(&mut self, shape: &Shape, when: &str, expected: &[&str]) {
        let found = answered(&self.lab, shape.on);
        if found != expected {
            self.wrong.push(format!("{}: {when}: answered are {found:?}", shape.what));
        }
    }

    fn run(&mut self, shape: &Shape, when: &str, words: &[&str], expected: (i32, &str)) {
        let (code, report) = self.json(words);
        let found = host(&report, shape.on);
        let status = found["status"].as_str().unwrap_or_default();
        if (code, status) != expected {
            self.wrong.push(format!("{}: {when}: {} {code}: {found:#}", shape.what, words[0]));
        }
    }

    /// Opened for the followers, kept over a boot, taken back to the letter; put right where somebody closes it again.
    fn look_at(&mut self, shape: &Shape) {
        let on = shape.on;
        self.lab.sh(on, &format!("({}) >/dev/null", shape.close));
        let before = self.lab.sh(on, STATE);
        self.expect(shape, "before", shape.before);
        let apply: &[&str] = &["apply", "--yes", "-l", on];
        let is_open = shape.before == FOLLOWERS;
        self.run(shape, "first", apply, (0, if is_open { "unchanged" } else { "changed" }));
        if !self.wrong.is_empty() {
            // What comes after would be about another run.
            return;
        }
        self.expect(shape, "applied", shape.after);
        self.run(shape, "again", apply, (0, "unchanged"));
        self.lab.sh(on, &format!("({}) >/dev/null", shape.boot));
        self.expect(shape, "booted", FOLLOWERS);
        if !is_open && shape.after == FOLLOWERS {
            self.run(shape, "undo", &["undo", "--yes", on], (0, "changed"));
            let after = self.lab.sh(on, STATE);
            if after != before {
                self.wrong.push(format!("{}\n--- before\n{before}\n--- after the undo\n{after}", shape.what));
            }
        }
        if !shape.reorder.is_empty() {
            self.run(shape, "a second time", apply, (0, "changed"));
            self.lab.sh(on, &format!("({}) >/dev/null", shape.reorder));
            self.run(shape, "reordered", &["check", "-l", on], (3, "drifted"));
            self.run(shape, "reordered", apply, (0, "changed"));
            self.expect(shape, "reordered and applied", FOLLOWERS);
        }
        self.lab.sh(on, &format!("({}) >/dev/null", shape.open));
        tell(&format!("{}: {}", shape.what, self.wrong.len()));
    }

    fn look_at_all(mut self, hosts: &[&str], shapes: &[Shape]) {
        for shape in shapes {
            self.lab.inventory(&inventory(hosts, shape.firewall));
            self.look_at(shape);
        }
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

fn inventory(hosts: &[&str], firewall: &str) -> String {
    let masters = hosts.iter().filter_map(|host| host.split_once('=')).filter(|(name, _)| *name != "server2");
    let masters: Vec<String> =
        masters.map(|(name, _)| format!("{name}: 10.10.10.{}", name.trim_start_matches("server"))).collect();
    format!(
        "defaults: {{ ssh: {{ user: ops, become: sudo, timeout: 60s, SSH }}, limits: {{ deadline: 5m }} }}\ngroups:\n  m: {{ role: master, isolated: true, firewall: {firewall}, serve: [10.10.10.0/24, 'fd00:10::/64'], hosts: {{ {} }} }}\n",
        masters.join(", ")
    )
}

const BOOKWORM: &[&str] = &["server1=bookworm@10.10.10.1,fd00:10::1", "server2=bookworm@10.10.10.2,fd00:10::2"];
const INSTALL: &str =
    "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends PACKAGES >/dev/null 2>&1";

#[test]
#[ignore = "needs the lab: ./test --slow runs it"]
fn ufw_is_opened_in_each_state_that_it_is_met_in() {
    let stand = Stand::up("ufws", BOOKWORM);
    stand.lab.sh("server1", &INSTALL.replace("PACKAGES", "ufw iptables"));
    stand.look_at_all(BOOKWORM, UFW);
}

#[test]
#[ignore = "needs the lab: ./test --slow runs it"]
fn rules_of_both_families_and_of_iptables_legacy_are_opened() {
    let stand = Stand::up("shapes", BOOKWORM);
    stand.look_at_all(BOOKWORM, RULES);
}
