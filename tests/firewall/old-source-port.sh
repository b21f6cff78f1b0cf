#: question in from 10.10.10.2: stopped sport != 123
#: question in from 10.10.10.2 port 123: passes
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
-A INPUT -p udp -m udp --dport 123 ! --sport 123 -j DROP
COMMIT
RULES
