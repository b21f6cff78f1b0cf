#: question in from 10.10.10.2: passes
#: question in from 10.10.10.3: stopped policy drop
nft -f - <<'RULES'
table inet f {
 set s { type ipv4_addr . inet_service; flags interval; elements = { 10.10.10.2 . 123, 10.10.10.3 . 22, 10.9.0.0/16 . 100-200 } }
 chain in { type filter hook input priority filter; policy drop;
  ip saddr . udp dport @s accept
 }
}
RULES
