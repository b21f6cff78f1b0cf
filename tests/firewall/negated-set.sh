#: question in from 10.10.10.2: passes
#: question in from 10.10.99.2: stopped != @lan
nft -f - <<'RULES'
table inet f {
 set lan { type ipv4_addr; flags interval; elements = { 10.10.10.0/24 } }
 chain in { type filter hook input priority 0; policy accept;
  ip saddr != @lan udp dport 123 drop
 }
}
RULES
