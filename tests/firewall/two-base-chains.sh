#: question in from 10.10.10.2: stopped udp dport 123 drop
nft -f - <<'RULES'
table inet f {
 chain first { type filter hook input priority -10; policy accept;
  udp dport 123 accept
 }
 chain second { type filter hook input priority 10; policy accept;
  udp dport 123 drop
 }
}
RULES
