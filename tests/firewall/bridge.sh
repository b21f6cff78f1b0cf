#: question in from 10.10.10.2: maybe udp dport 123 drop
nft -f - <<'RULES'
table bridge b {
 chain i { type filter hook input priority 0; policy accept;
  ether type ip udp dport 123 drop
 }
}
RULES
