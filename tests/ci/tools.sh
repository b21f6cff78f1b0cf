# Programs of others that judge what is here, sourced by their callers: kept in a folder of their own, and fetched once.
cache=${FLEETCLOCK_CI_CACHE:-/var/cache/fleetclock-ci}
mkdir -p "$cache"

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# Makes a thing once: a half made one is not taken for a whole one.
once() {
  local name=$1 make=$2 new
  [[ -e $cache/$name ]] && return
  say "fetching what judges: $name"
  new=$(mktemp -d "$cache/.new-XXXXXX")
  (cd "$new" && "$make")
  mv -T "$new" "$cache/$name" 2>/dev/null || rm -rf "$new"
}

apt_needs() {
  local missing=() pair
  for pair in "$@"; do command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}"); done
  ((${#missing[@]} == 0)) || apt_install "${missing[@]}"
}

apt_install() {
  say "installing $*"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

make_jsonschema() {
  # A Python may be there without what makes such a folder.
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
  # The folder gets another name afterwards, so its programs are started by its Python.
  python3 -m venv .
  bin/python -m pip install -q check-jsonschema==0.39.0
}

# Not installed: that would start a server.
make_promtool() {
  apt-get update -qq
  apt-get download -qq prometheus 2>/dev/null
  dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb
}

promtool() {
  once promtool make_promtool
  "$cache/promtool/usr/bin/promtool" "$@"
}

check_jsonschema() {
  once jsonschema make_jsonschema
  "$cache/jsonschema/bin/python" -m check_jsonschema "$@"
}

make_kubernetes() {
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
  python3 -m venv .
  bin/python -m pip install -q kubernetes-validate==1.37.0
}

kubernetes_validate() {
  once kubernetes make_kubernetes
  "$cache/kubernetes/bin/python" -m kubernetes_validate --strict "$@"
}

make_ansible() {
  python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv
  python3 -m venv .
  bin/python -m pip install -q ansible-core==2.19.14
}

# What Ansible itself makes of an inventory.
ansible_inventory() {
  once ansible make_ansible
  "$cache/ansible/bin/python" -m ansible.cli.inventory "$@"
}
