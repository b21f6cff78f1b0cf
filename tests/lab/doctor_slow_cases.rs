//! Breaks for `doctor_slow.rs`: several at once, each on a host of its own. A fix is done as `doctor`
//! prints it; where a person has to decide, the table says what that person does.

/// What is done to a host, what has to be found of it, and how it is put right if not as found.
pub(crate) struct Break {
    pub(crate) host: &'static str,
    pub(crate) wreck: &'static str,
    /// `HOST CODE [AFFECTED..]`; a question mark behind the code: perhaps.
    pub(crate) found: &'static str,
    /// What a person does; empty: what the finding says is done as it stands.
    pub(crate) by_hand: &'static str,
}

/// Breaks that are there at the same time.
pub(crate) struct Round {
    pub(crate) name: &'static str,
    pub(crate) breaks: &'static [Break],
}

const fn fixed(host: &'static str, wreck: &'static str, found: &'static str) -> Break {
    Break { host, wreck, found, by_hand: "" }
}

const fn person(host: &'static str, wreck: &'static str, found: &'static str, by_hand: &'static str) -> Break {
    Break { host, wreck, found, by_hand }
}

const fn round(name: &'static str, breaks: &'static [Break]) -> Round {
    Round { name, breaks }
}

/// Lines of the file, options of a source, chronyc.
pub(crate) const LINES: &[Round] = &[
    round(
        "lines-1",
        &[
            fixed("server2", "chronyc offline", "server2 FC032"),
            fixed("server3", "LINE 'interface ignore all'", "server3 FC083"),
            fixed("server4", "OPTION 'port 1123'", "server4 FC083"),
        ],
    ),
    round(
        "lines-2",
        &[
            fixed("server2", "LINE 'bindacqaddress 127.0.0.1'", "server2 FC083"),
            fixed("server3", "LINE 'restrict 10.10.10.1 ignore'", "server3 FC084"),
            fixed("server4", "OPTION nts", "server4 FC085"),
        ],
    ),
    round(
        "lines-3",
        &[
            fixed("server2", "LINE 'minsources 2'", "server2 FC082"),
            fixed("server3", "LINE 'disable ntp'", "server3 FC080"),
            fixed("server4", "OPTION 'maxdelay 0.0000001'", "server4 FC081"),
        ],
    ),
    round(
        "lines-4",
        &[
            fixed("server2", "OPTION noselect", "server2 FC081"),
            fixed("server3", "LINE 'tos minsane 3'", "server3 FC082"),
            fixed("server4", "LINE 'authselectmode require'", "server4 FC082"),
        ],
    ),
    round(
        "lines-5",
        &[
            fixed("server2", "LINE 'maxdistance 0.0000001'", "server2 FC082"),
            fixed("server3", "LINE 'tos maxdist 0.0001'", "server3 FC082"),
            fixed("server4", "LINE 'maxjitter 0.0000000001'", "server4 FC082"),
        ],
    ),
    round(
        "lines-6",
        &[
            fixed("server2", "OPTION 'filter 64'", "server2 FC081"),
            fixed("server3", "LINE 'tos floor 12'", "server3 FC082"),
            fixed("server4", "OPTION offline", "server4 FC032"),
        ],
    ),
    round(
        "lines-7",
        &[
            fixed("server2", "LINE 'local stratum 5 orphan'", "server2 FC082"),
            fixed("server3", "LINE 'tos ceiling 5'", "server3 FC082"),
            fixed("server4", "LINE 'bindacqdevice lo'", "server4 FC083"),
        ],
    ),
    round(
        "lines-8",
        &[
            fixed(
                "server3",
                "echo '7 MD5 secret' >/etc/ntpsec/keys.lab; LINE 'keys /etc/ntpsec/keys.lab'; OPTION 'key 7'",
                "server3 FC095",
            ),
            fixed("server4", "chronyc delete 10.10.10.1", "server4 FC033"),
        ],
    ),
    round(
        "lines-9",
        &[
            fixed("server2", "LINE 'leapsectz right/Nowhere'", "server2 FC098"),
            fixed("server3", "OPTION 'nonsense 7'", "server3 FC098"),
        ],
    ),
    round("lines-10", &[fixed("server1", "LINE 'binddevice lo'", "server1 FC022 server2 server3 server4")]),
];

