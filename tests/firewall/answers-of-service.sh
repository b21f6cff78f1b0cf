#: question in from 10.10.10.2: passes
#: service answer out to 10.10.10.2: maybe skuid
#: answer out to 10.10.10.2: passes
id _chrony >/dev/null 2>&1 || useradd -r _chrony
nft -f - <<'RULES'
table inet f {
 chain out { type filter hook output priority 0; policy accept;
  meta skuid _chrony udp sport 123 drop
 }
}
RULES
