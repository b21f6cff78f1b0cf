#: question in from 10.10.10.2: passes
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority 0; policy accept;
  fib daddr type != local drop
  fib daddr type { broadcast, multicast, anycast } drop
  meta pkttype { broadcast, multicast } drop
 }
}
RULES
