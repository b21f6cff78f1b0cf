# Hosts: an overlay on the base tree, booted by systemd-nspawn in a network namespace.

lab_up() {
  local lab=$1 dir spec host rest kind
  shift
  [[ $lab =~ ^[a-z0-9]{1,12}$ ]] || die "a lab's name is 1 to 12 small letters and digits"
  dir=$(lab_dir "$lab")
  for spec in "$@"; do
    rest=${spec#*=} kind=${rest%%@*}
    build_one "${kind%%[+-]*}"
    [[ $kind != vm* ]] || vm_deps
  done
  mkdir -p "$dir/hosts"
  room_for_hosts
  lab_keys "$dir"
  control_up "$lab"
  for spec in "$@"; do
    host=${spec%%=*} rest=${spec#*=} kind=${rest%%@*}
    [[ -d $dir/hosts/$host ]] && die "$lab already has a host $host"
    remember_control_networks "$dir" "${rest#*@}"
    mkdir -p "$dir/hosts/$host"
    printf '%s\n' "${kind%%[+-]*}" >"$dir/hosts/$host/kind"
    printf '%s\n' "${kind#"${kind%%[+-]*}"}" >"$dir/hosts/$host/clock"
    printf '%s\n' "${rest#*@}" >"$dir/hosts/$host/addresses"
    if is_vm "$lab" "$host"; then
      vm_network "$lab" "$host" "${rest#*@}"
    else
      host_network "$lab" "$host" "${rest#*@}"
    fi
    host_disk "$lab" "$host"
    host_boot "$lab" "$host"
  done
  for spec in "$@"; do
    host_wait "$lab" "${spec%%=*}"
    host_trust "$lab" "${spec%%=*}"
  done
}

# Each host takes about nine of the watches that all share; the kernel's 128 end at the fourteenth.
room_for_hosts() {
  local limit=/proc/sys/fs/inotify/max_user_instances
  (($(cat "$limit") >= 1024)) || echo 1024 >"$limit" || say "$limit stays at $(cat "$limit"): a large lab may not start"
}

lab_keys() {
  local dir=$1
  [[ -e $dir/id_ed25519 ]] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$dir/id_ed25519"
  [[ -e $dir/id_ed25519_pass ]] || ssh-keygen -q -t ed25519 -N 'lab passphrase' -C lab -f "$dir/id_ed25519_pass"
  touch "$dir/known_hosts"
}

# A fresh disk: an overlay on the base tree with this host's own keys.
host_disk() {
  local lab=$1 host=$2 home base root user
  home=$(lab_dir "$lab")/hosts/$host
  base=$(lower_of "$(cat "$home/kind")")
  root=$home/root
  mkdir -p "$home/upper" "$home/work" "$root"
  mount -t overlay overlay -o "lowerdir=$base,upperdir=$home/upper,workdir=$home/work" "$root"
  printf '%s\n' "$host" >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$host" >"$root/etc/hosts"
  ssh-keygen -q -t ed25519 -N '' -C "$host" -f "$root/etc/ssh/ssh_host_ed25519_key"
  ssh-keygen -q -t rsa -b 2048 -N '' -C "$host" -f "$root/etc/ssh/ssh_host_rsa_key"
  for user in root ops admin nosudo dora paula; do
    local folder=$root/home/$user
    [[ $user == root ]] && folder=$root/root
    mkdir -p "$folder/.ssh"
    cat "$(lab_dir "$lab")"/id_ed25519.pub "$(lab_dir "$lab")"/id_ed25519_pass.pub >"$folder/.ssh/authorized_keys"
    chmod 700 "$folder/.ssh"
    chown -R --reference="$folder" "$folder/.ssh"
  done
  ! is_vm "$lab" "$host" || vm_disk "$home"
}

host_boot() {
  local lab=$1 host=$2 home
  home=$(lab_dir "$lab")/hosts/$host
  if is_vm "$lab" "$host"; then
    vm_boot "$lab" "$host"
    return
  fi
  # The right to set the clock is there, as on a real server, and each attempt is refused.
  in_group "fc-$lab-$host" setsid systemd-nspawn -q -D "$home/root" --boot --register=no --keep-unit --machine="fc-$lab-$host" \
    --network-namespace-path="/run/netns/$(host_ns "$lab" "$host")" --resolv-conf=off --timezone=off --console=passive \
    --capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_TIME \
    --system-call-filter='~clock_settime clock_settime64 settimeofday stime adjtimex clock_adjtime clock_adjtime64' \
    </dev/null >"$home/console.log" 2>&1 &
  printf '%s\n' $! >"$home/pid"
}

# Control groups of its own: where hosts share them, one takes away what another is about to start in.
in_group() {
  local group=$1 tree
  shift
  for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [[ -e $tree/cgroup.procs ]] || continue
    mkdir -p "$tree/$group" && echo "$BASHPID" >"$tree/$group/cgroup.procs" || say "$group: no control group in $tree"
  done
  exec "$@"
}

# What is empty goes; a host that is started again makes it anew.
group_down() {
  local tree
  for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [[ ! -d $tree/$1 ]] || find "$tree/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

# The container's first process: the child of systemd-nspawn.
host_leader() {
  local home pid
  home=$(lab_dir "$1")/hosts/$2
  pid=$(cat "$home/pid" 2>/dev/null) || die "$1 has no running host $2"
  pgrep -P "$pid" | head -1
}

host_address() { local all; all=$(cat "$(lab_dir "$1")/hosts/$2/addresses"); all=${all%%+*}; printf '%s' "${all%%,*}"; }

host_wait() {
  local lab=$1 host=$2 home deadline
  home=$(lab_dir "$lab")/hosts/$host
  if is_vm "$lab" "$host"; then
    vm_wait "$lab" "$host"
    return
  fi
  # Virtual machines that start beside it leave it little of the processor.
  deadline=$((SECONDS + 180))
  while ((SECONDS < deadline)); do
    local leader state
    leader=$(host_leader "$lab" "$host") || true
    # sshd and firewalld are up when systemd has reached its target.
    state=$([[ -z $leader ]] || nsenter -t "$leader" -a systemctl is-system-running 2>/dev/null || true)
    if [[ $state == running || $state == degraded ]]; then
      firewalld_wait "$leader"
      return
    fi
    kill -0 "$(cat "$home/pid")" 2>/dev/null || { tail -5 "$home/console.log" >&2; die "$host did not start"; }
    sleep 0.1
  done
  die "$host did not come up in 180 s"
}

# firewalld counts as started before its rules are there; who stops it then leaves some of them behind.
firewalld_wait() {
  nsenter -t "$1" -a systemctl -q is-active firewalld || return 0
  nsenter -t "$1" -a busctl -q --timeout=120 call org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1 \
    org.fedoraproject.FirewallD1 getDefaultZone
}

host_exec() {
  local lab=$1 host=$2 leader
  if is_vm "$lab" "$host"; then
    vm_exec "$@"
    return
  fi
  shift 2
  leader=$(host_leader "$lab" "$host")
  exec nsenter -t "$leader" -a env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"
}

# known_hosts has the present keys of the host, under each of its addresses.
host_trust() {
  local lab=$1 host=$2 dir address
  dir=$(lab_dir "$lab")
  for address in $(tr '+,' '  ' <"$dir/hosts/$host/addresses"); do
    ssh-keygen -q -R "$address" -f "$dir/known_hosts" >/dev/null 2>&1 || true
    awk -v a="$address" '{print a, $1, $2}' "$dir/hosts/$host/root/etc/ssh/ssh_host_ed25519_key.pub" >>"$dir/known_hosts"
  done
}

host_stop() {
  local lab=$1 host=$2 home pid tries leader
  home=$(lab_dir "$lab")/hosts/$host
  pid=$(cat "$home/pid" 2>/dev/null) || return 0
  leader=$(pgrep -P "$pid" | head -1 || true)
  # The first process of a container cannot be asked politely in less than seconds; its disk is thrown away or synced.
  sync -f "$home/root" 2>/dev/null || true
  [[ -n $leader ]] && kill -KILL "$leader" 2>/dev/null
  kill -KILL "$pid" 2>/dev/null || true
  for ((tries = 0; tries < 100; tries++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  rm -f "$home/pid"
  group_down "fc-$lab-$host"
}

host_reboot() {
  if is_vm "$1" "$2"; then
    vm_reboot "$1" "$2"
    return
  fi
  host_stop "$1" "$2"
  host_start "$1" "$2"
}

host_start() {
  host_boot "$1" "$2"
  host_wait "$1" "$2"
}

host_reset() {
  local lab=$1 host=$2 home
  home=$(lab_dir "$lab")/hosts/$host
  host_stop "$lab" "$host"
  umount -l "$home/root" 2>/dev/null || true
  rm -rf "$home/upper" "$home/work"
  host_disk "$lab" "$host"
  host_start "$lab" "$host"
}

lab_run() {
  local lab=$1
  shift
  exec ip netns exec "$(control_ns "$lab")" "$@"
}

lab_down() {
  local lab dir host
  if [[ ${1:-} == --all ]]; then
    for dir in "$cache"/labs/*/; do
      [[ -d $dir ]] && lab_down "$(basename "$dir")"
    done
    return 0
  fi
  lab=$1
  dir=$(lab_dir "$lab")
  [[ ! -d $dir/windows ]] || "$here/../winrm/winrm" down "$lab"
  for host in "$dir"/hosts/*/; do
    [[ -d $host ]] || continue
    host_stop "$lab" "$(basename "$host")"
    umount -l "$host/root" 2>/dev/null || true
  done
  network_down "$lab"
  rm -rf "$dir"
}

lab_list() {
  local dir host state
  for dir in "$cache"/labs/*/; do
    [[ -d $dir ]] || continue
    for host in "$dir"hosts/*/; do
      [[ -d $host ]] || continue
      state=stopped
      [[ -e $host/pid ]] && kill -0 "$(cat "$host/pid")" 2>/dev/null && state=running
      printf '%s %s %s %s %s\n' "$(basename "$dir")" "$(basename "$host")" "$(cat "$host/kind")" "$(cat "$host/addresses")" "$state"
    done
  done
}
