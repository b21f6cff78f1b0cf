#: question in from 10.10.10.2: passes
#: question in from 10.10.10.3: stopped policy drop
nft -f - <<'RULES'
table inet f {
 set good { type ipv4_addr; elements = { 10.10.10.2 } }
 chain in { type filter hook input priority filter; policy drop;
  ct state established,related accept
  iif lo accept
  tcp dport 22 accept
  ip saddr @good udp dport 123 accept
 }
}
RULES