/// Units, command lines, processes.
pub(crate) const UNITS: &[Round] = &[
    round(
        "units-1",
        &[
            fixed("server2", "DROP Service 'PrivateNetwork=yes'", "server2 FC028"),
            fixed(
                "server3",
                "sed -i 's/^NTPD_OPTS=.*/NTPD_OPTS=\"-g -N -c \\/etc\\/other.conf\"/' /etc/default/ntpsec; echo 'server 10.10.10.77' >/etc/other.conf; RESTART",
                "server3 FC030",
            ),
            fixed(
                "server4",
                "DROP Service 'ExecStart=\\nExecStart=!/usr/sbin/chronyd -F 1 -x -u chrony -6 -f /etc/chrony.conf'",
                "server4 FC031",
            ),
        ],
    ),
    round(
        "units-2",
        &[
            fixed("server2", "DROP Unit 'ConditionPathExists=/nowhere'", "server2 FC029"),
            fixed(
                "server3",
                "mkdir -p /run/ntpsec; printf 'server 10.10.10.77 iburst\\ndriftfile /var/lib/ntpsec/ntp.drift\\nrestrict 127.0.0.1\\n' >/run/ntpsec/ntp.conf.dhcp; RESTART",
                "server3 FC030",
            ),
            fixed(
                "server4",
                "echo 'server 10.10.10.77' >/etc/other.conf; DROP Service 'ExecStart=\\nExecStart=!/usr/sbin/chronyd -F 1 -x -u chrony -f /etc/other.conf'",
                "server4 FC030",
            ),
        ],
    ),
    round(
        "units-3",
        &[
            person(
                "server2",
                "DROP Service 'User=nobody-there' || :",
                "server2 FC003",
                "rm /etc/systemd/system/chrony.service.d/zz.conf; systemctl daemon-reload; systemctl reset-failed chrony; systemctl restart chrony",
            ),
            fixed("server3", "sed -i '/^restrict.*\\(127.0.0.1\\|::1\\)/d' CONF; RESTART", "server3 FC096"),
        ],
    ),
    round(
        "units-4",
        &[
            fixed("server2", "DROP Unit 'AssertPathIsDirectory=/nowhere' || :", "server2 FC029"),
            person(
                "server3",
                "mv /usr/bin/ntpq /usr/bin/ntpq.gone",
                "server3 FC096",
                "mv /usr/bin/ntpq.gone /usr/bin/ntpq",
            ),
        ],
    ),
    round("units-5", &[fixed("server1", "DROP Service 'PrivateNetwork=yes'", "server1 FC028 server2 server3 server4")]),
    round(
        "units-6",
        &[
            person(
                "server2",
                "kill -SEGV $(pidof chronyd)",
                "server2 FC003",
                "systemctl reset-failed chrony; systemctl restart chrony",
            ),
            // A service that may not be asked does not hang.
            fixed("server3", "sed -i 's/^restrict \\(127.0.0.1\\|::1\\)$/& noquery/' CONF; RESTART", "server3 FC096"),
        ],
    ),
    round(
        "units-7",
        &[
            person(
                "server3",
                "nft 'add table inet lab; add chain inet lab out { type filter hook output priority 0; }; add rule inet lab out udp dport 123 drop'",
                "server3 FC044",
                "nft delete table inet lab",
            ),
            // The same rule keeps ntpq from asking on the loopback interface.
            person("server3", ":", "server3 FC096", ":"),
            // In the last round: that the clock jumped for it is said for a day.
            fixed("server4", "kill -STOP $(pidof chronyd)", "server4 FC013"),
        ],
    ),
];

