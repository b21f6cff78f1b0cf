#: question in from 10.10.10.2: stopped policy drop
#: question in from 10.10.10.3: passes
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority filter; policy drop;
  iifname "eth*" udp dport 123 accept
  iifname "host*" ip saddr 10.10.10.3 udp dport 123 accept
  iifname != "host0" accept
 }
}
RULES
