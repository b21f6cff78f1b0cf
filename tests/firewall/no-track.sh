#: answer in from 10.10.10.2: stopped policy drop
#: question in from 10.10.10.2: passes
nft -f - <<'RULES'
table inet f {
 chain out { type filter hook output priority raw; policy accept;
  udp dport 123 notrack
 }
 chain in { type filter hook input priority filter; policy drop;
  ct state established,related accept
  udp dport 123 accept
 }
}
RULES
