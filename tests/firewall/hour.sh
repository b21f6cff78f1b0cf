#: question in from 10.10.10.2: maybe meta hour
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority 0; policy accept;
  meta hour "08:00"-"17:00" udp dport 123 drop
 }
}
RULES
