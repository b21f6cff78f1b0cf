# The shape of Red Hat on Debian's files: real dnf and rpm, a local repository, Red Hat's names and paths.

make_rhel() {
  local tree=$1 old
  build_one bullseye
  old=$(base_tree bullseye)
  mmdebstrap --variant=minbase --skip=cleanup/apt \
    --include="$common_packages,doas,dnf,rpm,libcap2,libedit2,libseccomp2,libnss-systemd,tzdata" bookworm "$tree" || return
  chroot "$tree" apt-get -d -y -qq install --no-install-recommends chrony || return
  rhel_repository "$tree" "$old" || return
  rhel_shape "$tree" || return
  prepare_common "$tree" chronyd /etc/chrony.conf
  # chronyd runs as Debian's build of it wants: the user of that name is made by the package.
  sed -i 's|chronyd -F 1 -x|chronyd -F 1 -x -u chrony|' "$tree/etc/systemd/system/chronyd.service.d/lab.conf"
}

# Repacks Debian's programs as RPMs and makes a repository of them in /srv/repo.
rhel_repository() {
  local tree=$1 old=$2 work package
  work=$(mktemp -d)
  mkdir -p "$work"/{chrony,ntp,base,rpms}
  rhel_chrony_files "$tree" "$work/chrony"
  rhel_ntp_files "$old" "$work/ntp"
  for package in base chrony ntp; do
    rpmbuild -bb --quiet --define "_topdir $work/build" --define "_rpmdir $work/rpms" --define "_build_id_links none" \
      --define "payload $work/$package" \
      --define "debug_package %{nil}" --define "__os_install_post %{nil}" --noclean "$here/rhel/$package.spec" || return
  done
  mkdir -p "$tree/srv/repo"
  find "$work/rpms" -name '*.rpm' -exec cp {} "$tree/srv/repo/" \;
  createrepo_c -q "$tree/srv/repo" || return
  rm -rf "$work"
}

rhel_chrony_files() {
  local tree=$1 to=$2
  dpkg -x "$tree"/var/cache/apt/archives/chrony_*.deb "$to/deb"
  install -D "$to/deb/usr/sbin/chronyd" "$to/usr/sbin/chronyd"
  install -D "$to/deb/usr/bin/chronyc" "$to/usr/bin/chronyc"
  install -D -m 644 "$here/rhel/chronyd.service" "$to/usr/lib/systemd/system/chronyd.service"
  install -D -m 644 "$here/rhel/chrony.conf" "$to/etc/chrony.conf"
  mkdir -p "$to/var/lib/chrony" "$to/var/log/chrony"
  rm -rf "$to/deb"
}

# Classic ntpd comes from Debian 11, with the libraries of its time.
rhel_ntp_files() {
  local old=$1 to=$2 package program
  for package in ntp libopts25; do
    dpkg -x "$old"/var/cache/apt/archives/${package}_*.deb "$to/deb"
  done
  install -D "$to/deb/usr/sbin/ntpd" "$to/usr/sbin/ntpd"
  mkdir -p "$to/usr/lib/ntp" "$to/var/lib/ntp"
  install "$to/deb/usr/bin/ntpq" "$to/usr/lib/ntp/ntpq"
  printf '#!/bin/sh\nLD_LIBRARY_PATH=/usr/lib/ntp exec /usr/lib/ntp/ntpq "$@"\n' >"$to/usr/sbin/ntpq"
  chmod 755 "$to/usr/sbin/ntpq"
  for program in libopts.so.25 libcrypto.so.1.1 libssl.so.1.1; do
    find "$to/deb" "$old/usr/lib" -name "$program" -exec cp -L {} "$to/usr/lib/ntp/" \;
  done
  install -D -m 644 "$here/rhel/ntpd.service" "$to/usr/lib/systemd/system/ntpd.service"
  install -D -m 644 "$here/rhel/ntp.conf" "$to/etc/ntp.conf"
  rm -rf "$to/deb"
}

rhel_shape() {
  local tree=$1 tool
  cat >"$tree/usr/lib/os-release" <<'CONF'
NAME="Rocky Linux"
VERSION="9.4 (lab stand-in)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PRETTY_NAME="Rocky Linux 9.4 (lab stand-in)"
CONF
  ln -sf ../usr/lib/os-release "$tree/etc/os-release"
  mkdir -p "$tree/etc/yum.repos.d"
  printf '[lab]\nname=lab\nbaseurl=file:///srv/repo\nenabled=1\ngpgcheck=0\nmetadata_expire=never\n' >"$tree/etc/yum.repos.d/lab.repo"
  ln -sf dnf "$tree/usr/bin/yum"
  chroot "$tree" rpm -i --nodeps /srv/repo/lab-base-9.4-1.noarch.rpm || return
  chroot "$tree" dnf -q makecache || return
  for tool in apt apt-get apt-cache apt-mark dpkg dpkg-query; do
    mv "$tree/usr/bin/$tool" "$tree/usr/bin/lab-hidden-$tool"
  done
}
