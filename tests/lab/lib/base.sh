# The base trees: one for each kind of host, made once and cached.
# The key of a tree is the text of its recipe, so that a changed recipe makes a new tree.

common_packages=systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,iputils-ping,procps,netbase,firewalld,nftables,libpam-systemd,python3

base_tree() { printf '%s/base/%s-%s' "$cache" "$1" "$(recipe_key "$1")"; }

recipe_key() { { declare -f make_debian rhel_repository rhel_chrony_files rhel_ntp_files rhel_shape prepare_common prepare_users prepare_clock "make_$1" 2>/dev/null; cat "$here"/rhel/* 2>/dev/null; [[ $1 != suse ]] || { declare -f suse_repository suse_shape; cat "$here"/suse/*; }; [[ -z $(below "$1") ]] || { recipe_key "$(below "$1")"; declare -f make_layer age "shape_$1"; cat "$here"/ages/*; }; printf '%s' "$1 $common_packages"; } | sha256sum | cut -c1-12; }

build_all() {
  local kind
  for kind in "$@"; do build_one "$kind"; done
}

build_one() {
  local kind=$1 tree started=$SECONDS
  case $kind in bookworm | bullseye | trixie | rhel | suse | el7 | focal | vm) ;; *) die "no kind '$kind' (bookworm bullseye trixie rhel suse el7 focal vm)" ;; esac
  tree=$(base_tree "$kind")
  [[ -d $tree ]] && { touch "$tree"; return 0; }
  mkdir -p "$cache/base"
  exec 9>"$cache/base/$kind.lock"
  flock 9
  [[ -d $tree ]] && { exec 9>&-; return 0; }
  say "building the $kind tree (about a minute, once)"
  rm -rf "$tree.new"
  remove_old_trees "$kind"
  if ! "make_$kind" "$tree.new" >"$cache/base/$kind.log" 2>&1; then
    tail -20 "$cache/base/$kind.log" >&2
    rm -rf "$tree.new"
    die "the $kind tree could not be built ($cache/base/$kind.log)"
  fi
  mv "$tree.new" "$tree"
  exec 9>&-
  say "built $kind in $((SECONDS - started)) s"
}

# Trees of older recipes go, but for those that another work tree was using lately, or has labs on.
remove_old_trees() {
  local tree
  while read -r tree; do
    grep -qF "lowerdir=$tree" /proc/mounts || rm -rf "$tree"
  done < <(find "$cache/base" -maxdepth 1 -type d -name "$1-*" -mtime +2)
}

make_bookworm() { make_debian "$1" bookworm doas chrony ntpsec openntpd iptables iptables-persistent ufw cloud-init; }
make_trixie() { make_debian "$1" trixie opendoas chrony ntpsec openntpd; }
make_bullseye() { make_debian "$1" bullseye doas chrony ntp openntpd; }

# A Debian server as people have it: systemd-timesyncd runs, the time packages are only in apt's cache.
make_debian() {
  local tree=$1 suite=$2 doas=$3 package
  shift 3
  mmdebstrap --variant=minbase --skip=cleanup/apt --include="$common_packages,$doas,systemd-timesyncd,python3-apt" "$suite" "$tree"
  # A package that goes when another comes must be there to be put back.
  chroot "$tree" apt-get -d -y -qq --reinstall install systemd-timesyncd || return
  for package in "$@"; do
    # Each in a call of its own: they conflict with one another.
    chroot "$tree" apt-get -d -y -qq install --no-install-recommends "$package" || return
  done
  rm -f "$tree"/etc/apt/apt.conf.d/99mmdebstrap
  prepare_common "$tree" chrony /etc/chrony/chrony.conf
}

# `prepare_common TREE UNIT CONFIG`: the unit and the file of its chrony.
prepare_common() {
  local tree=$1 unit
  prepare_users "$tree"
  prepare_clock "$@"
  for unit in systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    man-db.timer dpkg-db-backup.timer fstrim.timer systemd-resolved.service console-getty.service getty@.service \
    systemd-logind-varlink.socket; do
    ln -sf /dev/null "$tree/etc/systemd/system/$unit"
  done
  rm -f "$tree"/etc/ssh/ssh_host_*
  cat >"$tree/etc/ssh/sshd_config" <<'CONF'
PermitRootLogin prohibit-password
PasswordAuthentication yes
KbdInteractiveAuthentication yes
UsePAM yes
UseDNS no
HostKey /etc/ssh/ssh_host_ed25519_key
HostKey /etc/ssh/ssh_host_rsa_key
Subsystem sftp /usr/lib/openssh/sftp-server
CONF
  # A login that comes while the user's manager of the last one is still stopping waits for it.
  mkdir -p "$tree/etc/systemd/logind.conf.d"
  printf '[Login]\nUserStopDelaySec=infinity\n' >"$tree/etc/systemd/logind.conf.d/lab.conf"
  printf 'LANG=C.UTF-8\n' >"$tree/etc/default/locale"
  rm -f "$tree/etc/resolv.conf" "$tree/etc/machine-id"
  : >"$tree/etc/machine-id"
}

# ops: sudo without a password; admin: with; nosudo: none; dora and paula: doas without and with.
prepare_users() {
  local tree=$1 user
  for user in ops admin nosudo dora paula; do
    chroot "$tree" useradd -m -s /bin/bash "$user"
    printf '%s:%s-password\n' "$user" "$user" | chroot "$tree" chpasswd
  done
  printf 'ops ALL=(ALL) NOPASSWD:ALL\nadmin ALL=(ALL) ALL\n' >"$tree/etc/sudoers.d/lab"
  chmod 0440 "$tree/etc/sudoers.d/lab"
  printf 'permit nopass dora\npermit paula\n' >"$tree/etc/doas.conf"
  chmod 0600 "$tree/etc/doas.conf"
}

# The clock belongs to the machine: the daemons may believe that they set it, and chronyd is told not to. One
# drop-in for the unit that the system's package has: one for its other name would rule it, too.
prepare_clock() {
  local tree=$1 unit=$2 config=$3
  mkdir -p "$tree/etc/systemd/system/$unit.service.d"
  cat >"$tree/etc/systemd/system/$unit.service.d/lab.conf" <<CONF
[Service]
ExecStart=
ExecStart=!/usr/sbin/chronyd -F 1 -x -f $config
CONF
  # timesyncd refuses to run in a container; a real server has it running.
  mkdir -p "$tree/etc/systemd/system/systemd-timesyncd.service.d"
  printf '[Unit]\nConditionVirtualization=\n' >"$tree/etc/systemd/system/systemd-timesyncd.service.d/lab.conf"
}
