//! What is done to the hosts of `doctor.rs`, and what has to be found. The short words in capitals
//! are filled in there.

/// What is done to a host, how it is put right, and what has to be found: `HOST CODE [AFFECTED..]`.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) host: &'static str,
    pub(crate) wreck: &'static str,
    pub(crate) mend: &'static str,
    pub(crate) found: &'static [&'static str],
}

pub(crate) const fn case(
    name: &'static str,
    host: &'static str,
    wreck: &'static str,
    mend: &'static str,
    found: &'static [&'static str],
) -> Case {
    Case { name, host, wreck, mend, found }
}

pub(crate) const ALL: &str = "server2 server3 server4";

/// In the place of a command: what the finding says is done as it is printed. A command behind it clears away what
/// was never found.
pub(crate) const FIX: &str = "FIX";

pub(crate) const SERVICE: &[Case] = &[
    case("well", "server2", ":", ":", &[]),
    case("stopped", "server2", "systemctl stop chrony", "FIX", &["server2 FC004"]),
    case("stopped-ntpd", "server3", "systemctl stop ntpsec", "FIX", &["server3 FC004"]),
    case("stopped-server", "server1", "systemctl stop chrony", "FIX", &["server1 FC004 ALL"]),
    case("masked", "server2", "systemctl stop chrony; systemctl mask -q chrony", "FIX", &["server2 FC002"]),
    case("crashed", "server2", "echo nonsense 1 >>CONF; systemctl restart chrony || :", "RESTORE", &["server2 FC003"]),
    case("not-enabled", "server2", "systemctl disable -q chrony", "FIX", &["server2 FC005"]),
    case(
        "instead",
        "server4",
        "dnf -q -y install ntp >/dev/null 2>&1; systemctl start ntpd",
        "FIX",
        &["server4 FC012"],
    ),
    case(
        "fight",
        "server4",
        "cd /usr/lib/systemd/system; sed -i '/^Conflicts/d' ntpd.service chronyd.service; systemctl daemon-reload; systemctl start ntpd",
        "FIX",
        &["server4 FC006"],
    ),
    case(
        "fight-by-hand",
        "server2",
        "printf 'server 10.10.10.1\\nport 0\\ncmdport 0\\nbindcmdaddress /\\npidfile /run/other.pid\\n' >/run/other.conf; systemd-run -q --unit=other-clock chronyd -x -d -f /run/other.conf",
        "FIX",
        &["server2 FC006"],
    ),
    case(
        "enabled-until-boot",
        "server2",
        "systemctl disable -q chrony; systemctl enable -q --runtime chrony",
        "FIX",
        &["server2 FC005"],
    ),
    case(
        "job-at-boot",
        "server2",
        "printf '#!/bin/sh\\nntpdate -b 10.10.10.1\\n' >/etc/rc.local; chmod +x /etc/rc.local",
        "rm /etc/rc.local",
        &["server2 FC007"],
    ),
    case("at-boot", "server4", "systemctl enable -q ntpd", "FIX", &["server4 FC011"]),
    case(
        "cron",
        "server2",
        "echo '7 * * * * root /usr/sbin/ntpdate 10.10.10.1' >/etc/cron.d/time",
        "rm /etc/cron.d/time",
        &["server2 FC007"],
    ),
    case(
        "dhcp",
        "server2",
        "mkdir -p /run/chrony-dhcp; echo 'server 10.10.10.3 iburst' >/run/chrony-dhcp/host0.sources; echo 'sourcedir /run/chrony-dhcp' >>CONF; systemctl restart chrony; FOLLOWS",
        "rm -r /run/chrony-dhcp; RESTORE",
        &["server2 FC008"],
    ),
    case(
        "not-loaded",
        "server1",
        "sed -i '/^allow/d' CONF; systemctl restart chrony; sleep 2; cp /root/keep CONF",
        "FIX",
        &["server1 FC009 ALL"],
    ),
    case(
        "not-named",
        "server2",
        "sed -i 's/^server/#server/' CONF; systemctl restart chrony",
        "FIX",
        &["server2 FC010"],
    ),
];

