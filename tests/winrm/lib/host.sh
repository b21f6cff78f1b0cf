# Windows hosts: a prefix with an own registry, an own wineserver, and the WS-Man server in front.

windows_home() { printf '%s/windows/%s' "$(lab_dir "$1")" "$2"; }
windows_password='P@ssw0rd!한글'
turn=/dev/null

# The group in which all Windows hosts of a lab together get as much of the processor as one
# other group; --last makes it, or says why not.
turn_of() {
  local group=/sys/fs/cgroup/cpu weight=cpu.shares least=128
  [[ -d $group ]] || group=/sys/fs/cgroup weight=cpu.weight least=10
  mkdir -p "$group/fleetclock-$1"
  [[ -e $group/fleetclock-$1/$weight ]] || echo +cpu >"$group/cgroup.subtree_control"
  echo $least >"$group/fleetclock-$1/$weight" || die "this machine has no processor shares for groups"
  turn=$group/fleetclock-$1/cgroup.procs
}

windows_up() {
  local lab=$1 spec host rest
  shift
  [[ ${1:-} == --last ]] && shift && turn_of "$lab"
  [[ $lab =~ ^[a-z0-9]{1,12}$ ]] || die "a lab's name is 1 to 12 small letters and digits"
  control_up "$lab"
  mkdir -p "$(lab_dir "$lab")/windows"
  for spec in "$@"; do
    rest=${spec#*=}
    locked build_seed "${rest%%@*}"
  done
  for spec in "$@"; do
    host=${spec%%=*} rest=${spec#*=}
    windows_make "$lab" "$host" "${rest%%@*}" "${rest#*@}"
    windows_boot "$lab" "$host"
  done
  for spec in "$@"; do windows_wait "$lab" "${spec%%=*}"; done
}

windows_make() {
  local lab=$1 host=$2 seed=$3 addresses=$4 home
  home=$(windows_home "$lab" "$host")
  [[ -d $home ]] && die "$lab already has a host $host"
  mkdir -p "$home/exchange"
  printf '%s\n' "$seed" >"$home/seed"
  printf '%s\n' "$addresses" >"$home/addresses"
  windows_accounts "$seed" >"$home/accounts"
  remember_control_networks "$(lab_dir "$lab")" "$addresses"
  host_network "$lab" "$host" "$addresses"
  windows_disk "$home" "$seed"
}

# A domain controller has no accounts of its own. Without a domain in front, a host's own come first.
windows_accounts() {
  local -a domains=('')
  case ${1%%,*} in *-dc) domains=('CORP corp.example') ;; *-member) domains+=('CORP corp.example') ;; esac
  local domain
  for domain in "${domains[@]}"; do
    printf 'Administrator\t%s\tadministrator\t%s\n' "$windows_password" "$domain"
    printf 'operator\t%s\tuser\t%s\n' "$windows_password" "$domain"
  done
}

# Own registry and own folders that programs write to; the rest of drive C: is shared.
windows_disk() {
  local home=$1 from base entry
  from=$(seed_folder "$2")
  base=$(wine_cache)/base/drive_c
  mkdir -p "$home/prefix/dosdevices" "$home/prefix/drive_c/windows/temp"
  cp "$from"/*.reg "$from/.update-timestamp" "$home/prefix/"
  for entry in "$base"/*; do
    case ${entry##*/} in
      windows) ;;
      users | ProgramData) cp -a "$entry" "$home/prefix/drive_c/" ;;
      *) ln -s "$entry" "$home/prefix/drive_c/" ;;
    esac
  done
  for entry in "$base"/windows/*; do
    [[ ${entry##*/} == temp ]] || ln -s "$entry" "$home/prefix/drive_c/windows/"
  done
  ln -s ../drive_c "$home/prefix/dosdevices/c:"
  ln -s ../../exchange "$home/prefix/dosdevices/y:"
}

windows_boot() {
  local lab=$1 host=$2 home
  home=$(windows_home "$lab" "$host")
  rm -f "$home/ready"
  # The hostname is the computer's name: WIN1 for win1.
  setsid sh -c 'echo $$ >"$0" && exec "$@"' "$turn" ip netns exec "$(host_ns "$lab" "$host")" unshare --uts \
    "${confined[@]}" sh -c 'hostname "$2" && exec "$0" "$@"' "$(server_binary)" "$home" "${host^^}" "$(seed_locale "$(cat "$home/seed")")" \
    "$host" $(tr ',+' '  ' <"$home/addresses") </dev/null >"$home/console.log" 2>&1 &
  printf '%s\n' $! >"$home/pid"
  disown # It is ended by kill, which the shell would report.
}

windows_wait() {
  local lab=$1 host=$2 home tries
  home=$(windows_home "$lab" "$host")
  for ((tries = 0; tries < 1200; tries++)); do
    [[ -e $home/ready ]] && return
    kill -0 "$(cat "$home/pid")" 2>/dev/null || { tail -5 "$home/console.log" >&2; die "$host did not start"; }
    sleep 0.1
  done
  die "$host did not come up in 120 s"
}

