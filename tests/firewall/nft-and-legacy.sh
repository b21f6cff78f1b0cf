#: question in from 10.10.10.2: stopped -A INPUT -s 10.10.10.2/32
#: question in from 10.10.10.3: passes
nft add table inet f; nft 'add chain inet f in { type filter hook input priority 0; policy accept; }'; nft add rule inet f in udp dport 123 accept
iptables-legacy -A INPUT -s 10.10.10.2 -p udp --dport 123 -j DROP
