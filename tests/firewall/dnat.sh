#: question in from 10.10.10.2: stopped dnat to 10.10.10.77
#: question out to 10.10.10.2: passes
#: answer in from 10.10.10.2: passes
nft -f - <<'RULES'
table ip nat {
 chain pre { type nat hook prerouting priority dstnat; policy accept;
  udp dport 123 dnat to 10.10.10.77
 }
}
RULES
