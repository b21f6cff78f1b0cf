#: question out to 10.10.10.2: stopped policy drop
#: answer out to 10.10.10.2: passes
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
:OUTPUT DROP [0:0]
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A OUTPUT -p tcp -m multiport --dports 80,443,1000:2000 -j ACCEPT
-A OUTPUT -p udp -m udp --dport 53 -j ACCEPT
COMMIT
RULES
