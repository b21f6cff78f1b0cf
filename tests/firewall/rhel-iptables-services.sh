#: question in from 10.10.10.2: stopped -j REJECT
#: question in from 10.10.10.2 at 22/tcp: passes
#: question in from 10.10.10.2 at 4460/tcp: stopped -j REJECT
#: question in from 10.10.10.2 at 22/udp: stopped -j REJECT
#: answer in from 10.10.10.2: passes
#: question out to 10.10.10.2: passes
#: question in from 2001:db8::2: passes
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
COMMIT
RULES
