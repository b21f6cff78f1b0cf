#: question in from 10.10.10.2: stopped YJ-FIREWALL-INPUT
#: question in from 10.10.10.3: passes
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
:YJ-FIREWALL-INPUT - [0:0]
-A INPUT -j YJ-FIREWALL-INPUT
-A YJ-FIREWALL-INPUT -s 10.10.10.2/32 -j REJECT --reject-with icmp-port-unreachable
COMMIT
RULES
