# What hosts are made of: programs for Windows, a base prefix, a registry for each seed, the server.

wine_cache() { printf '%s/wine' "$cache"; }
wine=/usr/lib/wine/wine64
wineserver=/usr/lib/wine/wineserver64

# Programs that take the place of Wine's own; the others are new.
replaced=(eventcreate findstr net netsh powershell sc schtasks w32tm)
added=(absent boot runner w32time)
# Stubs of Wine that say nothing and succeed: absent.exe takes their place and fails.
stubs=(arp cacls certutil dism icacls netstat secedit setx shutdown systeminfo tasklist wevtutil where)
common=(clock discipline firewall inquire ntp registry service text)

deps() {
  local missing=()
  [[ -x $wine ]] || missing+=(wine64)
  command -v x86_64-w64-mingw32-gcc >/dev/null || missing+=(gcc-mingw-w64-x86-64)
  python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
  command -v ip >/dev/null || missing+=(iproute2)
  ((${#missing[@]})) || return 0
  say "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build_all() {
  mkdir -p "$(wine_cache)"
  locked build_programs
  locked build_base
  build_server
}

# Several tests may start at once; the first builds, the others find it done.
locked() {
  (
    flock 9
    "$@"
  ) 9>"$(wine_cache)/lock"
}

# Foreign clients of the protocol, in an environment of their own.
build_clients() {
  local venv=$cache/wine/python
  [[ -e $venv/complete ]] && return
  say "installing pywinrm and pypsrp"
  mkdir -p "$cache/wine"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check pywinrm==0.5.0 pypsrp==0.9.1
  touch "$venv/complete"
}

# Wine runs without rights to the clock: the machine's is never set. And at addresses that are not
# random: Wine needs the one at which Windows has its shared data, and of 12000 processes one had
# something else there and died before it began.
confined=(setarch -R setpriv --bounding-set=-sys_time --inh-caps=-sys_time)

in_prefix() {
  local prefix=$1
  shift
  "${confined[@]}" env -i PATH=/usr/bin:/bin HOME=/root WINEPREFIX="$prefix" WINEDEBUG=-all WINEARCH=win64 \
    LC_ALL="${locale:-en_US.UTF-8}" "$@" 9>&-
}

build_programs() {
  local out program
  local -a shared=("${common[@]/#/$here/wine/}")
  out=$(wine_cache)/programs
  mkdir -p "$out"
  [[ -e $out/stamp && -z $(find "$here/wine" -newer "$out/stamp" -type f) ]] && return
  say "building the programs for Windows"
  for program in "${replaced[@]}" "${added[@]}"; do
    x86_64-w64-mingw32-gcc -std=c11 -O1 -s -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
      -o "$out/$program.exe" "$here/wine/$program.c" "${shared[@]/%/.c}" -lws2_32 -liphlpapi -ladvapi32 -lshell32 -lcrypt32
  done
  touch "$out/stamp"
}

build_base() {
  local base
  base=$(wine_cache)/base
  if [[ ! -e $base/complete ]]; then
    say "making the base prefix (ten seconds)"
    rm -rf "$base"
    mkdir -p "$base"
    in_prefix "$base" "$wine" wineboot -i >/dev/null 2>&1
    in_prefix "$base" "$wineserver" -k -w || true
    mkdir -p "$base/drive_c/fc"
    touch "$base/complete"
  fi
  install_programs "$base"
}

install_programs() {
  local system=$1/drive_c/windows/system32 from program
  from=$(wine_cache)/programs
  [[ -e $1/installed && ! $from/stamp -nt $1/installed ]] && return
  # A new file in place of the old one: a running host keeps what it has.
  for program in eventcreate findstr net netsh sc schtasks w32tm; do install -m 755 "$from/$program.exe" "$system/$program.exe"; done
  for program in "${stubs[@]}"; do install -m 755 "$from/absent.exe" "$system/$program.exe"; done
  install -m 755 "$from/powershell.exe" "$system/WindowsPowerShell/v1.0/powershell.exe"
  install -m 755 "$from/w32time.exe" "$system/fcw32time.exe"
  for program in boot runner; do install -m 755 "$from/$program.exe" "$1/drive_c/fc/$program.exe"; done
  cp -p "$from/stamp" "$1/installed"
}

# The files of a seed like `2016-member,ko`, in the order in which they are imported.
seed_files() {
  local name=${1%%,*} role=workgroup
  case $name in *-member) role=member ;; *-dc) role=dc ;; esac
  local -a parts=(w32time firewall "${name%%-*}" "$role")
  [[ $1 == *,ko ]] && parts+=(korean)
  local part
  for part in "${parts[@]}"; do
    [[ -e $here/seeds/$part.reg ]] || die "no seed $1: no $part.reg in tests/winrm/seeds"
    printf '%s\n' "$here/seeds/$part.reg"
  done
}

seed_locale() { case $1 in *,ko) echo ko_KR.UTF-8 ;; *) echo en_US.UTF-8 ;; esac; }

# Wine prefers its own programs unless it is told otherwise.
overrides() {
  printf 'Windows Registry Editor Version 5.00\n\n[HKEY_CURRENT_USER\\Software\\Wine\\DllOverrides]\n'
  printf '"%s.exe"="native"\n' "${replaced[@]}" "${stubs[@]}"
}

# The folder of a seed's registry.
seed_folder() {
  local stamp
  stamp=$({ overrides; seed_files "$1" | xargs cat; } | sha256sum | cut -c1-16)
  printf '%s/seeds/%s-%s' "$(wine_cache)" "$1" "$stamp"
}

# The registry of a seed, imported once.
build_seed() {
  local seed=$1 files out base file locale
  base=$(wine_cache)/base
  locale=$(seed_locale "$seed")
  files=$(seed_files "$seed")
  out=$(seed_folder "$seed")
  if [[ ! -e $out/complete ]]; then
    say "making the registry of $seed"
    rm -rf "$out"
    mkdir -p "$out/dosdevices"
    cp "$base"/*.reg "$base/.update-timestamp" "$out/"
    ln -s "$base/drive_c" "$out/drive_c"
    ln -s ../drive_c "$out/dosdevices/c:"
    ln -s / "$out/dosdevices/z:"
    overrides >"$out/overrides.reg"
    while read -r file; do
      import_registry "$out" "$file" || die "cannot import $file"
    done <<<"$files"$'\n'"$out/overrides.reg"
    in_prefix "$out" "$wineserver" -k -w || true
    rm -f "$out/overrides.reg" "$out/import.reg"
    touch "$out/complete"
  fi
}

# Wine reads a file as Windows does only if it is UTF-16, as regedit writes it.
import_registry() {
  { printf '\xff\xfe'; iconv -f UTF-8 -t UTF-16LE "$2"; } >"$1/import.reg"
  in_prefix "$1" "$wine" reg import "Z:${1//\//\\}\\import.reg" >/dev/null 2>&1 </dev/null
}

server_binary() { printf '%s/debug/winrm-standin' "${CARGO_TARGET_DIR:-$root/target}"; }

build_server() {
  (cd "$root" && cargo build --quiet --ignore-rust-version -p winrm-standin)
}
