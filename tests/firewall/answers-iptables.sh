#: question in from 10.10.10.2: passes
#: answer out to 10.10.10.2: stopped udp sport 123
iptables -A OUTPUT -p udp --sport 123 -j DROP
