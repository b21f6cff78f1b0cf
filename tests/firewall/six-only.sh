#: question in from 10.10.10.2: stopped policy drop
#: question in from 2001:db8::2: passes
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority filter; policy drop;
  ip6 saddr 2001:db8::/32 udp dport 123 accept
 }
}
RULES
