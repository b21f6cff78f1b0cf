#: question in from 10.10.10.2: stopped redirect to :1123
nft -f - <<'RULES'
table ip nat {
 chain pre { type nat hook prerouting priority dstnat; policy accept;
  udp dport 123 redirect to :1123
 }
}
RULES
