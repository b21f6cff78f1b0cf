#: question in from 10.10.10.2: stopped udp dport 123 drop
#: answer in from 10.10.10.2: passes
nft -f - <<'RULES'
table netdev lost {
 chain i { type filter hook ingress device "host0" priority 0; policy accept;
  udp dport 123 drop
 }
}
RULES
