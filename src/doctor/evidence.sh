# What `fleetclock doctor` reads on a host. Nothing here changes anything.
#
# Each part begins with `#: NAME: COMMAND`. The command is what a finding shows, for an
# administrator to try; the lines below it are what runs. Words in @ are filled in: @UNITS@ that
# the time service may go by, @SOURCES@ that the inventory names, @ASKERS@ that got no answer
# from this host, @SALT@ of this run. `timedatectl timesync-status` is not among them: it can
# start systemd-timesyncd.

#: before: what the parts below have in common
# `--value` came with systemd 230. The root of all slices is named `-.slice`, which is no option.
fc_show() { fc_x=$(systemctl show -p "$1" -- "$2" 2>/dev/null); printf '%s\n' "${fc_x#*=}"; }
fc_unit=; fc_daemon=; fc_config=; fc_began=$(date +%s)
for fc_u in @UNITS@; do
  systemctl -q is-active "$fc_u.service" && { fc_unit=$fc_u; break; }
done
for fc_u in @UNITS@; do
  [ -z "$fc_unit" ] || break
  [ "$(fc_show LoadState "$fc_u.service")" = not-found ] || fc_unit=$fc_u
done
case $fc_unit in
chrony*) fc_daemon=chrony; fc_files='/etc/chrony/chrony.conf /etc/chrony.conf' ;;
?*) fc_daemon=ntpd; fc_files='/etc/ntpsec/ntp.conf /etc/ntp.conf' ;;
*) fc_files= ;;
esac
for fc_f in $fc_files; do [ -e "$fc_f" ] && { fc_config=$fc_f; break; }; done

# `chronyd -p` came with 4.0; before that, `include` was all that one file could say of another.
fc_old=
[ "$fc_daemon" != chrony ] || case $(chronyd --version 2>&1 </dev/null) in @BEFORE_4@) fc_old=yes ;; esac
fc_lines() ( # file, depth
  [ "$2" -lt 8 ] || exit
  sed 's/^[[:space:]]*//; /^[!;#%]/d; /^$/d' "$1" 2>/dev/null | while IFS= read -r fc_l; do
    case $fc_l in
    [Ii]nclude[[:space:]]*) for fc_f in ${fc_l#* }; do fc_lines "$fc_f" $(($2 + 1)); done ;;
    *) printf '%s\n' "$fc_l" ;;
    esac
  done
)

# What an older chronyc says of a command that it does not know is no answer.
fc_known() { grep -vx 'Unrecognized command'; }

# A service that hangs keeps its own tool waiting for seconds, each time. One that only waits for
# its turn on a busy machine is asked again.
fc_talks=no
fc_talk() {
  case $fc_daemon in
  chrony) timeout 10 chronyc -n -c tracking ;;
  ntpd) timeout 12 ntpq -n -c 'rv 0 leap' @HERE@ ;;
  *) false ;;
  esac >/dev/null 2>&1
}
fc_talk || fc_talk && fc_talks=yes

# Who has asked it, and when it was asked for that: the two must not be far apart.
fc_clients=; fc_asked=$fc_began
for fc_n in 1 2 3 4 5; do
  fc_t=$(date +%s)
  case "$fc_talks$fc_daemon:@ASKERS@" in
  *:) ;;
  yeschrony:*) fc_clients=$(chronyc -n -c clients) ;;
  yesntpd:*) fc_clients=$(ntpq -n -c mrulist @HERE@) ;;
  esac
  fc_asked=$(date +%s)
  [ $((fc_asked - fc_t)) -gt 1 ] || break
done

#: service: systemctl list-units --type service
echo "$fc_unit $fc_daemon $fc_config"

#: units: systemctl show $fc_unit
systemctl show -p Id -p LoadState -p ActiveState -p SubState -p UnitFileState -p Result -p ExecMainStatus -p NRestarts \
  chrony.service chronyd.service ntp.service ntpd.service ntpsec.service openntpd.service systemd-timesyncd.service

#: started: systemctl show -p ExecMainStartTimestamp $fc_unit
fc_t=$(fc_show ExecMainStartTimestamp "$fc_unit")
[ -z "$fc_t" ] || date -d "$fc_t" +%s

#: ended: systemctl show -p InactiveEnterTimestamp $fc_unit
fc_t=$(fc_show InactiveEnterTimestamp "$fc_unit")
[ -z "$fc_t" ] || date -d "$fc_t" +%s

#: journal: journalctl -b -n 6 -o cat -u $fc_unit
journalctl -b -n 6 -o cat --no-pager -u "$fc_unit" 2>/dev/null

