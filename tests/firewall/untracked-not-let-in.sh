#: question in from 10.10.10.2: stopped untracked
nft -f - <<'RULES'
table inet f {
 chain pre { type filter hook prerouting priority raw; policy accept;
  udp dport 123 notrack
 }
 chain in { type filter hook input priority 0; policy accept;
  ct state { invalid, untracked } drop
 }
}
RULES
