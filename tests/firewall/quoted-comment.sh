#: question in from 10.10.10.2: stopped no time
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
-A INPUT -i host0 -m comment --comment "no time -j ACCEPT" -j DROP
COMMIT
RULES