#: processes: ps ax -o pid,comm,cgroup
for fc_p in /proc/[0-9]*; do
  read -r fc_c <"$fc_p/comm" || continue
  case $fc_c in chronyd | ntpd | openntpd | systemd-timesyn | ntpdate | sntp | ntpd-rs | ptp4l | phc2sys) ;; *) continue ;; esac
  fc_g=; while read -r fc_l; do fc_g=${fc_l##*/}; done <"$fc_p/cgroup"
  echo "${fc_p#/proc/} $fc_c $fc_g"
done 2>/dev/null

#: cron: grep -rE 'ntpdate|sntp|rdate|chronyd -q|ntpd -q|hwclock' /etc/cron* /var/spool/cron /etc/rc.local /etc/network /etc/systemd/system
# From time to time, at boot, when an interface comes up, and by units that somebody has written.
fc_jobs='(ntpdate|sntp |rdate |chronyd -q|ntpd (-g)?q|ntpd -[a-z]*q|hwclock|date -s)'
grep -rHsE "^[^#]*$fc_jobs" /etc/crontab /etc/cron.d /etc/cron.hourly /etc/cron.daily /var/spool/cron
for fc_f in /etc/rc.local /etc/rc.d/rc.local /etc/network/if-up.d/* /etc/NetworkManager/dispatcher.d/* /etc/dhcp/dhclient-exit-hooks.d/*; do
  [ ! -x "$fc_f" ] || [ -d "$fc_f" ] || grep -HsE "^[^#]*$fc_jobs" "$fc_f"
done
for fc_f in /etc/systemd/system/*.service; do
  [ -L "$fc_f" ] || grep -HsE "^Exec[A-Za-z]*=.*$fc_jobs" "$fc_f"
done

#: dhcp: cat /run/chrony-dhcp/* /run/ntpsec/ntp.conf.dhcp /var/lib/ntp/ntp.conf.dhcp
for fc_f in /run/chrony-dhcp/*.sources /var/run/chrony-helper/*.sources /run/ntpsec/ntp.conf.dhcp /run/ntp.conf.dhcp /var/lib/ntp/ntp.conf.dhcp; do
  [ -r "$fc_f" ] || continue
  while read -r fc_k fc_a fc_l; do
    case $fc_k in server | pool | peer) echo "$fc_a $fc_f" ;; esac
  done <"$fc_f"
done

#: config: cat $fc_config
case $fc_daemon in
chrony) { [ -z "$fc_old" ] && chronyd -p -f "$fc_config" 2>/dev/null; } || fc_lines "$fc_config" 0 ;;
ntpd) sed 's/#.*//; /^[[:space:]]*$/d' "$fc_config" ;;
esac

#: refused: chronyd -p -f $fc_config
case $fc_old$fc_daemon in
chrony) chronyd -p -f "$fc_config" 2>&1 >/dev/null ;;
yeschrony) fc_f=$fc_config; @READ_OLD@ 2>&1 ;;
esac

#: noted: grep -xF $fc_config /var/lib/fleetclock/secret-files
grep -qsxF -e "$fc_config" /var/lib/fleetclock/secret-files && echo yes

#: changed: stat -c %Y $fc_config
[ -z "$fc_config" ] || stat -c %Y "$fc_config"

#: options: cat /proc/$(pidof ntpd)/cmdline
fc_p=$(fc_show MainPID "$fc_unit")
[ "${fc_p:-0}" = 0 ] || tr '\0' ' ' <"/proc/$fc_p/cmdline"
echo
cat /etc/default/ntpsec /etc/default/ntp /etc/sysconfig/ntpd 2>/dev/null | grep -E '^(NTPD_OPTS|OPTIONS)='

#: status: chronyc tracking; chronyc sources; ntpq -n -p
case $fc_talks$fc_daemon in
yeschrony) @CHRONY@ ;;
yesntpd) @NTPD@ ;;
*) echo "${fc_unit:-no time service} does not answer"; false ;;
esac

#: associations: ntpq -c associations
[ "$fc_talks$fc_daemon" != yesntpd ] || ntpq -n -c associations @HERE@

#: clients: chronyc -n clients
[ -z "$fc_clients" ] || printf '%s\n' "$fc_clients"

#: access: chronyc accheck ADDRESS
[ "$fc_talks$fc_daemon" != yeschrony ] || for fc_a in @ASKERS@; do
  case $(chronyc accheck "${fc_a%=*}" 2>/dev/null) in
  208*) echo "${fc_a%=*} allowed" ;;
  209*) echo "${fc_a%=*} denied" ;;
  esac
done

#: askers: fleetclock's own notes: who asked, and how many seconds ago
for fc_a in @ASKERS@; do echo "${fc_a%=*} $((${fc_a#*=} + fc_asked - fc_began))"; done

#: listeners: ss -nlup 'sport = :123'
# With the user that has opened the socket: rules know him by that, and not by what the service became.
ss -nlupe 'sport = :123' | sed 1d

#: addresses: ip -o addr
ip -o addr | while read -r fc_i fc_d fc_f fc_a fc_l; do echo "$fc_d ${fc_a%/*}"; done

#: routes: ip route get ADDRESS
for fc_s in @SOURCES@ @ASKERS@; do
  for fc_a in $(fc_resolve "${fc_s%=*}"); do
    echo "$fc_a $(ip -o route get "$fc_a" 2>&1 | head -n 1)"
  done
done

#: names: getent ahosts NAME
# In the order of the resolver, which is that in which a service tries.
for fc_s in @SOURCES@; do
  getent ahosts "$fc_s" | while read -r fc_a fc_l; do echo "$fc_s $fc_a"; done | uniq
