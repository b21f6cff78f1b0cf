# What `fleetclock adopt` reads on a Linux host. Nothing here changes anything.
#
# Parts as those of `doctor`: `#: NAME` begins one.

#: processes
for fc_p in /proc/[0-9]*; do
  read -r fc_c <"$fc_p/comm" || continue
  case $fc_c in chronyd | ntpd | openntpd | systemd-timesyn | ntp-daemon | ntpd-rs) ;; *) continue ;; esac
  # That of a container is its own.
  [ "$(readlink "$fc_p/ns/pid")" = "$(readlink /proc/1/ns/pid)" ] || continue
  echo "$fc_c $(tr '\0' ' ' <"$fc_p/cmdline")"
done 2>/dev/null

#: files
fc_named() { # program, option: the file that it was told to read
  for fc_p in /proc/[0-9]*; do
    read -r fc_c <"$fc_p/comm" || continue
    [ "$fc_c" = "$1" ] || continue
    tr '\0' '\n' <"$fc_p/cmdline" | grep -A 1 -x -e "$2" | sed 1d
    tr '\0' '\n' <"$fc_p/cmdline" | sed -n "s/^$2\(\/.*\)/\1/p"
  done 2>/dev/null | sort -u
}
for fc_f in /etc/chrony/chrony.conf /etc/chrony.conf $(fc_named chronyd -f); do fc_config chrony "$fc_f" 0; done
for fc_f in /etc/ntpsec/ntp.conf /etc/ntp.conf $(fc_named ntpd -c); do fc_config ntp "$fc_f" 0; done
for fc_f in /etc/openntpd/ntpd.conf /etc/ntpd.conf $(fc_named ntpd -f); do fc_config openntpd "$fc_f" 0; done
for fc_f in /etc/ntpd-rs/ntp.toml $(fc_named ntp-daemon -c); do fc_config toml "$fc_f" 0; done
for fc_f in /etc/systemd/timesyncd.conf /usr/lib/systemd/timesyncd.conf.d/*.conf /run/systemd/timesyncd.conf.d/*.conf \
  /etc/systemd/timesyncd.conf.d/*.conf; do
  fc_config ini "$fc_f" 0
done

#: told
# What systemd-timesyncd has by itself and from the network; only of one that runs, because asking starts it.
for fc_p in /proc/[0-9]*; do
  read -r fc_c <"$fc_p/comm" || continue
  [ "$fc_c" = systemd-timesyn ] || continue
  timeout 10 timedatectl show-timesync -p LinkNTPServers -p SystemNTPServers -p FallbackNTPServers
  break
done 2>/dev/null

#: clients
# Who asks this host for time. A service that hangs keeps its own tool waiting.
for fc_p in /proc/[0-9]*; do
  read -r fc_c <"$fc_p/comm" || continue
  case $fc_c in
  chronyd) timeout 10 chronyc -n -c clients | sed 's/^/chrony /' ;;
  ntpd) timeout 12 ntpq -n -c mrulist @HERE@ | sed 's/^/ntp /' ;;
  esac
done 2>/dev/null
true
