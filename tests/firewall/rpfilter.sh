#: question in from 10.10.10.2: maybe fib saddr
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook prerouting priority raw; policy accept;
  fib saddr . iif oif missing drop
 }
}
RULES
