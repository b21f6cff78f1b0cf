#: question in from 10.10.10.2: maybe meta mark
nft -f - <<'RULES'
table inet f {
 chain in { type filter hook input priority filter; policy drop;
  meta mark 0x1 accept
  ct helper "ftp" accept
 }
}
RULES
