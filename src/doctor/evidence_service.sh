# What the running service is, what it may do, and why it takes a source or leaves it.
# Parts as in `evidence.sh`; they come after those.

#: process: cat /proc/$(systemctl show -p MainPID --value $fc_unit)/status
# Where it is not in the network of the host, nothing that the host's own tools show is true of it.
fc_p=$(fc_show MainPID "$fc_unit")
if [ "${fc_p:-0}" != 0 ] && [ -r "/proc/$fc_p/status" ]; then
  while read -r fc_k fc_v fc_l; do
    case $fc_k in
    State:) echo "state $fc_v" ;;
    Uid:) echo "user $fc_v" ;;
    CapEff:) echo "rights $fc_v" ;;
    esac
  done <"/proc/$fc_p/status"
  [ "$(readlink "/proc/$fc_p/ns/net")" = "$(readlink /proc/1/ns/net)" ] && echo "network host" || echo "network own"
  fc_g=; while IFS=: read -r fc_k fc_v fc_l; do fc_g=$fc_l; done <"/proc/$fc_p/cgroup"
  grep -qsx 'frozen 1' "/sys/fs/cgroup$fc_g/cgroup.events" && echo frozen
fi

#: tool: command -v $fc_unit
[ -n "$fc_daemon" ] || echo none
@SERVICE@

#: unit: systemctl show $fc_unit
[ -z "$fc_unit" ] || systemctl show -p ConditionResult -p ConditionTimestampMonotonic -p AssertResult -p AssertTimestampMonotonic \
  -p PrivateNetwork -p NetworkNamespacePath -p RestrictAddressFamilies -p IPAddressAllow -p IPAddressDeny \
  -p RestrictNetworkInterfaces -p SocketBindDeny -p IPIngressFilterPath -p IPEgressFilterPath \
  -p BPFProgram "$fc_unit.service"

#: unit-lines: systemctl cat $fc_unit
# Lines that are not those of the package, and the conditions, whoever has written them.
if [ -n "$fc_unit" ]; then
  fc_own=$(fc_show FragmentPath "$fc_unit.service")
  for fc_f in $fc_own $(fc_show DropInPaths "$fc_unit.service"); do
    case $fc_f in
    /etc/* | /run/*) grep -HsE '^[A-Za-z]+=' "$fc_f" ;;
    *) grep -HsE '^(Condition|Assert)[A-Za-z]+=' "$fc_f" ;;
    esac
  done
fi

#: complaints: journalctl -b -u $fc_unit
# What the service has complained of since it was started for the last time.
fc_t=$(fc_show InactiveExitTimestamp "$fc_unit")
journalctl -b -n 400 -o cat --no-pager ${fc_t:+--since="$(date -d "$fc_t" '+%F %T' 2>/dev/null)"} -u "$fc_unit" 2>/dev/null |
  grep -iE 'could not|cannot|failed|fatal|error|denied|not permitted|certificate|unable|invalid|skipped because|signal' | tail -n 8

#: passed: journalctl -b -u $fc_unit
# Lines of the file that it said it would go on without.
@SERVICE@

#: selection: systemctl status $fc_unit
@TALKING@

#: packets: systemctl status $fc_unit
@TALKING@

#: online: systemctl status $fc_unit
@TALKING@

#: proofs: systemctl status $fc_unit
@TALKING@

#: links: ip -o link
ip -o link 2>/dev/null | while read -r fc_n fc_i fc_l; do
  fc_i=${fc_i%:}; fc_m=${fc_l#*link/}; fc_m=${fc_m#* }; fc_x=
  case $fc_l in *' master '*) fc_g=${fc_l#* master }; fc_x=" master ${fc_g%% *}" ;; esac
  echo "${fc_i%@*} ${fc_m%% *}$fc_x"
done

#: rules: ip rule; ip -6 rule
# Those of every system are left out.
{ ip rule; ip -6 rule; } 2>/dev/null | grep -vE '^(0|32766|32767):[[:space:]]+from all lookup (local|main|default) *$'

#: tables: ip route show table all match ADDRESS
# Whether there is no route, or one that refuses; all tables.
echo read
for fc_s in @SOURCES@ @ASKERS@; do
  for fc_a in $(fc_resolve "${fc_s%=*}"); do
    case $fc_a in *:*) fc_6=-6 ;; *) fc_6=-4 ;; esac
    ip $fc_6 -o route show table all match "$fc_a" 2>/dev/null | grep -vE '^(broadcast|multicast|anycast) ' | while read -r fc_l; do
      echo "$fc_a $fc_l"
    done
  done
done

#: ways: ip route get ADDRESS ipproto udp dport 123
# As the kernel decides of the very packets: questions and answers, on their way out and coming in.
fc_p=$(fc_show MainPID "$fc_unit"); fc_user=
[ "${fc_p:-0}" = 0 ] || fc_user=$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$fc_p/status" 2>/dev/null)
fc_way() { # direction, address, words of `ip route get`
  fc_d=$1; fc_a=$2; shift 2
  fc_t=$(ip -o route get "$@" 2>&1 | head -n 1)
  case $fc_t in RTNETLINK*) echo "$fc_d $fc_a $fc_t" ;; esac
}
fc_pair() { # peer, its port, our port
  fc_x=$(ip -o route get "$1" 2>/dev/null | head -n 1)
  fc_i=$(printf '%s' "$fc_x" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
  fc_s=$(printf '%s' "$fc_x" | sed -n 's/.* src \([^ ]*\).*/\1/p')
  fc_way out "$1" "$1" ipproto udp sport "$3" dport "$2" ${fc_user:+uid "$fc_user"}
  [ -z "$fc_s" ] || [ "$fc_i" = lo ] || fc_way in "$1" "$fc_s" from "$1" iif "$fc_i" ipproto udp sport "$2" dport "$3"
}
for fc_s in @SOURCES@; do
  for fc_a in $(fc_resolve "$fc_s"); do fc_pair "$fc_a" 123 40000; done
done
for fc_s in @ASKERS@; do fc_pair "${fc_s%=*}" 40000 123; done
