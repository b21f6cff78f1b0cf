#: question in from 10.10.10.2: passes
#: question in from 10.10.10.3: stopped drop
nft -f - <<'RULES'
table inet f {
 chain lan { ip saddr 10.10.10.2 return
  udp dport 123 drop
 }
 chain in { type filter hook input priority filter; policy drop;
  jump lan
  udp dport 123 accept
 }
}
RULES
