# Networks: a control namespace for the tool, one for each host, a bridge for each network.
# No route leaves them, so any address may be used, also by several labs at once.

lab_dir() { printf '%s/labs/%s' "$cache" "$1"; }
control_ns() { printf 'fc-%s' "$1"; }
host_ns() { printf 'fc-%s-%s' "$1" "$2"; }
# Names of links are limited to 15 characters.
short() { printf '%s' "$*" | sha256sum | cut -c1-10; }

# The /24 (or /64) of an address, and the control side's own address in it.
network_of() { case $1 in *:*) printf '%s' "${1%::*}" ;; *) printf '%s' "${1%.*}" ;; esac; }
control_address() { case $1 in *:*) printf '%s::fe/64' "$1" ;; *) printf '%s.254/24' "$1" ;; esac; }
with_prefix() { case $1 in */*) printf '%s' "$1" ;; *:*) printf '%s/64' "$1" ;; *) printf '%s/24' "$1" ;; esac; }

control_up() {
  local ns
  ns=$(control_ns "$1")
  ip netns list | grep -qw "^$ns" && return
  ip netns add "$ns"
  ip -n "$ns" link set lo up
}

# The bridge of a network; the control side has an address on it only if the network is its own.
bridge_up() {
  local lab=$1 network=$2 reach=$3 ns bridge
  ns=$(control_ns "$lab")
  bridge=b$(short "$network")
  if ! ip -n "$ns" link show "$bridge" >/dev/null 2>&1; then
    ip -n "$ns" link add "$bridge" type bridge
    ip -n "$ns" link set "$bridge" up
  fi
  if [[ $reach == yes ]]; then
    control_join "$ns" "$network" "$bridge"
  fi
  printf '%s' "$bridge"
}

# Duplicate address detection would keep a fresh IPv6 address from being used for a second.
control_join() {
  local -a nodad=()
  [[ $2 == *:* ]] && nodad=(nodad)
  ip -n "$1" addr replace "$(control_address "$2")" dev "$3" "${nodad[@]}"
}

# ADDRESS[,ADDRESS]+ADDRESS: commas share a link, plus signs are further networks, the first is the control side's.
host_network() {
  local lab=$1 host=$2 spec=$3 ns index=0 link address bridge network reach
  ns=$(host_ns "$lab" "$host")
  ip netns add "$ns"
  ip -n "$ns" link set lo up
  local -a links
  IFS=+ read -ra links <<<"$spec"
  for link in "${links[@]}"; do
    local -a addresses
    IFS=, read -ra addresses <<<"$link"
    local outer
    outer=v$(short "$lab $host $index")
    bridge=
    for address in "${addresses[@]}"; do
      network=$(network_of "$address")
      reach=no
      is_control_network "$lab" "$network" && reach=yes
      if [[ -z $bridge ]]; then
        bridge=$(bridge_up "$lab" "$network" "$reach")
      elif [[ $reach == yes ]]; then
        control_join "$(control_ns "$lab")" "$network" "$bridge"
      fi
    done
    ip -n "$(control_ns "$lab")" link add "$outer" type veth peer name "host$index" netns "$ns"
    ip -n "$(control_ns "$lab")" link set "$outer" master "$bridge" up
    for address in "${addresses[@]}"; do
      local -a nodad=()
      [[ $address == *:* ]] && nodad=(nodad)
      ip -n "$ns" addr add "$(with_prefix "$address")" dev "host$index" "${nodad[@]}"
    done
    ip -n "$ns" link set "host$index" up
    index=$((index + 1))
  done
}

# The control side is on the networks of the first host's first link.
is_control_network() {
  local file
  file=$(lab_dir "$1")/control-networks
  grep -qxF "$2" "$file"
}

remember_control_networks() {
  local dir=$1 spec=$2 address file=$1/control-networks
  [[ -e $file ]] && return
  local -a addresses
  IFS=, read -ra addresses <<<"${spec%%+*}"
  for address in "${addresses[@]}"; do network_of "$address"; echo; done >"$file"
  : "$dir"
}

network_down() {
  local lab=$1 ns
  for ns in $(ip netns list | awk '{print $1}' | grep -E "^fc-$lab(-|$)" || true); do
    # What was started in it would outlive it.
    ip netns pids "$ns" | xargs -r kill -KILL 2>/dev/null || true
    ip netns del "$ns"
  done
}
