#: question in from 10.10.10.2: passes
#: question in from 10.10.10.200: stopped policy drop
#: question in from 10.10.10.0/24: maybe --src-range
iptables-restore <<'RULES'
*filter
:INPUT DROP [0:0]
-A INPUT -m iprange --src-range 10.10.10.1-10.10.10.99 -p udp -m udp --dport 123 -j ACCEPT
COMMIT
RULES
