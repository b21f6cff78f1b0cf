# One run at a time on a host. The lock is a file of lines NAME=VALUE. Its holder is at work while
# its script runs, and between two scripts while its connection stands and its time is not over.
FC_ROOM=/run/fleetclock
FC_LOCK=$FC_ROOM/lock
fc_says() { sed -n "s/^$1=//p" "$FC_LOCK" 2>/dev/null | head -n 1; }
fc_now() { read -r fc_u fc_rest </proc/uptime && echo "${fc_u%.*}"; }
# When a process was started, in ticks: a number that is used again is another process.
fc_born() {
[ -n "$1" ] && fc_s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
fc_s=${fc_s##*) }
set -- $fc_s
[ "$1" != Z ] && echo "${20}"
}
fc_lives() {
fc_p=$(fc_says "$1")
[ -n "$fc_p" ] && fc_b=$(fc_born "${fc_p%% *}") && [ "$fc_b" = "${fc_p#* }" ]
}
fc_held() {
[ -e "$FC_LOCK" ] && [ "$(fc_says boot)" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return 1
fc_lives script && return 0
[ "$(fc_now)" -lt "$(fc_says until)" ] 2>/dev/null && { [ -z "$(fc_says line)" ] || fc_lives line; }
}
# The process that stands for the connection; without one of a known name, the eldest ancestor,
# which of a script that has lost its connection already is the script's own.
fc_line() {
fc_p=$$
while [ "${fc_p:-1}" -gt 1 ]; do
fc_top=$fc_p
case $(cat "/proc/$fc_p/comm" 2>/dev/null) in
sshd* | dropbear* | fleetclock*) echo "$fc_p $(fc_born "$fc_p")"; return 0 ;;
esac
fc_p=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$fc_p/status" 2>/dev/null)
done
echo "$fc_top $(fc_born "$fc_top")"
}
# fc_orphan RUN SECONDS: waits for the script of a run that has lost its connection; it ends by itself.
fc_orphan() {
fc_i=0
while fc_held && [ "$(fc_says run)" != "$1" ] && fc_lives script && ! fc_lives line && [ "$fc_i" -lt "$2" ]; do
sleep 1
fc_i=$((fc_i + 1))
done
}
# fc_take RUN WHO WHEN: prints the lock and ends with 4 when it is another's.
fc_take() {
mkdir -p "$FC_ROOM"
# Whoever may open the mutex may hold it.
chmod 700 "$FC_ROOM"
fc_orphan "$1" 120
(
umask 077
if command -v flock >/dev/null 2>&1; then exec 9>"$FC_LOCK.mutex"; flock -w 10 9 || :; fi
if fc_held && [ "$(fc_says run)" != "$1" ]; then cat "$FC_LOCK"; exit 4; fi
printf 'run=%s\nwho=%s\nwhen=%s\nboot=%s\nscript=%s\nline=%s\nuntil=0\n' "$1" "$2" "$3" \
"$(cat /proc/sys/kernel/random/boot_id)" "$$ $(fc_born $$)" "$(fc_line)" >"$FC_LOCK.$$"
rm -f "$FC_LOCK"
ln "$FC_LOCK.$$" "$FC_LOCK" || { rm -f "$FC_LOCK.$$"; cat "$FC_LOCK"; exit 4; }
rm -f "$FC_LOCK.$$"
)
}
# fc_lease RUN SECONDS: the script ends, and the next one of the same run may take so long to come.
fc_lease() {
[ "$(fc_says run)" = "$1" ] || return 0
sed -e 's/^script=.*/script=/' -e "s/^until=.*/until=$(($(fc_now) + $2))/" "$FC_LOCK" >"$FC_LOCK.$$"
mv -f "$FC_LOCK.$$" "$FC_LOCK"
}
fc_release() { [ "$(fc_says run)" != "$1" ] || rm -f "$FC_LOCK"; }
# The timers that take a run back when nobody comes to keep it: one of this boot, and one for the
# next. That is plain files, which systemd reads when it starts, so that it need not be told of them.
FC_BOOT=/etc/systemd/system/fleetclock-undo-boot
FC_WANTS=/etc/systemd/system/timers.target.wants
fc_disarm() { fc_calm; fc_unboot; }
fc_calm() {
[ -d /run/systemd/system ] || return 0
systemctl stop fleetclock-undo.timer fleetclock-undo.service \
fleetclock-undo-boot.timer fleetclock-undo-boot.service 2>/dev/null || :
}
fc_unboot() { rm -f "$FC_BOOT.timer" "$FC_BOOT.service" "$FC_WANTS/${FC_BOOT##*/}.timer"; }
# fc_boot FOLDER SECONDS LAST: what was not kept is taken back SECONDS after a boot, steps LAST to 0.
# It has to be on the disk before the change is.
fc_boot() {
(
umask 022
printf '[Unit]\nDescription=Take back a change of fleetclock that nobody has kept\nRequiresMountsFor=%s\n\n[Service]\nType=oneshot\nExecStart=/bin/sh %s/expire %s\n' \
"$1" "$1" "$3" >"$FC_BOOT.service" &&
printf '[Unit]\nDescription=Take back a change of fleetclock that nobody has kept\n\n[Timer]\nOnActiveSec=%s\nAccuracySec=1s\n' \
"$2" >"$FC_BOOT.timer" &&
mkdir -p "$FC_WANTS" && ln -sf "../${FC_BOOT##*/}.timer" "$FC_WANTS/"
) 2>/dev/null || { fc_unboot; echo "the timer would not come back after a boot: ${FC_BOOT%/*} cannot be written" >&2; return 1; }
# coreutils before 8.24 ignores the names and syncs everything, which is as good.
sync "$1/undo" "$1/expire" "$1" "$FC_BOOT.service" "$FC_BOOT.timer" "$FC_WANTS" "${FC_BOOT%/*}" 2>/dev/null || :
}
# fc_arm FOLDER SECONDS
fc_arm() {
[ -d /run/systemd/system ] || { echo 'systemd does not run here' >&2; return 1; }
fc_calm
systemctl -q reset-failed fleetclock-undo.timer fleetclock-undo.service 2>/dev/null || :
fc_out=$(systemd-run --unit=fleetclock-undo --on-active="$2" --timer-property=AccuracySec=1s \
/bin/sh "$1/expire" 2>&1) || { printf '%s\n' "$fc_out" >&2; return 1; }
}
# fc_keep RUN: what is there stays; prints `kept`, or the lock if somebody else is at work.
fc_keep() {
if fc_held && [ "$(fc_says run)" != "$1" ]; then cat "$FC_LOCK"; return 0; fi
fc_disarm
rm -f "$FC_LOCK"
echo kept
}
