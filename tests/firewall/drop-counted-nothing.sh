#: question in from 10.10.10.2: stopped counter packets 0
#: asked question in from 10.10.10.2: maybe counter packets 0
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority 0; policy accept;
  udp dport 123 counter drop
 }
}
RULES
