#: question out to 10.10.10.2: passes
#: service question out to 10.10.10.2: maybe skuid
id ntpsec >/dev/null 2>&1 || useradd -r ntpsec
nft -f - <<'RULES'
table inet f {
 chain out { type filter hook output priority 0; policy accept;
  meta skuid ntpsec udp dport 123 drop
 }
}
RULES
