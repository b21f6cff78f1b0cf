# What `doctor` asks of systemd-timesyncd. Parts as in src/doctor/evidence.sh; each runs where it is the time service.

#: dhcp: cat /run/systemd/netif/state
# networkd hands servers of DHCP on, and it asks them, too.
sed -n 's/^NTP=//p' /run/systemd/netif/state 2>/dev/null | tr ' ' '\n' | while read -r fc_a; do
  [ -z "$fc_a" ] || echo "$fc_a /run/systemd/netif/state"
done

#: config: systemd-analyze cat-config systemd/timesyncd.conf
# All files of it, in the order in which they count.
systemd-analyze --no-pager cat-config systemd/timesyncd.conf 2>/dev/null || cat "$fc_config" 2>/dev/null

#: options: cat /proc/$(pidof systemd-timesyncd)/cmdline

#: status: busctl --auto-start=no introspect org.freedesktop.timesync1 /org/freedesktop/timesync1

#: tool: command -v busctl
command -v busctl
