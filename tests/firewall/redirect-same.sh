#: question in from 10.10.10.2: passes
#: question out to 10.10.10.2: stopped dnat to 10.10.10.9
nft -f - <<'RULES'
table ip nat {
 chain pre { type nat hook prerouting priority dstnat; policy accept;
  udp dport 123 redirect to :123
 }
 chain out { type nat hook output priority -100; policy accept;
  ip daddr 10.10.10.2 udp dport 123 dnat to 10.10.10.9
 }
}
RULES
