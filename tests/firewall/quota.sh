#: question in from 10.10.10.2: maybe quota over
nft -f - <<'RULES'
table inet f {
 chain more { udp dport 123 quota over 1 mbytes drop
 }
 chain in { type filter hook input priority 0; policy accept;
  udp dport 123 jump more
 }
}
RULES