/// Routes, neighbours, traffic control, and what a master does while it runs.
pub(crate) const WAYS: &[Round] = &[
    round(
        "ways-1",
        &[
            fixed(
                "server2",
                "ip neigh replace 10.10.10.1 lladdr 02:00:00:00:00:77 dev host0 nud permanent",
                "server2 FC063",
            ),
            fixed("server4", "ip rule add pref 100 to 10.10.10.1 ipproto udp dport 123 blackhole", "server4 FC065"),
        ],
    ),
    round(
        "ways-2",
        &[
            fixed(
                "server1",
                "ip rule add pref 100 to 10.10.10.4 ipproto udp sport 123 prohibit",
                "server1 FC065 server4",
            ),
            fixed(
                "server1",
                "ip neigh replace 10.10.10.3 lladdr 02:00:00:00:00:77 dev host0 nud permanent",
                "server1 FC063 server3",
            ),
        ],
    ),
    round(
        "ways-3",
        &[
            person(
                "server1",
                "ip route add blackhole 10.10.10.2",
                "server1 FC065 server2",
                "ip route del blackhole 10.10.10.2",
            ),
            fixed(
                "server4",
                "ip rule add pref 90 uidrange $(id -u chrony 2>/dev/null || id -u _chrony)-65533 to 10.10.10.1 unreachable; RESTART",
                "server4 FC065",
            ),
        ],
    ),
    round("ways-4", &[fixed("server1", "chronyc deny 10.10.10.2", "server1 FC033 server2")]),
    round("ways-5", &[fixed("server1", "chronyc local off", "server1 FC023 server2 server3 server4")]),
    round(
        "ways-6",
        &[fixed(
            "server1",
            "sed -i '/^local/d' CONF; LINE 'server localhost'",
            "server1 FC023 server2 server3 server4",
        )],
    ),
    round(
        "ways-7",
        &[
            fixed("server4", "firewall-cmd -q --add-service=ntp; chronyc allow 10.10.10.2", ""),
            fixed("server2", "chronyc add server 10.10.10.4 iburst prefer", "server2 FC069"),
        ],
    ),
    round(
        "ways-8",
        &[person("server4", "DOUBLE 10.10.10.2", "server1 FC064 server2", "ip addr del 10.10.10.2/32 dev host0")],
    ),
    // A rule for the user of the service, one about ARP, and one of routing without a port. chronyd opens its socket
    // as root when its file lets somebody ask, and as the user that it has become when it is told so later.
    round(
        "ways-9",
        &[
            fixed(
                "server1",
                "cp -p CONF /run/keep; sed -i '/^allow/d' CONF; RESTART; cp -p /run/keep CONF; chronyc allow 10.10.10.0/24; nft 'add table inet lab; add chain inet lab out { type filter hook output priority 0; }; add rule inet lab out meta skuid _chrony ip daddr 10.10.10.2 udp sport 123 drop'",
                "server1 FC046 server2",
            ),
            fixed(
                "server1",
                "nft 'add table netdev lab; add chain netdev lab in { type filter hook ingress device host0 priority 0; }; add rule netdev lab in arp saddr ip 10.10.10.3 drop'; ip neigh flush 10.10.10.3",
                "server1 FC066 server3",
            ),
            // What it knew before it was kept from asking.
            fixed("server3", "ip neigh flush 10.10.10.1", ""),
            fixed("server4", "NO_RULES; ip rule add pref 100 to 10.10.10.1 blackhole", "server4 FC065"),
        ],
    ),
    round(
        "ways-10",
        &[
            person("server1", "NO_TABLES", "", ""),
            person(
                "server2",
                "ip route add unreachable 10.10.10.1",
                "server2 FC065",
                "ip route del unreachable 10.10.10.1",
            ),
            // The question that is written with its header, from 123, is none of that policy's.
            person(
                "server3",
                "ip xfrm policy add dir out src 10.10.10.3 dst 10.10.10.1 proto udp dport 123 action block",
                "server1 FC056? server3",
                "ip xfrm policy flush",
            ),
            person(
                "server4",
                "NO_RULES; ip route add 10.10.10.1 via 10.10.10.77",
                "server4 FC066",
                "ip route del 10.10.10.1 via 10.10.10.77",
            ),
        ],
    ),
    // What is not read, or not understood, is not said to be in order.
    round(
        "ways-11",
        &[
            person(
                "server1",
                "ip xfrm policy add dir in src 10.10.10.2 dst 10.10.10.1 proto udp dport 123 action block",
                "server1 FC055 server2",
                "ip xfrm policy flush",
            ),
            person(
                "server1",
                "nft 'add table inet lab; add chain inet lab in { type filter hook input priority 5; }; add rule inet lab in ip saddr 10.10.10.3 udp dport 123 udp sport != 123 meta mark 0 drop'",
                "server1 FC056? server3",
                "nft delete table inet lab",
            ),
            person(
                "server4",
                "ip rule add pref 100 to 10.10.10.1 ipproto udp sport 123 blackhole",
                "server1 FC058?",
                "ip rule del pref 100",
            ),
        ],
    ),
    // Another program takes the questions: nothing is lost on the way.
    round(
        "ways-12",
        &[person("server1", "TAKE 10.10.10.1", "server1 FC055 server2 server3 server4", "kill $(cat /run/taker.pid)")],
    ),
];
