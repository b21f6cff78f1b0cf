#: question in from 10.10.10.2: stopped closed
#: question in from 10.10.10.3: passes
#: question in from 10.10.10.4: stopped policy drop
#: answer in from 10.10.10.4: passes
nft -f - <<'RULES'
table inet f {
 map who { type ipv4_addr : verdict; elements = { 10.10.10.2 : jump shut, 10.10.10.3 : accept } }
 chain shut { udp dport 123 counter drop comment "closed"
 }
 chain in { type filter hook input priority filter; policy drop;
  ct state vmap { established : accept, related : accept, invalid : drop }
  ip saddr vmap @who
 }
}
RULES
