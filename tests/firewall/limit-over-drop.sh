#: question in from 10.10.10.2: maybe limit rate over
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority 0; policy accept;
  udp dport 123 limit rate over 5/second drop
 }
}
RULES