done

#: hosts: grep NAME /etc/hosts
for fc_s in @SOURCES@; do grep -nsiwF -e "$fc_s" /etc/hosts; done

#: probe: fleetclock's own NTP probe, on the host
@PROBE@

#: neighbours: ip neigh
ip neigh

#! firewalls
#: filter: nft list ruleset
# What cannot be read is never said to be in order.
@NFT@

#: boot-filter: cat /etc/nftables.conf
# What nftables.service loads at boot, as nft reads it: in a network namespace that is gone afterwards.
if [ "$(fc_show UnitFileState nftables.service)" = enabled ]; then
  for fc_f in /etc/sysconfig/nftables.conf /etc/nftables.conf; do
    [ -r "$fc_f" ] || continue
    unshare -n sh -c 'nft -f "$1" && nft -j list ruleset && nft -a list ruleset' sh "$fc_f" 2>/dev/null
    break
  done
fi

#: legacy: iptables-legacy-save; ip6tables-legacy-save
fc_nft=$(nft -j list ruleset 2>/dev/null)
@IPTABLES@

#: keepers: ls /etc/iptables /etc/sysconfig/iptables /etc/nftables.conf; tc qdisc show
@KEEPERS@
@BESIDE@
# What a slice denies, all in it are denied.
fc_l=$(fc_show Slice "$fc_unit.service")
while [ -n "$fc_l" ]; do
  [ -z "$(fc_show IPAddressDeny "$fc_l")" ] || echo "bpf $fc_l"
  case $fc_l in -.slice) fc_l= ;; ?*-*.slice) fc_l=${fc_l%-*}.slice ;; *) fc_l=-.slice ;; esac
done

#: denied: journalctl -b _TRANSPORT=kernel + _TRANSPORT=audit; cat /var/log/audit/audit.log
{
  journalctl -b -n 5000 -o cat --no-pager _TRANSPORT=kernel + _TRANSPORT=audit 2>/dev/null
  tail -n 5000 /var/log/audit/audit.log 2>/dev/null
} | grep -E 'apparmor="DENIED"|avc: +denied' | grep -E 'comm="(chronyd|ntpd)"' | tail -n 6

#: jumps: journalctl -b --since=-1day -u $fc_unit
# Seconds since 1970 came with systemd 230; before that, dates.
fc_journal() { journalctl -b -n 5000 -o "$1" --no-pager --since=-1day -u "$fc_unit" 2>/dev/null; }
fc_jumped() { grep -E 'time jump detected|was stepped by|time stepped by|time reset [+-]' | tail -n 6; }
if fc_x=$(fc_journal short-unix); then printf '%s\n' "$fc_x" | fc_jumped
else
  fc_journal short-iso | fc_jumped | while read -r fc_t fc_l; do
    fc_t=$(date -d "$fc_t" +%s 2>/dev/null) && echo "$fc_t $fc_l"
  done
fi

#: machine: systemd-detect-virt --vm; vmware-toolbox-cmd timesync status
echo "on $(systemd-detect-virt --vm 2>/dev/null)"
[ "$(LC_ALL=C vmware-toolbox-cmd timesync status 2>/dev/null)" != Enabled ] || echo "sets vmtoolsd"
for fc_p in /proc/[0-9]*; do
  read -r fc_c <"$fc_p/comm" || continue
  [ "$fc_c" = VBoxService ] || continue
  case $(tr '\0' ' ' <"$fc_p/cmdline") in *--disable-timesync*) ;; *) echo "sets VBoxService" ;; esac
  break
done 2>/dev/null
for fc_p in /sys/class/ptp/ptp*; do
  [ ! -r "$fc_p/clock_name" ] || echo "ptp ${fc_p##*/} $(cat "$fc_p/clock_name")"
done

#: cloud: grep -n -A 3 '^ntp:' /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg /var/lib/cloud/instance/cloud-config.txt
@CLOUD@

#: keys: the file that `keyfile` or `keys` of $fc_config names
# Never the keys themselves: a digest with the salt of this run tells whether two are the same.
fc_k=$(sed -n 's/^[[:space:]]*\(keyfile\|keys\)[[:space:]][[:space:]]*\([^[:space:]]*\).*/\2/p' "$fc_config" 2>/dev/null | tail -n 1)
[ -z "$fc_k" ] || [ ! -r "$fc_k" ] || while read -r fc_i fc_t fc_v fc_l; do
  case $fc_i in '' | \#* | !* | %*) continue ;; esac
  [ -n "$fc_v" ] || { fc_v=$fc_t; fc_t=MD5; }
  fc_v=${fc_v#ASCII:}; fc_v=${fc_v#HEX:}
  echo "$fc_i $(printf '%s' "@SALT@ $fc_t $fc_v" | tr a-z A-Z | sha256sum | cut -c1-12)"
done <"$fc_k"

#: rtc: tail -1 /etc/adjtime
[ ! -r /etc/adjtime ] || sed -n 3p /etc/adjtime
