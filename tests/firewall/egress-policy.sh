#: question out to 10.10.10.2: stopped policy drop
#: answer out to 10.10.10.2: passes
#: question in from 10.10.10.2: passes
nft -f - <<'RULES'
table inet f {
 chain out { type filter hook output priority 0; policy drop;
  ct state established,related accept
  oif lo accept
  udp dport 53 accept
 }
}
RULES
