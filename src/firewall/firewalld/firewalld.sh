# It is asked over D-Bus: the same questions by `firewall-cmd` start a Python each and take thirty times as long.
fc_d=org.fedoraproject.FirewallD1; fc_p=/org/fedoraproject/FirewallD1
fc_bus() { busctl call $fc_d "$@"; }
# What is saved: fc_saved METHOD NAME INTERFACE GETTER
fc_saved() {
  fc_o=$(fc_bus $fc_p/config $fc_d.config "$1" s "$2") || return
  fc_o=${fc_o#o \"}
  fc_bus "${fc_o%\"}" "$fc_d.config.$3" "$4"
}
fc_firewalld() {
  fc_z=$(fc_bus $fc_p $fc_d getDefaultZone) || { echo off; return; }
  echo "default $fc_z"
  [ "$(fc_bus $fc_p $fc_d queryPanicMode 2>/dev/null)" != 'b true' ] || echo panic
  fc_t=$(fc_bus $fc_p $fc_d.zone getActiveZones)
  echo "active $fc_t"
  for fc_a in "$@"; do
    fc_way "$fc_a" | sed 's/^/route /; s/[ \\]*cache.*//'
  done
  # In the reply each zone has a map of its own: the word before its number of keys.
  fc_x=
  [ -z "${fc_all-}" ] || fc_x=$(fc_bus $fc_p $fc_d.zone getZones | sed 's/^as [0-9]* "//; s/"$//; s/" "/" 1 "sources"\n"/g; s/^/"/; s/$/" 1 "sources"/')
  # One that is bound to nothing now may be bound at the next start.
  fc_x=$(printf '%s\n%s\n%s\n' "$fc_z" "$fc_t" "$fc_x" | grep -oE '"[^"]*" [0-9]+ "(interfaces|sources)"|^s "[^"]*"' | sed 's/^s //; s/"\([^"]*\)".*/\1/')
  fc_s=$(for fc_n in $(printf '%s\n' "$fc_x" "$(fc_files /etc/firewalld/zones)" | sort -u); do fc_zone "$fc_n"; done; fc_policies)
  [ -z "$fc_s" ] || printf '%s\n' "$fc_s"
  # Those without a file are as firewalld brings them. By `ntp` a rule of ours would open, named or not.
  for fc_n in $(fc_files /etc/firewalld/services); do
    case $fc_n:$fc_s in ntp:* | *"\"$fc_n\""* | *"name=\\\"$fc_n\\\""*) fc_service "$fc_n" ;; esac
  done
  for fc_n in $(printf '%s\n' "$fc_s" | grep -oE 'ipset:[^"]*|ipset=\\"[^\\]*' | sed 's/.*[:"]//' | sort -u); do
    echo "ipset running/$fc_n $(fc_bus $fc_p $fc_d.ipset getEntries s "$fc_n" 2>/dev/null)"
    echo "ipset permanent/$fc_n $(fc_saved getIPSetByName "$fc_n" ipset getEntries 2>/dev/null)"
  done
  # A network has many: only those whose hardware addresses count.
  fc_m=$(printf %s "$fc_s" | tr A-F a-f)
  ip neigh 2>/dev/null | while read -r fc_a fc_x fc_i fc_x fc_x fc_l; do
    case $fc_x in *:*:*:*:*:*)
      case $fc_m in *"$fc_x"* | *ipset:* | *ipset=*) echo "neighbour $fc_a $fc_x" ;; esac ;;
    esac
  done
  if [ -e /etc/firewalld/direct.xml ]; then
    echo "direct running/rules $(fc_bus $fc_p $fc_d.direct getAllRules)"
    echo "direct permanent/settings $(fc_bus $fc_p/config $fc_d.config.direct getSettings)"
  fi
  for fc_f in /var/lib/fleetclock/firewalld /var/lib/fleetclock/firewalld-*; do
    [ ! -r "$fc_f" ] || sed 's/^/ours /' "$fc_f"
  done
}
# The names of the files in folders; those in /etc are what an administrator has made or changed.
fc_files() {
  for fc_f; do
    for fc_f in "$fc_f"/*.xml; do
      [ ! -e "$fc_f" ] || { fc_f=${fc_f##*/}; echo "${fc_f%.xml}"; }
    done
  done
}
fc_zone() {
  if fc_x=$(fc_bus $fc_p $fc_d.zone getZoneSettings2 s "$1" 2>/dev/null); then
    printf '%s\n' "running $1 $fc_x" "permanent $1 $(fc_saved getZoneByName "$1" zone getSettings2)"
  else
    printf '%s\n' "running $1 $(fc_bus $fc_p $fc_d getZoneSettings s "$1")" "permanent $1 $(fc_saved getZoneByName "$1" zone getSettings)"
  fi
}
# Since 0.9. The one that it brings itself is about ICMP. What is saved is in files.
fc_policies() {
  for fc_n in $(fc_bus $fc_p $fc_d.policy getPolicies 2>/dev/null | tr ' ' '\n' | sed -n 's/^"\(.*\)"$/\1/p' | fc_own); do
    echo "policy running/$fc_n $(fc_bus $fc_p $fc_d.policy getPolicySettings s "$fc_n" 2>/dev/null)"
  done
  for fc_n in $(fc_files /usr/lib/firewalld/policies /etc/firewalld/policies | sort -u | fc_own); do
    echo "policy permanent/$fc_n $(fc_saved getPolicyByName "$fc_n" policy getSettings 2>/dev/null)"
  done
}
fc_own() { if [ -e /etc/firewalld/policies/allow-host-ipv6.xml ]; then cat; else grep -vx allow-host-ipv6; fi; }
fc_service() {
  fc_x=$(fc_bus $fc_p $fc_d getServiceSettings2 s "$1" 2>/dev/null) || fc_x=$(fc_bus $fc_p $fc_d getServiceSettings s "$1" 2>/dev/null)
  [ -z "$fc_x" ] || echo "service running/$1 $fc_x"
  fc_x=$(fc_saved getServiceByName "$1" service getSettings2 2>/dev/null) || fc_x=$(fc_saved getServiceByName "$1" service getSettings 2>/dev/null)
  [ -z "$fc_x" ] || echo "service permanent/$1 $fc_x"
}
