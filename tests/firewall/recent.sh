#: question in from 10.10.10.2: maybe --rcheck
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
-A INPUT -p udp -m udp --dport 123 -m recent --rcheck --seconds 60 --hitcount 10 --name ntp --rsource -j DROP
-A INPUT -p udp -m udp --dport 123 -m recent --set --name ntp --rsource
COMMIT
RULES
