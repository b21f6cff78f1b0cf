#: question in from 10.10.10.2: maybe cali
#: answer in from 10.10.10.2: passes
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
:cali-INPUT - [0:0]
:cali-from-host-endpoint - [0:0]
:cali-fh-host0 - [0:0]
-A INPUT -m comment --comment "cali:Cz_u1IQiXIMmKD4c" -j cali-INPUT
-A cali-INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A cali-INPUT -m comment --comment "cali:ETW7" -m mark --mark 0x10000/0x10000 -j ACCEPT
-A cali-INPUT -j cali-from-host-endpoint
-A cali-from-host-endpoint -i host0 -g cali-fh-host0
-A cali-fh-host0 -p tcp -m multiport --dports 22,443 -j ACCEPT
-A cali-fh-host0 -m comment --comment "Drop if no profiles matched" -j DROP
COMMIT
RULES
