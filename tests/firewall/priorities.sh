#: question in from 10.10.10.2: stopped early
nft -f - <<'RULES'
table inet f {
 chain late { type filter hook input priority 10; policy drop;
  udp dport 123 accept
 }
 chain early { type filter hook input priority -10; policy accept;
  udp dport 123 drop comment "early"
 }
}
RULES
