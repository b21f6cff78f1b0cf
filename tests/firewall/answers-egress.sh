#: question in from 10.10.10.2: passes
#: answer out to 10.10.10.2: stopped udp sport 123 drop
nft -f - <<'RULES'
table netdev lost {
 chain e { type filter hook egress device host0 priority 0; policy accept;
  udp sport 123 drop
 }
}
RULES
