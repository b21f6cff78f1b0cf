#: question in from 10.10.10.2: passes
#: answer in from 10.10.10.2: passes
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
-A INPUT -p tcp ! --syn -m state --state NEW -j DROP
-A INPUT -p tcp --tcp-flags ALL NONE -j DROP
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -s 224.0.0.0/4 -j DROP
-A INPUT -m pkttype --pkt-type broadcast -j DROP
-A INPUT -p icmp --icmp-type 8 -j DROP
COMMIT
RULES
