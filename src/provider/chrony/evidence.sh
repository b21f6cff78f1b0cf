# What `doctor` asks of chronyd. Parts as in src/doctor/evidence.sh; each runs where chrony is the time service.

#: before: what the parts below have in common
# `chronyd -p` came with 4.0; before that, `include` was all that one file could say of another.
fc_old=
case $(chronyd --version 2>&1 </dev/null) in @BEFORE_4@) fc_old=yes ;; esac
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

#: dhcp: cat /run/chrony-dhcp/*
fc_dhcp /run/chrony-dhcp/*.sources /var/run/chrony-helper/*.sources

#: config: cat $fc_config
{ [ -z "$fc_old" ] && chronyd -p -f "$fc_config" 2>/dev/null; } || fc_lines "$fc_config" 0

#: refused: chronyd -p -f $fc_config
if [ -z "$fc_old" ]; then chronyd -p -f "$fc_config" 2>&1 >/dev/null; else fc_f=$fc_config; @READ_OLD@ 2>&1; fi

#: options: cat /proc/$(pidof chronyd)/cmdline

#: status: chronyc -n tracking; chronyc -n sources

#: clients: chronyc -n clients
chronyc -n -c clients

#: access: chronyc accheck ADDRESS
for fc_a in @ASKERS@; do
  case $(chronyc accheck "${fc_a%=*}" 2>/dev/null) in
  208*) echo "${fc_a%=*} allowed" ;;
  209*) echo "${fc_a%=*} denied" ;;
  esac
done

#: keys: the file that `keyfile` of $fc_config names
fc_keys keyfile

#: tool: command -v chronyc
command -v chronyc

#: selection: chronyc -n selectdata
chronyc -n -c selectdata 2>/dev/null | fc_known

#: packets: chronyc -n ntpdata
chronyc -n -c ntpdata 2>/dev/null | fc_known

#: online: chronyc activity
chronyc -n -c activity 2>/dev/null

#: proofs: chronyc -n authdata
chronyc -n -c authdata 2>/dev/null | fc_known
