#: question in from 10.10.10.2: stopped policy drop
iptables-restore <<'RULES'
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p udp -m udp --dport 123 -j CT --notrack
COMMIT
*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack --ctstate NEW -p udp -m udp --dport 123 -j ACCEPT
COMMIT
RULES