# The wineserver writes the registry and ends all programs of its prefix.
windows_stop() {
  local lab=$1 host=$2 home
  home=$(windows_home "$lab" "$host")
  [[ -e $home/pid ]] || return 0
  in_prefix "$home/prefix" timeout 60 "$wineserver" -k 2>/dev/null || true
  windows_kill "$lab" "$host"
}

# All processes of the host's namespace, and the folder in which they meet.
windows_kill() {
  local home pids socket
  home=$(windows_home "$1" "$2")
  pids=$(ip netns pids "$(host_ns "$1" "$2")" 2>/dev/null || true)
  # shellcheck disable=SC2086 # One argument for each process.
  [[ -z $pids ]] || kill -KILL $pids 2>/dev/null || true
  socket=$(cat "$home/prefix/wineserver" 2>/dev/null || true)
  [[ $socket =~ ^wine-[A-Za-z0-9]+$ ]] && rm -rf "/tmp/$socket"
  rm -f "$home/pid" "$home/prefix/wineserver"
}

windows_start() {
  windows_boot "$1" "$2"
  windows_wait "$1" "$2"
}

windows_down() {
  local lab dir home host
  if [[ ${1:-} == --all ]]; then
    for dir in "$cache"/labs/*/windows/; do
      [[ -d $dir ]] && windows_down "$(basename "$(dirname "$dir")")"
    done
    return 0
  fi
  lab=$1
  dir=$(lab_dir "$lab")
  for home in "$dir"/windows/*/; do
    [[ -d $home ]] || continue
    host=$(basename "$home")
    windows_kill "$lab" "$host"
    ip netns del "$(host_ns "$lab" "$host")" 2>/dev/null || true
  done
  rm -rf "$dir/windows"
  rmdir /sys/fs/cgroup{,/cpu}/"fleetclock-$lab" 2>/dev/null || true
  [[ -d $dir/hosts ]] && return
  network_down "$lab"
  rm -rf "$dir"
}

windows_exec() {
  local lab=$1 host=$2 line=$3 home id code
  home=$(windows_home "$lab" "$host")
  id=exec-$$
  printf '\n%s' "$line" >"$home/exchange/$id.line"
  locale=$(seed_locale "$(cat "$home/seed")")
  in_prefix "$home/prefix" ip netns exec "$(host_ns "$lab" "$host")" "$wine" 'C:\fc\runner.exe' "$id" || true
  code=$(cat "$home/exchange/$id.code")
  rm -f "$home/exchange/$id.code"
  # A shell has 8 bits for it.
  ((code == 0)) || exit $((code % 256 ? code % 256 : 1))
}

windows_faults() {
  local home
  home=$(windows_home "$1" "$2")
  shift 2
  printf '%s\n' "$@" >"$home/faults.new"
  mv "$home/faults.new" "$home/faults"
}

windows_requests() {
  local file
  file=$(windows_home "$1" "$2")/requests
  if [[ ${3:-} == --reset ]]; then : >"$file"; else wc -l <"$file"; fi
}

# Whether nobody is connected; what somebody sent before he went away has been read by then.
windows_idle() {
  local connections
  connections=$(ip netns exec "$(host_ns "$1" "$2")" \
    ss -Htn state established state close-wait '( sport = :5985 or sport = :5986 )')
  [[ -z $connections ]]
}

windows_pass() {
  local file
  file=$(windows_home "$1" "$2")/passed
  printf '%s\n' $(($(cat "$file" 2>/dev/null || echo 0) + $3)) >"$file.new"
  mv "$file.new" "$file"
}

windows_list() {
  local home state
  for home in "$cache"/labs/*/windows/*/; do
    [[ -d $home ]] || continue
    state=stopped
    [[ -e $home/pid ]] && kill -0 "$(cat "$home/pid")" 2>/dev/null && state=running
    printf '%s %s %s %s %s\n' "$(basename "$(dirname "$(dirname "$home")")")" "$(basename "$home")" \
      "$(cat "$home/seed")" "$(cat "$home/addresses")" "$state"
  done
}

# pywinrm and pypsrp run validate.py: against two hosts of a lab, or against a real server.
windows_validate() {
  local python=$cache/wine/python/bin/python lab=${FLEETCLOCK_LAB_PREFIX:-win}judge status=0
  build_clients
  if [[ -n ${FLEETCLOCK_WINDOWS_HOST:-} ]]; then
    exec "$python" "$here/validate.py"
  fi
  deps
  build_all
  windows_down "$lab" 2>/dev/null || true
  windows_up "$lab" win=2016@10.77.0.1 kor=2008r2,ko@10.77.0.2
  FLEETCLOCK_WINDOWS_HOST=10.77.0.1 FLEETCLOCK_WINDOWS_KOREAN=10.77.0.2 FLEETCLOCK_WINDOWS_PASSWORD=$windows_password \
    FLEETCLOCK_WINDOWS_CA="$(windows_home "$lab" win)/ca.pem" FLEETCLOCK_WINDOWS_BASIC=1 FLEETCLOCK_WINDOWS_OPERATOR=operator \
    ip netns exec "$(control_ns "$lab")" "$python" "$here/validate.py" || status=$?
  windows_down "$lab"
  return "$status"
}
