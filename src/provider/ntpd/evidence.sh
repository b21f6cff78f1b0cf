# What `doctor` asks of ntpd. Parts as in src/doctor/evidence.sh; each runs where ntpd is the time service.

#: dhcp: cat /run/ntpsec/ntp.conf.dhcp /run/ntp.conf.dhcp /var/lib/ntp/ntp.conf.dhcp
fc_dhcp /run/ntpsec/ntp.conf.dhcp /run/ntp.conf.dhcp /var/lib/ntp/ntp.conf.dhcp

#: config: cat $fc_config
sed 's/#.*//; /^[[:space:]]*$/d' "$fc_config"

#: options: cat /proc/$(pidof ntpd)/cmdline
cat /etc/default/ntpsec /etc/default/ntp /etc/sysconfig/ntpd 2>/dev/null | grep -E '^(NTPD_OPTS|OPTIONS)='

#: status: ntpq -n -p

#: clients: ntpq -n -c mrulist
ntpq -n -c mrulist @HERE@

#: keys: the file that `keys` of $fc_config names
fc_keys keys

#: tool: command -v ntpq
command -v ntpq

#: selection: ntpq -n -c "rv ASSOCIATION"
for fc_a in $(ntpq -n -c associations @HERE@ | sed -n 's/^ *[0-9][0-9]* *\([0-9][0-9]*\) .*/\1/p' | head -n 12); do
  ntpq -n -c "rv $fc_a srcadr,dstadr,srcport,stratum,reach,keyid,flash,rootdisp,rootdelay" @HERE@
  echo
done 2>/dev/null
