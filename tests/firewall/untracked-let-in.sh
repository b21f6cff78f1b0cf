#: question in from 10.10.10.2: passes
nft -f - <<'RULES'
table inet f {
 chain pre { type filter hook prerouting priority raw; policy accept;
  udp dport 123 notrack
 }
 chain in { type filter hook input priority filter; policy drop;
  ct state { established, related, untracked } accept
 }
}
RULES