/// The last, for it takes the service away.
pub(crate) const GONE: &[Case] =
    &[case("not-installed", "server2", "dpkg --purge --force-all chrony >/dev/null 2>&1", "", &["server2 FC001"])];

pub(crate) const SERVING: &[Case] = &[
    case(
        "hangs",
        "server1",
        "pkill -STOP chronyd",
        "pkill -CONT chronyd; systemctl restart chrony",
        &["server1 FC013 ALL"],
    ),
    // server1 needs its keys, which `apply` does not write: it comes after.
    case(
        "key-missing",
        "server2",
        "printf 'keyfile /etc/chrony/chrony.keys\\n' >>CONF; sed -i 's/^server.*/& key 7/' CONF; echo '5 SHA1 HEX:00112233445566778899AABBCCDDEEFF00112233' >/etc/chrony/chrony.keys; systemctl restart chrony; sleep 6",
        "RESTORE",
        &["server2 FC026"],
    ),
    case(
        "key-differs",
        "server2",
        "printf 'keyfile /etc/chrony/chrony.keys\\n' >>CONF; sed -i 's/^server.*/& key 5/' CONF; echo '5 SHA1 HEX:00112233445566778899AABBCCDDEEFF00112299' >/etc/chrony/chrony.keys; systemctl restart chrony; sleep 6",
        "RESTORE",
        &["server2 FC027"],
    ),
    case("not-allowed", "server1", "sed -i '/^allow/d' CONF; systemctl restart chrony", "FIX", &["server1 FC020 ALL"]),
    case(
        "others-allowed",
        "server1",
        "sed -i 's/^allow.*/allow 10.99.0.0\\/16/' CONF; systemctl restart chrony",
        "FIX",
        &["server1 FC020 ALL"],
    ),
    case("port-off", "server1", "echo 'port 0' >>CONF; systemctl restart chrony", "FIX", &["server1 FC021 ALL"]),
    case(
        "bound-elsewhere",
        "server1",
        "echo 'bindaddress 127.0.0.1' >>CONF; systemctl restart chrony",
        "FIX",
        &["server1 FC022 ALL"],
    ),
    case("no-time", "server1", "sed -i '/^local/d' CONF; systemctl restart chrony", "RESTORE", &["server1 FC023 ALL"]),
];

