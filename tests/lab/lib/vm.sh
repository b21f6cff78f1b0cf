# Virtual machines: hosts with a clock of their own, which may be wrong, stepped and slewed.
# A Debian 12 with its own kernel and disk, emulated by qemu without KVM: a minute to a login.

# The tree of bookworm with a kernel. Its chronyd and timesyncd run as on any server.
make_vm() {
  local tree=$1 common_packages=$common_packages,udev,kmod,linux-image-cloud-amd64
  make_debian "$tree" bookworm doas chrony ntpsec openntpd apparmor open-vm-tools || return
  rm -rf "$tree"/etc/systemd/system/{chrony,chronyd,systemd-timesyncd}.service.d
  # A small initrd: emulated, each megabyte of it costs a moment.
  mkdir -p "$tree/etc/initramfs-tools/conf.d" "$tree/usr/share/initramfs-tools/modules.d"
  printf 'MODULES=list\nCOMPRESS=gzip\n' >"$tree/etc/initramfs-tools/conf.d/lab"
  printf '%s\n' virtio_pci virtio_blk ext4 >"$tree/usr/share/initramfs-tools/modules.d/lab"
  chroot "$tree" update-initramfs -u -k all || return
  printf '/dev/vda / ext4 errors=remount-ro 0 0\n' >"$tree/etc/fstab"
  mkdir -p "$tree/etc/systemd/system/multi-user.target.wants"
  ln -sf /lib/systemd/system/systemd-networkd.service "$tree/etc/systemd/system/multi-user.target.wants/"
}

vm_deps() {
  command -v qemu-system-x86_64 >/dev/null && return
  say "installing qemu-system-x86"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-system-x86 >/dev/null
}

is_vm() { [[ $(cat "$(lab_dir "$1")/hosts/$2/kind") == vm ]]; }

# +23s, -20h, +5m or nothing: how far its clock is off, in seconds.
vm_offset() {
  [[ $1 =~ ^([+-][0-9]+)([smh])$ || -z $1 ]] || die "a clock is off by +23s, -5m or -20h, not '$1'"
  [[ -z $1 ]] && echo 0 && return
  local unit=1
  case ${BASH_REMATCH[2]} in m) unit=60 ;; h) unit=3600 ;; esac
  echo $((BASH_REMATCH[1] * unit))
}

# A tap device in the bridge of its network.
vm_network() {
  local lab=$1 host=$2 address=$3 ns network bridge tap reach=no
  [[ $address != *[+,]* ]] || die "a virtual machine has one address"
  ns=$(control_ns "$lab") network=$(network_of "$address") tap=v$(short "$lab $host 0")
  is_control_network "$lab" "$network" && reach=yes
  bridge=$(bridge_up "$lab" "$network" "$reach")
  ip -n "$ns" tuntap add "$tap" mode tap
  ip -n "$ns" link set "$tap" master "$bridge" up
}

# The disk: everything that host_disk has prepared in its root, of which only the public keys are read later.
vm_disk() {
  local home=$1 address
  address=$(cat "$home/addresses")
  mkdir -p "$home/root/etc/systemd/network"
  printf '[Match]\nType=ether\n[Network]\nAddress=%s\nIPv6AcceptRA=no\n' "$(with_prefix "$address")" >"$home/root/etc/systemd/network/lab.network"
  rm -f "$home/disk"
  truncate -s 3G "$home/disk"
  mkfs.ext4 -q -F -d "$home/root" "$home/disk"
}

# Its clock starts as far off as was asked for and runs by itself; the machine's clock is only read.
vm_boot() {
  local lab=$1 host=$2 home base offset
  home=$(lab_dir "$lab")/hosts/$host
  base=$(base_tree vm)
  offset=$(vm_offset "$(cat "$home/clock")")
  rm -f "$home"/monitor.in "$home"/monitor.out
  mkfifo "$home/monitor.in" "$home/monitor.out"
  # VMware's port is there for VMware's tools, which look for a hypervisor of that name or none.
  # Without a steady clock source the emulated time stamp counter would be measured, badly, on a busy machine.
  setsid ip netns exec "$(control_ns "$lab")" qemu-system-x86_64 -accel tcg -machine pc,vmport=on -cpu qemu64,tcg-cpuid=off -m 1024 -smp 1 -nodefaults -display none \
    -kernel "$(echo "$base"/boot/vmlinuz-*)" -initrd "$(echo "$base"/boot/initrd.img-*)" \
    -append "root=/dev/vda rw console=ttyS0 quiet fsck.mode=skip clocksource=acpi_pm mitigations=off" \
    -drive "file=$home/disk,format=raw,if=virtio,cache=unsafe" \
    -netdev "tap,id=n0,ifname=v$(short "$lab $host 0"),script=no,downscript=no" \
    -device "virtio-net-pci,netdev=n0,mac=$(vm_mac "$lab" "$host"),romfile=" \
    -rtc "base=$(date -u -d "@$(($(date +%s) + offset))" +%Y-%m-%dT%H:%M:%S),clock=vm" \
    -serial "file:$home/console.log" -monitor "pipe:$home/monitor" \
    </dev/null >"$home/qemu.log" 2>&1 &
  printf '%s\n' $! >"$home/pid"
  # Somebody has to read what the monitor says, or it stops.
  setsid cat "$home/monitor.out" </dev/null >/dev/null 2>&1 &
}

vm_mac() { printf '52:54:00:%s' "$(short "$1 $2" | sed 's/^\(..\)\(..\)\(..\).*/\1:\2:\3/')"; }

# As root, over ssh: nothing of this machine is inside.
vm_exec() {
  local lab=$1 host=$2 dir
  shift 2
  dir=$(lab_dir "$lab")
  ip netns exec "$(control_ns "$lab")" ssh -i "$dir/id_ed25519" -F none -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o BatchMode=yes -o ConnectTimeout=10 "root@$(host_address "$lab" "$host")" \
    "env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C ${*@Q}"
}

# Up, and not as the boot that is named; five minutes, as other work may run on this machine.
vm_wait() {
  local lab=$1 host=$2 not=${3:-none} home until=$((SECONDS + 300)) seen
  home=$(lab_dir "$lab")/hosts/$host
  while ((SECONDS < until)); do
    kill -0 "$(cat "$home/pid")" 2>/dev/null || { cat "$home/qemu.log" >&2; die "$host did not start"; }
    seen=$(vm_exec "$lab" "$host" sh -c 'cat /proc/sys/kernel/random/boot_id; systemctl is-system-running' 2>/dev/null </dev/null || true)
    [[ $seen != *"$not"* && $seen =~ running|degraded ]] && return
    sleep 1
  done
  tail -5 "$home/console.log" >&2
  die "$host did not come up in 300 s"
}

# As by its reset button: what is on the disk stays, and its clock goes on.
vm_reboot() {
  local lab=$1 host=$2 boot
  boot=$(vm_exec "$lab" "$host" sh -c 'sync; cat /proc/sys/kernel/random/boot_id' </dev/null)
  printf 'system_reset\n' >"$(lab_dir "$lab")/hosts/$host/monitor.in"
  vm_wait "$lab" "$host" "$boot"
}

# As a hypervisor does while it moves a machine or saves it.
vm_pause() {
  local verb=$1 lab=$2 host=$3
  is_vm "$lab" "$host" || die "only a virtual machine can be paused, and $host is none"
  [[ $verb == pause ]] && verb=stop || verb=cont
  printf '%s\n' "$verb" >"$(lab_dir "$lab")/hosts/$host/monitor.in"
}
