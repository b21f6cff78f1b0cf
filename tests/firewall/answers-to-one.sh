#: question in from 10.10.10.3: passes
#: answer out to 10.10.10.2: passes
#: answer out to 10.10.10.3: stopped daddr 10.10.10.3
#: answer out to 10.10.10.0/24: maybe daddr 10.10.10.3
nft -f - <<'RULES'
table inet f {
 chain out { type filter hook output priority 0; policy accept;
  ip daddr 10.10.10.3 udp sport 123 drop
 }
}
RULES
