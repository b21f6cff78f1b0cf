# Systems of another age: a layer over a tree of today, with wrappers in front of its programs that refuse
# what they did not know then. `tests/lab/ages/` has the rules, and from which change log each is.

# The tree below a layer; nothing for a tree that stands alone.
below() { case $1 in el7) echo rhel ;; focal) echo bookworm ;; esac; }

# All folders of a kind, the uppermost first, as overlayfs wants them.
lower_of() {
  local under
  under=$(below "$1")
  printf '%s%s' "$(base_tree "$1")" "${under:+:$(base_tree "$under")}"
}

make_el7() { make_layer "$1" el7 rhel; }
make_focal() { make_layer "$1" focal bookworm; }

make_layer() {
  local tree=$1 shape=$2 under=$3 work root done=0
  build_one "$under"
  work=$(mktemp -d "$cache/base/.layer.XXXXXX") root=$work/root
  mkdir -p "$tree" "$work/work" "$root"
  mount -t overlay overlay -o "lowerdir=$(base_tree "$under"),upperdir=$tree,workdir=$work/work" "$root" || return
  { "shape_$shape" "$root" && age "$root" "$shape"; } || done=1
  umount "$root"
  rm -rf "$work"
  return $done
}

# Puts the wrappers in their places: before what is there, and in /usr/local for what is installed later.
age() {
  local root=$1 shape=$2 lab=$1/usr/libexec/lab program version said name place
  mkdir -p "$lab"/rules "$lab"/real "$lab"/version
  install -m 755 "$here/ages/wrapper" "$lab/wrapper"
  while IFS=$'\t' read -r _ program version said; do
    [[ -z $said ]] || printf '%s\n' "${said#*=}" >"$lab/version/${said%%=*}"
    awk -F'\t' -v OFS='\t' -v p="$program" -v v="$version" -v lab="$lab/rules/" '
      function old(is, since,  a, b, i, n, m) {
        gsub(/[^0-9]+/, ".", is); gsub(/[^0-9]+/, ".", since)
        n = split(is, a, "."); m = split(since, b, ".")
        for (i = 1; i <= n || i <= m; i++) if (a[i] + 0 != b[i] + 0) return a[i] + 0 < b[i] + 0
        return 0
      }
      /^#/ || $2 != p || !old(v, $3) { next }
      { print $4, $5, $6 >>(lab $1) }' "$here/ages/rules.txt"
  done < <(grep "^$shape	" "$here/ages/shapes.txt")
  for name in $(cd "$lab" && ls rules version | grep -v : | sort -u); do
    : >>"$lab/rules/$name"
    place=$(chroot "$root" sh -c "command -v $name" || true)
    case $place in
    "") install -m 755 "$here/ages/wrapper" "$root/usr/local/sbin/$name" ;;
    */bash) install -m 755 "$here/ages/wrapper" "$root/usr/local/bin/$name" ;;
    */sudo) mv "$root/usr/bin/sudo" "$lab/real/sudo" && install -m 755 "$here/ages/wrapper" "$root/usr/bin/sudo" ;;
    *)
      place=$(chroot "$root" readlink -f "$place")
      mv "$root$place" "$lab/real/$name"
      install -m 755 "$here/ages/wrapper" "$root$place"
      ;;
    esac
  done
  # The other names of systemctl lead to what stands in front of it now.
  for name in halt poweroff reboot runlevel shutdown telinit; do ln -s systemctl "$lab/real/$name"; done
  # The unit starts what stands in front, too.
  sed -i 's|/usr/sbin/chronyd|/usr/local/sbin/chronyd|' "$root"/etc/systemd/system/chron*.service.d/lab.conf
}

shape_el7() {
  local root=$1
  cat >"$root/usr/lib/os-release" <<'CONF'
NAME="CentOS Linux"
VERSION="7 (Core)"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="7"
PRETTY_NAME="CentOS Linux 7 (Core)"
CONF
  # yum 3 stands alone: its own words, and no dnf.
  rm -f "$root/usr/bin/yum"
  mkdir -p "$root/usr/libexec/lab/real"
  rm "$root/usr/bin/dnf"
  ln -s /usr/bin/dnf-3 "$root/usr/libexec/lab/real/dnf"
  install -m 755 "$here/ages/yum" "$root/usr/bin/yum"
  # ntpd, too, has a wrapper in front; util-linux 2.23 has no setpriv.
  mkdir -p "$root/etc/systemd/system/ntpd.service.d"
  printf '[Service]\nExecStart=\nExecStart=/usr/local/sbin/ntpd -u ntp:ntp -g -p /run/ntpd.pid -c /etc/ntp.conf\n' \
    >"$root/etc/systemd/system/ntpd.service.d/lab.conf"
  mv "$root/usr/bin/setpriv" "$root/usr/libexec/lab/real/setpriv"
}

shape_focal() {
  local root=$1
  cat >"$root/usr/lib/os-release" <<'CONF'
NAME="Ubuntu"
VERSION="20.04.6 LTS (Focal Fossa)"
ID=ubuntu
ID_LIKE=debian
VERSION_ID="20.04"
PRETTY_NAME="Ubuntu 20.04.6 LTS"
CONF
  DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq --no-install-recommends ufw || return
  ln -sf /dev/null "$root/etc/systemd/system/firewalld.service"
}