pub(crate) const FIREWALL: &[Case] = &[
    case("closed", "server1", "firewall-cmd -q RULE; firewall-cmd -q --permanent RULE", "FIX", &["server1 FC040 ALL"]),
    case("closed-until-reload", "server1", "firewall-cmd -q RULE", "FIX", &["server1 FC047 ALL"]),
    case("not-permanent", "server1", "firewall-cmd -q --permanent RULE", "FIX", &["server1 FC041"]),
    case(
        "wrong-zone",
        "server1",
        "firewall-cmd -q RULE; firewall-cmd -q --permanent RULE; firewall-cmd -q --zone=work --add-service=ntp",
        "FIX firewall-cmd -q --zone=work --remove-service=ntp",
        &["server1 FC042 ALL"],
    ),
    case(
        "wrong-source",
        "server1",
        "firewall-cmd -q RULE; firewall-cmd -q --permanent RULE; firewall-cmd -q --add-rich-rule='rule family=\"ipv4\" source address=\"10.10.20.0/24\" service name=\"ntp\" accept'",
        "FIX firewall-cmd -q --remove-rich-rule='rule family=\"ipv4\" source address=\"10.10.20.0/24\" service name=\"ntp\" accept'",
        &["server1 FC043 ALL"],
    ),
    case(
        "closed-at-boot",
        "server1",
        "cp /etc/nftables.conf /root/; printf 'flush ruleset\\ntable inet filter {\\n chain input {\\n type filter hook input priority 0; policy drop;\\n ct state established accept\\n tcp dport 22 accept\\n }\\n}\\n' >/etc/nftables.conf; systemctl enable -q nftables",
        "FIX systemctl disable -q nftables; cp /root/nftables.conf /etc/",
        &["server1 FC049"],
    ),
    case(
        "client-out",
        "server2",
        "nft 'add table inet lab; add chain inet lab out { type filter hook output priority 0; }; add rule inet lab out udp dport 123 drop'",
        "nft delete table inet lab",
        &["server2 FC044"],
    ),
    case(
        "client-in",
        "server2",
        "nft 'add table inet lab; add chain inet lab in { type filter hook input priority -300; }; add rule inet lab in udp sport 123 counter drop'",
        "nft delete table inet lab",
        &["server2 FC045"],
    ),
    case(
        "server-filter",
        "server1",
        "nft 'add table inet lab; add chain inet lab in { type filter hook input priority 5; }; add rule inet lab in ip saddr 10.10.10.2 udp dport 123 counter drop'",
        "nft delete table inet lab",
        &["server1 FC046 server2"],
    ),
    case(
        "overruled",
        "server1",
        "firewall-cmd -q --add-rich-rule='rule priority=\"-1\" family=\"ipv4\" source address=\"10.10.10.2\" drop'",
        "firewall-cmd -q --remove-rich-rule='rule priority=\"-1\" family=\"ipv4\" source address=\"10.10.10.2\" drop'",
        &["server1 FC034 server2"],
    ),
    case(
        "diverted",
        "server1",
        "nft 'add table ip lab; add chain ip lab in { type nat hook prerouting priority -100; }; add rule ip lab in ip saddr 10.10.10.2 udp dport 123 dnat to 10.10.10.77'",
        "nft delete table ip lab",
        &["server1 FC035 server2"],
    ),
    case(
        "service-alone",
        "server2",
        "nft 'add table inet lab; add chain inet lab out { type filter hook output priority 0; }; add rule inet lab out meta skuid _chrony udp dport 123 drop'; systemctl restart chrony; sleep 3",
        "nft delete table inet lab; systemctl restart chrony; FOLLOWS",
        &["server2 FC059"],
    ),
];

/// Rules that `nft` does not show. The program comes from apt's cache.
pub(crate) const LEGACY: &[Case] = &[
    case(
        "legacy-server",
        "server1",
        "LEGACY; iptables-legacy -A INPUT -s 10.10.10.2/32 -p udp -m udp --dport 123 -j DROP",
        "iptables-legacy -F INPUT",
        &["server1 FC048 server2"],
    ),
    case(
        "legacy-client",
        "server2",
        "LEGACY; iptables-legacy -P INPUT DROP; iptables-legacy -A INPUT -p tcp -j ACCEPT; iptables-legacy -A INPUT -i lo -j ACCEPT",
        "iptables-legacy -P INPUT ACCEPT; iptables-legacy -F INPUT",
        &["server2 FC048"],
    ),
    // Its rules are in the kernel, and the program that shows them has gone.
    case(
        "legacy-unreadable",
        "server2",
        "LEGACY; iptables-legacy -A INPUT -p udp -m udp --sport 123 -j DROP; mv /usr/sbin/xtables-legacy-multi /root/",
        "mv /root/xtables-legacy-multi /usr/sbin/; iptables-legacy -F INPUT",
        &["server1 FC055 server2"],
    ),
];

/// What else has a hand in the time of a machine.
pub(crate) const MACHINE: &[Case] = &[case(
    "cloud-init",
    "server2",
    "apt-get -qq -y install --no-install-recommends cloud-init >/dev/null 2>&1; printf 'ntp:\n  enabled: true\n  servers: [10.10.10.9]\n' >/etc/cloud/cloud.cfg.d/90-time.cfg",
    "rm /etc/cloud/cloud.cfg.d/90-time.cfg",
    &["server2 FC019"],
)];

