#: question in from 10.10.10.2: passes
#: answer out to 10.10.10.2: stopped policy drop
nft -f - <<'RULES'
table inet f {
 chain out { type filter hook output priority 0; policy drop;
  oif lo accept
  tcp sport 22 accept
 }
}
RULES
