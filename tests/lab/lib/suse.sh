# The shape of SUSE on Debian's files: real zypper and rpm, a local repository, SUSE's names and paths.

make_suse() {
  local tree=$1 old
  build_one bullseye
  old=$(base_tree bullseye)
  mmdebstrap --variant=minbase --skip=cleanup/apt \
    --include="$common_packages,doas,zypper,rpm,libcap2,libedit2,libseccomp2,libnss-systemd,tzdata" bookworm "$tree" || return
  chroot "$tree" apt-get -d -y -qq install --no-install-recommends chrony || return
  suse_repository "$tree" "$old" || return
  suse_shape "$tree" || return
  prepare_common "$tree" chronyd /etc/chrony.conf
  sed -i 's|chronyd -F 1 -x|chronyd -F 1 -x -u chrony|' "$tree/etc/systemd/system/chronyd.service.d/lab.conf"
}

# Repacks Debian's programs as RPMs and makes a repository of them in /srv/repo.
suse_repository() {
  local tree=$1 old=$2 work package
  work=$(mktemp -d)
  mkdir -p "$work"/{chrony,ntp,base}
  rhel_chrony_files "$tree" "$work/chrony"
  install -m 640 "$here/suse/chrony.conf" "$work/chrony/etc/chrony.conf"
  mkdir -p "$work/chrony/etc/chrony.d"
  printf 'pool 2.opensuse.pool.ntp.org iburst\n' >"$work/chrony/etc/chrony.d/pool.conf"
  rhel_ntp_files "$old" "$work/ntp"
  mkdir -p "$work/ntp/var/lib/ntp/drift"
  for package in base chrony ntp; do
    rpmbuild -bb --quiet --define "_topdir $work/build" --define "_rpmdir $work/rpms" --define "_build_id_links none" \
      --define "payload $work/$package" \
      --define "debug_package %{nil}" --define "__os_install_post %{nil}" --noclean "$here/suse/$package.spec" || return
  done
  mkdir -p "$tree/srv/repo"
  find "$work/rpms" -name '*.rpm' -exec cp {} "$tree/srv/repo/" \;
  createrepo_c -q "$tree/srv/repo" || return
  rm -rf "$work"
}

suse_shape() {
  local tree=$1 tool
  cat >"$tree/usr/lib/os-release" <<'CONF'
NAME="openSUSE Leap"
VERSION="15.6 (lab stand-in)"
ID="opensuse-leap"
ID_LIKE="suse opensuse"
VERSION_ID="15.6"
PRETTY_NAME="openSUSE Leap 15.6 (lab stand-in)"
CONF
  ln -sf ../usr/lib/os-release "$tree/etc/os-release"
  mkdir -p "$tree/etc/zypp/repos.d"
  printf '[lab]\nname=lab\nbaseurl=file:///srv/repo\ntype=rpm-md\nenabled=1\nautorefresh=1\ngpgcheck=0\n' >"$tree/etc/zypp/repos.d/lab.repo"
  # Debian's rpm keeps its database in the home of its user, zypper's in the system's place.
  mkdir -p "$tree/etc/rpm"
  printf '%%_dbpath /var/lib/rpm\n' >"$tree/etc/rpm/macros"
  chroot "$tree" rpm -i --nodeps /srv/repo/lab-base-15.6-1.noarch.rpm || return
  chroot "$tree" zypper -n -q refresh || return
  for tool in apt apt-get apt-cache apt-mark dpkg dpkg-query; do
    mv "$tree/usr/bin/$tool" "$tree/usr/bin/lab-hidden-$tool"
  done
}
