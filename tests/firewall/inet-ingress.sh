#: question in from 10.10.10.2: stopped udp dport 123 drop
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook ingress device "host0" priority 0; policy accept;
  udp dport 123 drop
 }
}
RULES
