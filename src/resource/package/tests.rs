use super::*;

fn package() -> Package {
    Package { name: "chrony".into(), manager: PackageManager::Apt, patient: true, instead: None, from: None }
}

fn seen(stdout: &str, stderr: &str) -> Slice {
    Slice { stdout: stdout.into(), stderr: stderr.into(), status: 0 }
}

#[test]
fn what_apt_would_remove_is_in_the_plan() {
    let text = "Reading package lists...\nRemv systemd-timesyncd [252.39-1~deb12u1]\nInst chrony (4.3-2+deb12u1 Debian:12.9/stable [amd64])\n";
    let deltas = package().diff(&seen(text, "")).unwrap();
    assert_eq!(deltas[0], Delta::new("package chrony".into(), "installed", None, Some("4.3-2+deb12u1".into())));
    let gone = Delta::new("package systemd-timesyncd".into(), "installed", Some("252.39-1~deb12u1".into()), None);
    assert_eq!(deltas[1], gone);
}

#[test]
fn an_old_apt_is_tried_again_while_another_has_the_lock() {
    let old = Package { patient: false, ..package() };
    for (ends, status, tries) in [
        ("E: Could not get lock /var/lib/dpkg/lock-frontend - open (11)", 0, "3"),
        ("E: Unable to locate package chrony", 100, "1"),
    ] {
        // An apt-get that succeeds at its third try, if it is asked that often.
        let script = format!(
            "set -e\nsleep() {{ :; }}\ncount=$(mktemp)\ntrap 'wc -l <$count | tr -d \" \"; rm $count' EXIT\n\
             apt_get() {{ echo >>$count; [ \"$(wc -l <$count)\" -ge 3 ] || {{ echo '{ends}' >&2; return 100; }}; }}\n{}",
            old.apt("'chrony'").replace("apt-get", "apt_get")
        );
        for shell in ["dash", "bash"] {
            #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
            let output = std::process::Command::new(shell).arg("-c").arg(&script).output().unwrap();
            assert_eq!(output.status.code(), Some(status), "{shell} {ends}: {output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), tries, "{shell} {ends}");
        }
    }
}

#[test]
fn an_installed_package_needs_nothing() {
    assert!(package().diff(&seen("installed\n", "")).unwrap().is_empty());
}

#[test]
fn the_hint_follows_the_cause() {
    for (said, hint) in [
        ("E: Unmet dependencies. Try 'apt --fix-broken install' with no packages", "mend the host's packages"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "mend the host's packages"),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7", "another package manager"),
        ("System management is locked by the application with pid 77 (zypper).", "another package manager"),
        ("E: Release file for http://m/InRelease is not valid yet (invalid for another 3h)", "the host's clock"),
        ("E: Release file for http://m/InRelease is expired (invalid since 3d)", "the host's clock"),
        ("Curl error (60): SSL certificate problem: certificate is not yet valid", "the host's clock"),
        ("W: GPG error: http://m InRelease: NO_PUBKEY 0E98404D386FA1D9", "import the key"),
        ("Error: GPG check FAILED", "import the key"),
        ("E: You don't have enough free space; no space left on device", "free some space"),
        ("Temporary failure resolving 'deb.debian.org'", "does not reach"),
        ("Error: There are no enabled repositories in \"/etc/yum.repos.d\".", "has no package repository"),
        ("There are no enabled repos.", "has no package repository"),
        ("No repositories defined. Use 'zypper addrepo'", "has no package repository"),
        ("E: Unable to locate package chrony", "carry it"),
    ] {
        assert!(way_out(said).contains(hint), "{said}: {}", way_out(said));
    }
}

/// ntp on a system of Red Hat's.
fn red_hat(version: &str) -> Package {
    let facts = Facts { os_version: version.to_owned(), ..crate::facts::assumed::linux("redhat") };
    Package { manager: PackageManager::Dnf, instead: instead("ntp", &facts), name: "ntp".into(), ..package() }
}

#[test]
fn a_package_that_no_repository_has_is_refused_with_those_that_were_seen() {
    for (package, stdout, stderr, text, hint) in [
        (
            red_hat("9.4"),
            "fc-repositories baseos appstream\n",
            "Error: No matching Packages to list\n",
            "package `ntp` cannot be installed with dnf: no repository of this host has it (enabled: baseos appstream)",
            "say `provider: chrony`",
        ),
        (
            red_hat("7.9"),
            "fc-repositories base updates\n",
            "Error: No matching Packages to list\n",
            "package `ntp` cannot be installed with dnf: no repository of this host has it (enabled: base updates)",
            "carry it",
        ),
        (
            red_hat("9.4"),
            "fc-repositories\n",
            "Error: No matching Packages to list\n",
            "package `ntp` cannot be installed with dnf: no repository is enabled on this host",
            "enable one",
        ),
        (
            package(),
            "fc-repositories http://deb.debian.org stable\n",
            "E: Unable to locate package chrony\n",
            "package `chrony` cannot be installed with apt-get: no repository of this host has it (enabled: http://deb.debian.org stable)",
            "carry it",
        ),
        // Another cause is said in the words of the program.
        (
            red_hat("9.4"),
            "fc-repositories baseos\n",
            "Error: Failed to download metadata for repo 'baseos': Cannot download repomd.xml\n",
            "package `ntp` cannot be installed with dnf: Error: Failed to download metadata for repo 'baseos': Cannot download repomd.xml",
            "does not reach",
        ),
        // A repository that cannot be read may be the one that has it, whatever is said at the end.
        (
            red_hat("9.4"),
            "fc-repositories baseos\n",
            "Errors during downloading metadata for repository 'baseos':\n  - Curl error (7): Couldn't connect to server for http://m/repomd.xml\nIgnoring repositories: baseos\nError: No matching Packages to list\n",
            "package `ntp` cannot be installed with dnf: - Curl error (7): Couldn't connect to server for http://m/repomd.xml",
            "does not reach",
        ),
        (
            Package { manager: PackageManager::Yum, ..red_hat("7.9") },
            "fc-repositories base\n",
            "http://m/repodata/repomd.xml: [Errno 14] curl#7 - \"Failed connect to m:80; Connection refused\"\nTrying other mirror.\nError: No matching Packages to list\n",
            "package `ntp` cannot be installed with yum: http://m/repodata/repomd.xml: [Errno 14] curl#7 - \"Failed connect to m:80; Connection refused\"",
            "does not reach",
        ),
        (
            package(),
            "fc-repositories http://m stable\n",
            "E: The repository 'http://m stable Release' is not signed.\nE: Unable to locate package chrony\n",
            "package `chrony` cannot be installed with apt-get: E: The repository 'http://m stable Release' is not signed.",
            "import the key",
        ),
    ] {
        let error = package.diff(&seen(stdout, stderr)).unwrap_err();
        assert_eq!(error.to_string(), text);
        let told = crate::exit::hint(&error).unwrap_or_default();
        assert!(told.contains(hint), "{text}: {told}");
    }
    assert!(instead("chrony", &crate::facts::assumed::linux("redhat")).is_none());
}

/// What programs of each kind print of their repositories, and what is made of it.
#[test]
fn the_repositories_are_named_by_their_ids() {
    let of = |text: &str, tool: &str, printed: &str| {
        let script = format!("{tool}() {{ cat <<'END'\n{printed}\nEND\n}}\n{}", text.replace("@TOOL@", tool));
        let script = script.replace("apt-get", "apt_get");
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let dnf = "repo id                repo name\nappstream              AppStream\nbaseos                 BaseOS";
    assert_eq!(of(DNF_REPOSITORIES, "dnf", dnf), "fc-repositories appstream baseos\n");
    let yum = "Loaded plugins: fastestmirror\n * base: mirror.example\nrepo id                 repo name            status\n\
               !base/7/x86_64          CentOS-7 - Base      10,072\n*epel/x86_64            EPEL                 13,791\nrepolist: 23,863";
    assert_eq!(of(DNF_REPOSITORIES, "yum", yum), "fc-repositories base epel\n");
    assert_eq!(of(DNF_REPOSITORIES, "dnf", "No repositories available"), "fc-repositories\n");
    let zypper = "#  | Alias  | Name | Enabled | GPG Check | Refresh\n---+--------+------+---------+-----------+--------\n\
                  1  | main   | Main | Yes     | (r ) Yes  | Yes\n2  | debug  | Debug | No      | ----      | ----";
    assert_eq!(of(ZYPPER_REPOSITORIES, "zypper", zypper), "fc-repositories main\n");
    let apt = "https://user:hunter2@mirror.example stable\nhttp://deb.debian.org stable\nhttp://deb.debian.org stable";
    assert_eq!(
        of(APT_SOURCES, "apt_get", apt),
        "fc-repositories http://deb.debian.org stable, https://mirror.example stable\n"
    );
}

#[test]
fn an_unknown_package_is_an_error_with_a_hint() {
    let error = package().diff(&seen("", "E: Unable to locate package chrony\n")).unwrap_err();
    assert_eq!(error.to_string(), "package `chrony` cannot be installed with apt-get: no repository has it");
    assert!(crate::exit::hint(&error).is_some());
}

fn pushed(manager: PackageManager) -> Package {
    let folder = Folder::read("tests/packages".as_ref()).unwrap();
    Package { name: "clock".into(), manager, from: Some(Arc::new(folder)), ..package() }
}

const DEBIAN: &str = "arch\tamd64\ninstalled\tall\tadduser\t3.1\t\t, \ninstalled\tamd64\tlibc6\t2.36-9\tlibc6-dev (= 2)\t, \n\
                      installed\tall\tinit-system-helpers\t1.65\t\t, \ninstalled\tall\ttzdata\t2026a\t\t, \n\
                      installed\tamd64\tpython3\t3.11\t\t, \ninstalled\tamd64\tsystemd-timesyncd\t252.39\ttime-daemon\ttime-daemon, \n";

const RED_HAT: &str =
    "arch\tx86_64\nfile\t/bin/sh\t\ntzdata\ttzdata\t2026a-1.el9\nglibc\tlibc.so.6(GLIBC_2.34)(64bit)\t\n";

#[test]
fn what_is_pushed_to_a_host_is_in_the_plan_and_comes_with_its_digest() {
    for (manager, host, delta) in [
        (PackageManager::Apt, DEBIAN, "4.3-2+deb12u1 (gzip.deb, pushed)"),
        (PackageManager::Dnf, RED_HAT, "2:4.5-1.el9 (gzip.rpm, pushed)"),
    ] {
        let package = pushed(manager);
        let deltas = package.diff(&seen(host, "")).unwrap();
        assert_eq!(deltas[0], Delta::new("package clock".into(), "installed", None, Some(delta.into())));
        assert!(package.diff(&seen("installed\n", "")).unwrap().is_empty());
        let fix = package.fix(&seen(host, ""), false).unwrap();
        let [file] = fix.brings.as_slice() else { panic!("{fix:?}") };
        assert!(file.sha256.len() == 64 && fix.change.contains(&file.sha256));
        assert!(package.reviewed(&seen(host, "")).starts_with(&format!("{} {}\n", file.sha256, file.name)));
        for text in [package.probe(), fix.change, fix.undo] {
            for shell in ["dash", "bash"] {
                #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
                let output = std::process::Command::new(shell).args(["-n", "-c", &text]).output().unwrap();
                assert!(output.status.success(), "{shell}: {output:?}\n{text}");
            }
        }
    }
    let deltas = pushed(PackageManager::Apt).diff(&seen(DEBIAN, "")).unwrap();
    let gone = Delta::new("package systemd-timesyncd".into(), "installed", Some("252.39".into()), None);
    assert_eq!(deltas[1..], [gone]);
}

#[test]
fn what_is_missing_for_a_pushed_package_is_refused() {
    for (manager, host, why) in [
        (
            PackageManager::Apt,
            DEBIAN.replace("libc6\t2.36", "libc6\t2.28"),
            "needs `libc6 (>= 2.34)` for clock (it has 2.28-9",
        ),
        (
            PackageManager::Apt,
            DEBIAN.replace("amd64", "arm64"),
            "the host is arm64, and tests/packages has only gzip.deb (amd64)",
        ),
        (
            PackageManager::Zypper,
            RED_HAT.replace("2026a", "2023a"),
            "needs `tzdata (>= 2024)` for clock (it has 2023a-1.el9",
        ),
        (PackageManager::Yum, RED_HAT.replace("file\t/bin/sh\t\n", ""), "needs `/bin/sh` for clock"),
        (
            PackageManager::Dnf,
            format!("{RED_HAT}clock-old\tclock-old\t3-1\n"),
            "gzip.rpm cannot be installed beside `clock-old`",
        ),
        (PackageManager::Dnf, String::new(), "does not say what its packages are built for"),
    ] {
        let error = pushed(manager).diff(&seen(&host, "")).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(crate::exit::hint(&error).is_some(), "{error}");
    }
}
