#: question in from 10.10.10.2: maybe hashlimit
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
-A INPUT -p udp -m udp --dport 123 -m hashlimit --hashlimit-above 5/sec --hashlimit-mode srcip --hashlimit-name ntp -j DROP
COMMIT
RULES
