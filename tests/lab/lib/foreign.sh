# Programs of the control side that only rare tests need: Debian's packages, unpacked into the cache and not
# installed. A Kerberos (its server and `kinit`), the authenticator in software of OpenSSH's own tests, a Slurm and
# GNU parallel.

foreign_dir() { printf '%s/foreign' "$cache"; }

# Prints the folder, which looks like a root.
lab_foreign() {
  local dir packages debs
  dir=$(foreign_dir)
  exec 9>"$cache/foreign.lock"
  flock 9
  if [[ ! -e $dir/all ]]; then
    say "unpacking Kerberos, the tests of OpenSSH, Slurm and GNU parallel (once)"
    rm -rf "$dir"
    mkdir -p "$dir/debs"
    debs=$dir/debs
    mapfile -t packages < <(kerberos_packages)
    # `set -e` does not hold within $(...).
    ((${#packages[@]})) || die "apt knows no Kerberos (apt-get update)"
    (cd "$debs" && apt-get download -qq -o APT::Sandbox::User=root openssh-tests slurmctld slurmd slurm-client \
      slurm-wlm-basic-plugins libhwloc15 parallel "${packages[@]}" >/dev/null) || die "they could not be fetched"
    for package in "$debs"/*.deb; do dpkg -x "$package" "$dir" || die "$package could not be unpacked"; done
    rm -rf "$debs" && touch "$dir/all"
  fi
  printf '%s\n' "$dir"
}

# Kerberos and its own libraries.
kerberos_packages() {
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    krb5-kdc krb5-admin-server krb5-user | grep -E '^(krb5-(kdc|admin-server|user)|lib(kdb5|kadm5|gssrpc4|gssapi-krb5|krb5|k5crypto|verto-libev|verto1|ev4).*)$' | sort -u
}

# A realm LAB.TEST whose server runs in the control side's namespace, at an address; a ticket for root.
# PRINCIPAL is that of a host, whose keytab is written into the lab's folder.
lab_realm() {
  local lab=$1 address=$2 principal=$3 root dir
  root=$(lab_foreign)
  dir=$(lab_dir "$lab")/realm
  mkdir -p "$dir"
  export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf
  cat >"$dir/krb5.conf" <<CONF
[libdefaults]
 default_realm = LAB.TEST
 dns_canonicalize_hostname = false
 dns_lookup_kdc = false
 rdns = false
[realms]
 LAB.TEST = {
  kdc = $address
 }
[dbmodules]
 db_module_dir = $root/usr/lib/x86_64-linux-gnu/krb5/plugins/kdb
CONF
  cat >"$dir/kdc.conf" <<CONF
[realms]
 LAB.TEST = {
  database_name = $dir/principal
  key_stash_file = $dir/stash
  kdc_listen = $address
  kdc_tcp_listen = $address
 }
CONF
  "$root/usr/sbin/kdb5_util" create -s -r LAB.TEST -P master >/dev/null
  "$root/usr/sbin/kadmin.local" -q "addprinc -pw root-ticket root" >/dev/null 2>&1
  "$root/usr/sbin/kadmin.local" -q "addprinc -randkey $principal" >/dev/null 2>&1
  "$root/usr/sbin/kadmin.local" -q "ktadd -k $dir/keytab $principal" >/dev/null
  ip netns exec "$(control_ns "$lab")" "$root/usr/sbin/krb5kdc" -r LAB.TEST
  ip netns exec "$(control_ns "$lab")" "$root/usr/bin/kinit" -c "$dir/tickets" root <<<root-ticket >/dev/null
}
