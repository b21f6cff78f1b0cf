#: question in from 10.10.10.2: passes
#: question in from 10.10.10.9: stopped policy drop
#: question in from 10.10.10.0/24: maybe @good
#: question in from 192.168.7.0/24: passes
nft -f - <<'RULES'
table inet f {
 set good { type ipv4_addr; flags interval; elements = { 10.10.10.0-10.10.10.7, 192.168.0.0/16 } }
 chain in { type filter hook input priority filter; policy drop;
  ip saddr @good udp dport ntp accept
 }
}
RULES