pub(crate) const PATH: &[Case] = &[
    case(
        "no-route",
        "server2",
        "ip route add 10.10.10.254 dev host0; ip route del 10.10.10.0/24 dev host0",
        "ip route add 10.10.10.0/24 dev host0 src 10.10.10.2; ip route del 10.10.10.254 dev host0; systemctl restart chrony",
        &["server2 FC050"],
    ),
    case(
        "questions-lost",
        "control",
        "LOSE ip saddr 10.10.10.2 udp dport 123 drop'; sleep 12",
        "FOUND",
        &["server1 FC051 server2"],
    ),
    case(
        "answers-lost",
        "control",
        "LOSE ip daddr 10.10.10.2 udp sport 123 drop'",
        "FOUND",
        &["server1 FC052 server2"],
    ),
    case(
        "unseen",
        "server1",
        "systemctl stop chrony ssh.socket ssh",
        "systemctl start ssh chrony",
        &["server2 FC053", "server3 FC053", "server4 FC053"],
    ),
];

/// Firewalls that tell port 123 from others; server3 has an ntpd, which holds that port.
pub(crate) const PORTS: &[Case] = &[
    case(
        "only-port-123",
        "server1",
        "nft 'add table inet lab; add chain inet lab in { type filter hook input priority 5; }; add rule inet lab in ip saddr 10.10.10.2 udp dport 123 udp sport != 123 drop'",
        "nft delete table inet lab",
        &["server1 FC056 server2"],
    ),
    case(
        "only-port-123-lost",
        "control",
        "LOSE ip saddr 10.10.10.3 udp dport 123 udp sport != 123 drop'",
        "FOUND",
        &["server1 FC056 server3"],
    ),
    case(
        "not-port-123-lost",
        "control",
        "LOSE ip saddr 10.10.10.3 udp dport 123 udp sport 123 drop'",
        "FOUND",
        &["server1 FC057 server3"],
    ),
    case(
        "not-port-123",
        "server1",
        "nft 'add table inet lab; add chain inet lab in { type filter hook input priority 5; }; add rule inet lab in ip saddr 10.10.10.2 udp dport 123 udp sport 123 drop'",
        "nft delete table inet lab",
        &["server1 FC058"],
    ),
];

pub(crate) const CLOCK: &[Case] = &[
    case(
        "seldom",
        "server2",
        "sed -i 's/^server.*/& maxpoll 17/' CONF; systemctl restart chrony; FOLLOWS",
        "RESTORE",
        &["server2 FC073"],
    ),
    // What chronyd notes when the clock jumps, it notes after it could not run for a while, too: no
    // clock is touched.
    case(
        "jumped",
        "server2",
        "pkill -STOP chronyd; sleep 16; pkill -CONT chronyd; sleep 2",
        "systemctl restart chrony",
        &["server2 FC076"],
    ),
    case("local-rtc", "server2", "printf '0 0 0\\n0\\nLOCAL\\n' >/etc/adjtime", "rm /etc/adjtime", &["server2 FC074"]),
];

