#: question in from 10.10.10.2: maybe limit rate over
#: asked question in from 10.10.10.2: passes
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority 0; policy accept;
  udp dport 123 limit rate over 5/second counter drop
 }
}
RULES
