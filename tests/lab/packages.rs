//! What `./package` makes, installed on hosts that have never seen it, and used there.

mod slow {
    use std::path::{Path, PathBuf};

    use crate::fixture::{Lab, tell};

    /// What each host is, the package that it takes, and how.
    const HOSTS: &[(&str, &str, &str, &str)] = &[
        ("old", "bullseye", ".deb", "apt-get install -y -qq --no-install-recommends /root/fleetclock.deb"),
        ("new", "trixie", ".deb", "apt-get install -y -qq --no-install-recommends /root/fleetclock.deb"),
        ("red", "rhel", ".rpm", "dnf install -y -q /root/fleetclock.rpm"),
        (
            "sus",
            "suse",
            ".rpm",
            "zypper --non-interactive --quiet install --no-recommends --allow-unsigned-rpm /root/fleetclock.rpm",
        ),
        ("any", "focal", ".tar.gz", "tar -C /usr --strip-components=1 -xzf /root/fleetclock.tar.gz"),
    ];

    /// The host itself, as its own isolated master.
    const INVENTORY: &str = "hosts: { me: { role: master, isolated: true, local: true, serve: [10.10.10.0/24], time_address: 10.10.10.9, sets_clock: false } }\n";

    /// What bash offers for `fleetclock ver<Tab>`.
    const TAB: &str = "bash -c '. /usr/share/bash-completion/completions/fleetclock; COMP_WORDS=(fleetclock ver); COMP_CWORD=1; COMP_TYPE=9; _clap_complete_fleetclock fleetclock ver x; echo \"${COMPREPLY[*]}\"'";

    /// Nanoseconds that the fastest of 50 starts takes, with one of `date`; a busy machine makes the others slow.
    const START: &str = "best=999999999; for n in $(seq 50); do
  a=$(date +%s%N); fleetclock --version >/dev/null; b=$(date +%s%N)
  [ $((b - a)) -ge $best ] || best=$((b - a))
done; echo $best";

    #[test]
    #[ignore = "needs root"]
    fn packages_are_installed_and_work_on_clean_hosts() {
        let specs: Vec<String> =
            (1..).zip(HOSTS).map(|(n, (host, kind, ..))| format!("{host}={kind}@10.10.10.{n}")).collect();
        let specs: Vec<&str> = specs.iter().map(String::as_str).collect();
        let lab = Lab::up("packages", &specs, "");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        lab.here(&format!("{}/package --image", root.display()));
        let dist = root.join("target/dist");
        lab.here(&format!("cd {} && sha256sum --quiet --check SHA256SUMS", dist.display()));
        image_works(&lab, &made(&dist, "-image.tar"));
        for (host, kind, end, install) in HOSTS {
            lab.here(&format!("cp {} {}/root/fleetclock{end}", made(&dist, end).display(), lab.root(host).display()));
            lab.sh(host, install);
            is_whole(&lab, host, kind);
            it_works(&lab, host);
        }
        lab.sh("old", "apt-get purge -y -qq fleetclock; ! ls -d /usr/bin/fleetclock /usr/share/doc/fleetclock");
        lab.sh("red", "rpm -V fleetclock && dnf remove -y -q fleetclock; ! ls -d /usr/bin/fleetclock");
    }

    #[track_caller]
    fn image_works(lab: &Lab, image: &Path) {
        let said = lab.said_here(&format!(
            "set -e; box=$(buildah from oci-archive:{}); trap \"buildah rm $box >/dev/null\" EXIT
for words in --version init 'inventory validate'; do buildah run --isolation chroot $box /usr/bin/fleetclock $words 2>&1; done",
            image.display()
        ));
        assert!(said.starts_with("fleetclock ") && said.contains("is written"), "{said}");
    }

    /// The program, its pages and completions are there, and it starts at once and without a library.
    #[track_caller]
    fn is_whole(lab: &Lab, host: &str, kind: &str) {
        let said = lab.sh(host, "fleetclock --version; ! ldd /usr/bin/fleetclock 2>&1 | grep -F '=>'");
        assert!(said.starts_with("fleetclock "), "{kind}: {said}");
        let pages =
            lab.sh(host, "zcat -f /usr/share/man/man1/fleetclock-apply.1* | head -c 300; ls /usr/share/man/man1");
        assert!(pages.contains("fleetclock") && pages.contains("fleetclock-doctor.1"), "{kind}: {pages}");
        assert_eq!(lab.sh(host, TAB), "verify", "{kind}");
        lab.sh(host, "ls /usr/share/zsh/*/_fleetclock /usr/share/fish/vendor_completions.d/fleetclock.fish");
        let start: u64 = lab.sh(host, START).parse().unwrap();
        assert!(start < 10_000_000, "{kind}: a start takes {start} ns");
        tell(&format!(
            "{host}: {} µs from start to end, {} bytes",
            start / 1000,
            lab.sh(host, "stat -c %s /usr/bin/fleetclock")
        ));
    }

    /// On the host, for itself: a whole run, and the probe that is inside the program.
    #[track_caller]
    fn it_works(lab: &Lab, host: &str) {
        std::fs::write(lab.root(host).join("root/fleet.yml"), INVENTORY).unwrap();
        lab.sh(
            host,
            "cd /root && fleetclock inventory validate && fleetclock apply --yes --quiet && fleetclock check --quiet",
        );
        lab.sh(host, "cd /root && mkdir -p out && fleetclock assets export out && fleetclock history show >/dev/null");
        let prober = lab.sh(host, "cd /root && printf 'hosts: { me: { role: slave, local: true, upstream: [10.10.10.9], sets_clock: false } }' >probe.yml; fleetclock -i probe.yml verify --deadline 5s --format json || true");
        assert!(prober.contains("\"static\""), "{host}: {prober}");
        tell(&format!("{host}: installed, applied, checked"));
    }

    #[track_caller]
    fn made(dist: &Path, end: &str) -> PathBuf {
        let files = std::fs::read_dir(dist).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.to_string_lossy().ends_with(end)).unwrap_or_else(|| panic!("no {end}"))
    }
}
