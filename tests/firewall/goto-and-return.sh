#: question in from 10.10.10.2: stopped policy drop
#: question in from 10.10.10.3: passes
nft -f - <<'RULES'
table inet f {
 chain lan { ip saddr 10.10.10.3 udp dport 123 accept
 }
 chain in { type filter hook input priority filter; policy drop;
  iifname "host0" goto lan
  udp dport 123 accept
 }
}
RULES
