#: question in from 10.10.10.2: maybe limit rate
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority filter; policy drop;
  udp dport 123 limit rate 5/second accept
 }
}
RULES
