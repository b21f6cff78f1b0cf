#: question in from 10.10.10.2: passes
#: answer in from 10.10.10.2: stopped sport 123
#: asked answer in from 10.10.10.2: maybe sport 123
iptables-restore <<'RULES'
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p udp -m udp --sport 123 -j DROP
COMMIT
RULES
