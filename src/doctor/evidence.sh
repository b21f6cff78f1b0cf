# What `fleetclock doctor` reads on a host. Nothing here changes anything.
#
# Each part begins with `#: NAME: COMMAND`. The command is what a finding shows, for an
# administrator to try; the lines below it are what runs. Words in @ are filled in: @SERVICE@, what
# the time service that was found is asked by that part of `src/provider/NAME/evidence.sh`, where its
# command stands, too (@TALKING@: only if it answers); @UNITS@ that the time service may go by,
# @SOURCES@ that the inventory names, @ASKERS@ that got no answer from this host, @SALT@ of this run.

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
@NAMES@
*) fc_files= ;;
esac
for fc_f in $fc_files; do [ -e "$fc_f" ] && { fc_config=$fc_f; break; }; done

# Servers that DHCP has named, with the file that says so.
fc_dhcp() {
  for fc_f in "$@"; do
    [ -r "$fc_f" ] || continue
    while read -r fc_k fc_a fc_l; do
      case $fc_k in server | pool | peer) echo "$fc_a $fc_f" ;; esac
    done <"$fc_f"
  done
}

# Never the keys themselves: a digest with the salt of this run tells whether two are the same.
fc_keys() { # the directive that names their file
  fc_k=$(sed -n "s/^[[:space:]]*$1[[:space:]][[:space:]]*\([^[:space:]]*\).*/\1/p" "$fc_config" 2>/dev/null | tail -n 1)
  [ -z "$fc_k" ] || [ ! -r "$fc_k" ] || while read -r fc_i fc_t fc_v fc_l; do
    case $fc_i in '' | \#* | !* | %*) continue ;; esac
    [ -n "$fc_v" ] || { fc_v=$fc_t; fc_t=MD5; }
    fc_v=${fc_v#ASCII:}; fc_v=${fc_v#HEX:}
    echo "$fc_i $(printf '%s' "@SALT@ $fc_t $fc_v" | tr a-z A-Z | sha256sum | cut -c1-12)"
  done <"$fc_k"
}

@SERVICE@

# A service that hangs keeps its own tool waiting for seconds, each time. One that only waits for
# its turn on a busy machine is asked again.
fc_talks=no
fc_talk() {
@TALKS@
}
fc_talk || fc_talk && fc_talks=yes

# Who has asked it, and when it was asked for that: the two must not be far apart.
fc_visitors() {
@CLIENTS@
}
fc_clients=; fc_asked=$fc_began
for fc_n in 1 2 3 4 5; do
  fc_t=$(date +%s)
  [ "$fc_talks" = no ] || [ -z "@ASKERS@" ] || fc_clients=$(fc_visitors)
  fc_asked=$(date +%s)
  [ $((fc_asked - fc_t)) -gt 1 ] || break
done

#: service: systemctl list-units --type service
echo "$fc_unit $fc_daemon $fc_config"

#: units: systemctl show $fc_unit
systemctl show -p Id -p LoadState -p ActiveState -p SubState -p UnitFileState -p Result -p ExecMainStatus \
  @ALL_UNITS@

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
  case $fc_c in @PROCESSES@) ;; *) continue ;; esac
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

#: dhcp: what DHCP has written
@SERVICE@

#: config: cat $fc_config
@SERVICE@

#: refused: systemctl status $fc_unit
@SERVICE@

#: noted: grep -xF $fc_config /var/lib/fleetclock/secret-files
grep -qsxF -e "$fc_config" /var/lib/fleetclock/secret-files && echo yes

#: changed: stat -c %Y $fc_config
[ -z "$fc_config" ] || stat -c %Y "$fc_config"

#: options: cat /proc/$(pidof $fc_unit)/cmdline
fc_p=$(fc_show MainPID "$fc_unit")
[ "${fc_p:-0}" = 0 ] || tr '\0' ' ' <"/proc/$fc_p/cmdline"
echo
@SERVICE@

#: status: systemctl status $fc_unit
if [ "$fc_talks" = no ]; then echo "${fc_unit:-no time service} does not answer"; false; else
@SERVICE@
fi

#: clients: systemctl status $fc_unit
[ -z "$fc_clients" ] || printf '%s\n' "$fc_clients"

#: access: systemctl status $fc_unit
@TALKING@

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
} | grep -E 'apparmor="DENIED"|avc: +denied' | grep -E 'comm="(@PROGRAMS@)"' | tail -n 6

#: jumps: journalctl -b --since=-1day -u $fc_unit
# Seconds since 1970 came with systemd 230; before that, dates.
fc_journal() { journalctl -b -n 5000 -o "$1" --no-pager --since=-1day -u "$fc_unit" 2>/dev/null; }
fc_jumped() { grep -E '@JUMPS@' | tail -n 6; }
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

#: keys: the keys of $fc_config
@SERVICE@

#: rtc: tail -1 /etc/adjtime
[ ! -r /etc/adjtime ] || sed -n 3p /etc/adjtime
