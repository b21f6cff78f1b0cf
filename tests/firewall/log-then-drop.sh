#: question in from 10.10.10.2: stopped -A drop -j DROP
iptables-restore <<'RULES'
*filter
:INPUT ACCEPT [0:0]
:drop - [0:0]
-A INPUT -m limit --limit 5/min -j LOG --log-prefix "iptables denied: " --log-level 7
-A INPUT ! -s 10.9.0.0/16 -p udp -j drop
-A drop -m limit --limit 1/sec -j LOG
-A drop -j DROP
COMMIT
RULES
