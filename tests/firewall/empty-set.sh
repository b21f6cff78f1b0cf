#: question in from 10.10.10.2: passes
nft -f - <<'RULES'
table inet f {
 set bad { type ipv4_addr; flags interval; }
 chain in { type filter hook input priority 0; policy accept;
  ip saddr @bad drop
 }
}
RULES