pub(crate) const UNSURE: &[Case] = &[
    case(
        "just-started",
        "server2",
        "sed -i 's/ iburst//' CONF; systemctl restart chrony; REACH 1",
        "RESTORE",
        &["server2 FC079"],
    ),
    case(
        "minsources",
        "server2",
        "sed -i 's/^server.*/& minpoll 0 maxpoll 0/' CONF; echo minsources 2 >>CONF; systemctl restart chrony; REACH 77",
        "RESTORE",
        &["server2 FC082"],
    ),
    case(
        "not-known-link",
        "server1",
        "echo 'bindcmdaddress /' >>CONF; systemctl restart chrony; nft 'add table inet lab; add chain inet lab in { type filter hook input priority 5; }; add rule inet lab in udp length 56 meta mark 0 ip saddr 10.10.10.2 drop'",
        "nft delete table inet lab; RESTORE",
        &["server1 FC055 server2"],
    ),
    // EPERM, by a rule that nobody understands, and by one that nobody can read.
    case(
        "filtered-doubtful",
        "server2",
        "nft 'add table inet lab; add chain inet lab out { type filter hook output priority 0; }; add rule inet lab out udp dport 123 meta mark 0 drop'",
        "nft delete table inet lab",
        &["server2 FC044?"],
    ),
    case(
        "filtered-unread",
        "server2",
        "nft 'add table inet lab; add chain inet lab out { type filter hook output priority 0; }; add rule inet lab out udp dport 123 drop'; mv /usr/sbin/nft /root/nft",
        "mv /root/nft /usr/sbin/nft; nft delete table inet lab",
        &["server2 FC044?"],
    ),
    // Who logs in is not counted, or nobody could look at a host whose table is full.
    case(
        "conntrack-full",
        "server1",
        "nft 'add table inet lab; add chain inet lab in { type filter hook prerouting priority -300; }; add rule inet lab in tcp dport 22 notrack; add chain inet lab out { type filter hook output priority -300; }; add rule inet lab out tcp sport 22 notrack'; python3 /root/conntrack.py fill",
        "python3 /root/conntrack.py flush; nft delete table inet lab",
        &["server1 FC056? server2", "server1 FC056? server3", "server1 FC056? server4"],
    ),
];

pub(crate) const NAMES: &[Case] = &[
    case("no-name", "server2", "sed -i /ntp.lab/d /etc/hosts", "FIX", &["server2 FC060"]),
    case("other-name", "server2", "sed -i 's/.*ntp.lab/10.10.10.77 ntp.lab/' /etc/hosts", "FIX", &["server2 FC061"]),
    case(
        "dead-six",
        "server2",
        "ip addr add 2001:db8::2/64 dev host0 nodad; echo '2001:db8::99 ntp.lab' >>/etc/hosts",
        "sed -i /2001:db8::99/d /etc/hosts; ip addr del 2001:db8::2/64 dev host0",
        &["server2 FC062"],
    ),
    case(
        "refused-six",
        "server2",
        "ip addr add 2001:db8::2/64 dev host0 nodad; echo '2001:db8::1 ntp.lab' >>/etc/hosts",
        "sed -i /2001:db8::1/d /etc/hosts; ip addr del 2001:db8::2/64 dev host0",
        &["server2 FC067"],
    ),
];

/// The host `time` serves at three addresses as it is told.
pub(crate) const OUTSIDE: &[Case] = &[
    case("outside-dead", "time", "systemctl stop time9", "TELL 9", &["one FC054", "many FC054"]),
    case("rate", "time", "TELL 9 kiss=RATE", "TELL 9", &["one FC024", "many FC024"]),
    case("deny", "time", "TELL 9 kiss=DENY", "TELL 9", &["one FC025", "many FC025"]),
    case("outside-no-time", "time", "TELL 9 leap=3 stratum=16", "TELL 9", &["one FC023", "many FC023"]),
    case("imprecise", "time", "TELL 9 root_dispersion=1", "TELL 9", &["one FC088"]),
    case("half-off", "time", "TELL 9 offset=0.5", "TELL 9", &["one FC080", "many FC072"]),
    case("too-distant", "time", "TELL 9 root_dispersion=10", "TELL 9", &["one FC070", "many FC070"]),
    case("far-off", "time", "TELL 9 offset=5", "TELL 9", &["one FC075", "many FC072"]),
    case(
        "stranger",
        "one",
        "echo 'server 10.10.10.10 iburst prefer' >>CONF; systemctl restart chrony; FOLLOWS",
        "FIX",
        &["one FC014"],
    ),
    case(
        "astray",
        "one",
        "ip neigh replace 10.10.10.9 lladdr 02:00:00:00:00:77 dev host0 nud permanent",
        "ip neigh del 10.10.10.9 dev host0; systemctl restart chrony; FOLLOWS",
        &["one FC054?"],
    ),
    case("panic", "time", "TELL 11 offset=2000", "TELL 11", &["many FC072", "ntpd FC071"]),
];
