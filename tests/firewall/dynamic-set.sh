#: question in from 10.10.10.2: maybe update @seen
nft -f - <<'RULES'
table inet f {
 set seen { type ipv4_addr; flags dynamic,timeout; timeout 1m; }
 chain in { type filter hook input priority filter; policy drop;
  udp dport 123 update @seen { ip saddr limit rate 10/second } accept
 }
}
RULES
