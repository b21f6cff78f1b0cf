#: question in from 10.10.10.2: stopped f2b-ntp -s 10.10.10.2
#: question in from 10.10.10.3: passes
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
:f2b-ntp - [0:0]
:f2b-sshd - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -p udp -m multiport --dports 123 -j f2b-ntp
-A f2b-ntp -s 10.10.10.2/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-ntp -j RETURN
-A f2b-sshd -s 10.10.10.3/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
COMMIT
RULES
