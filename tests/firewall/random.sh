#: question in from 10.10.10.2: maybe numgen
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority 0; policy accept;
  udp dport 123 numgen random mod 10 < 3 drop
 }
}
RULES
