#: question out to 10.10.10.2: passes
#: service question out to 10.10.10.2: maybe skuid
nft -f - <<'RULES'
table inet f {
 chain out { type filter hook output priority 0; policy drop;
  meta skuid 0 udp dport 123 accept
 }
}
RULES
