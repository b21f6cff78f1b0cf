use std::path::Path;

use proptest::prelude::*;

use super::*;

const FOLDER: &str = "tests/packages";

#[test]
fn files_are_read_whatever_they_are_packed_with() {
    let folder = Folder::read(Path::new(FOLDER)).unwrap();
    assert!(folder.damaged.is_empty(), "{:?}", folder.damaged);
    let names: Vec<&str> = folder.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["gzip.deb", "gzip.rpm", "xz.deb", "xz.rpm", "zstd.deb", "zstd.rpm"]);
    for file in &folder.files {
        let header = &file.header;
        let (version, arch) = match file.format {
            Format::Deb => ("4.3-2+deb12u1", "amd64"),
            Format::Rpm => ("2:4.5-1.el9", "x86_64"),
        };
        assert_eq!((header.name.as_str(), header.version.as_str(), header.arch.as_str()), ("clock", version, arch));
        let needs: Vec<String> = header
            .needs
            .iter()
            .map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "))
            .collect();
        let conflicts: Vec<String> = header.conflicts.iter().map(ToString::to_string).collect();
        assert!(header.offers.contains(&Offer { name: "clock-api".to_owned(), version: Some("2".to_owned()) }));
        match file.format {
            Format::Deb => {
                assert_eq!(
                    needs,
                    [
                        "init-system-helpers (>= 1.54~)",
                        "adduser",
                        "libc6 (>= 2.34)",
                        "tzdata | tzdata-legacy",
                        "python3"
                    ]
                );
                assert_eq!(conflicts, ["time-daemon", "network-manager (< 1.20.0-1~)"]);
            }
            Format::Rpm => {
                assert_eq!(needs, ["/bin/sh", "libc.so.6(GLIBC_2.34)(64bit)", "tzdata (>= 2024)"]);
                assert_eq!(conflicts, ["ntp (< 4.2)"]);
                assert_eq!(header.replaces[0].to_string(), "clock-old (< 4)");
                assert!(header.offers.iter().any(|offer| offer.name == "/usr/share/fc/text"));
            }
        }
    }
}

fn read(name: &str, bytes: &[u8]) -> Result<Header, String> {
    if name.ends_with(".deb") { deb::read(bytes) } else { rpm::read(bytes) }
}

#[test]
fn a_damaged_file_is_told_from_a_whole_one() {
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let path = entry.unwrap().path();
        let (name, bytes) = (path.display().to_string(), std::fs::read(&path).unwrap());
        let whole = read(&name, &bytes).unwrap();
        for length in (0..bytes.len() - 8).step_by(7) {
            assert!(read(&name, &bytes[..length]).is_err(), "{name} cut off at {length}");
        }
        // The last bytes are the content and its checksum.
        for at in bytes.len() - 60..bytes.len() - 30 {
            let mut other = bytes.clone();
            other[at] ^= 0x10;
            assert!(read(&name, &other).is_err(), "{name} with another byte at {at}");
        }
        // Nowhere does another byte end the program.
        for at in (0..bytes.len()).step_by(3) {
            let mut other = bytes.clone();
            other[at] ^= 0xff;
            let _ = read(&name, &other);
        }
        assert_eq!(whole.name, "clock");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(bytes: Vec<u8>) {
        for start in [&b"!<arch>\n"[..], &[0xed, 0xab, 0xee, 0xdb], &[]] {
            let bytes = [start, &bytes].concat();
            prop_assert!(deb::read(&bytes).is_err() && rpm::read(&bytes).is_err());
        }
    }
}

/// A folder of files with these `control` files, `/` between them, fields by `;`.
fn folder(controls: &str) -> Folder {
    let file = |control: &str| {
        let control = control.trim().replace("; ", "\n");
        let header = deb::header(&format!("{control}\nArchitecture: amd64")).unwrap();
        let name = format!("{}_{}.deb", header.name, header.version);
        File { name, format: Format::Deb, size: 1, sha256: String::new(), header }
    };
    Folder { path: "/p".into(), files: controls.split(" / ").map(file).collect(), damaged: Vec::new() }
}

/// `NAME VERSION [PROVIDES]`, by `;`.
fn host(installed: &str) -> Host {
    let one = |text: &str| {
        let words: Vec<&str> = text.split(' ').collect();
        Installed {
            name: words[0].into(),
            version: words[1].into(),
            offers: Offer::list(words.get(2).unwrap_or(&"")),
            conflicts: Vec::new(),
        }
    };
    Host { arch: "amd64".into(), installed: installed.split("; ").filter(|text| !text.is_empty()).map(one).collect() }
}

const CHRONY: &str = "Package: chrony; Version: 4.3-2; Depends: libedit2 (>= 3.1), ucf | cdebconf; Conflicts: time-daemon; Provides: time-daemon; Replaces: time-daemon";

/// What is in the folder, what the host has, and the files that it needs with what goes, or why not.
const CASES: &[(&str, &str, &str)] = &[
    ("", "libedit2 3.1-2; ucf 3", "chrony_4.3-2.deb"),
    ("", "libedit2 3.1-2; cdebconf 1; systemd-timesyncd 252 time-daemon", "chrony_4.3-2.deb -systemd-timesyncd"),
    ("Package: libedit2; Version: 3.1-3; Depends: libc6", "ucf 3; libc6 2.36", "chrony_4.3-2.deb libedit2_3.1-3.deb"),
    // What needs each other, and what one of them brings.
    (
        "Package: libedit2; Version: 3.1-3; Depends: chrony, ucf; Provides: cdebconf",
        "libc6 2; ucf 1",
        "chrony_4.3-2.deb libedit2_3.1-3.deb",
    ),
    ("Package: libedit2; Version: 3.1-3; Provides: ucf", "", "chrony_4.3-2.deb libedit2_3.1-3.deb"),
    ("", "ucf 3", "chrony_4.3-2.deb needs `libedit2 (>= 3.1)` for chrony, and neither the host nor /p has it"),
    ("", "", "needs `libedit2 (>= 3.1)` for chrony and `ucf` or `cdebconf` for chrony, and neither"),
    (
        "Package: libedit2; Version: 3.1-3",
        "ucf 3; libedit2 2.11",
        "for chrony (it has 2.11, and what is there is not upgraded)",
    ),
    ("Package: libedit2; Version: 3.1-3; Depends: libbsd0", "ucf 3", "needs `libbsd0` for libedit2"),
    // The newest that can be there.
    (
        "Package: chrony; Version: 4.6-1; Depends: libc6 (>= 2.40)",
        "ucf 3; libedit2 3.1; libc6 2.36",
        "chrony_4.3-2.deb",
    ),
    ("Package: chrony; Version: 4.6-1; Depends: libc6 (>= 2.40)", "libc6 2.41", "chrony_4.6-1.deb"),
    ("Package: chrony; Version: 4.6-1; Architecture: arm64", "ucf 3; libedit2 3.1", "chrony_4.3-2.deb"),
    // Beside which it cannot be.
    (
        "Package: chrony; Version: 9; Conflicts: ntp",
        "ntp 1",
        "chrony_9.deb cannot be installed beside `ntp`, which the host has",
    ),
];

#[test]
fn what_a_host_has_not_is_chosen_and_what_is_missing_is_named() {
    for (more, installed, expected) in CASES {
        let controls = if more.is_empty() { CHRONY.to_owned() } else { format!("{CHRONY} / {more}") };
        let (folder, host) = (folder(&controls), host(installed));
        let found = match folder.choose(Format::Deb, "chrony", &host) {
            Ok(chosen) => {
                let files = chosen.files.iter().map(|file| file.name.clone());
                let gone = chosen.removed.iter().map(|gone| format!("-{}", gone.name));
                let words = files.chain(gone).collect::<Vec<_>>().join(" ");
                assert_eq!(words, *expected, "{more} | {installed}");
                words
            }
            Err(error) => {
                assert!(crate::exit::hint(&error).is_some(), "{error}");
                error.to_string()
            }
        };
        assert!(found.contains(expected), "{more} | {installed}: {found}");
    }
}

#[test]
fn what_is_not_in_the_folder_is_said_with_what_is() {
    let mut folder = folder("Package: chrony; Version: 4.3-2; Architecture: arm64");
    folder.damaged.push(("chrony_5.deb".to_owned(), "it is cut off".to_owned()));
    let said = |wanted: &str, format: Format| folder.choose(format, wanted, &host("")).unwrap_err().to_string();
    let arch =
        "package `chrony`: the host is amd64, and /p has only chrony_4.3-2.deb (arm64); chrony_5.deb: it is cut off";
    assert_eq!(said("chrony", Format::Deb), arch);
    assert_eq!(said("ntp", Format::Deb), "package `ntp`: /p has no .deb file of it; chrony_5.deb: it is cut off");
    assert!(said("chrony", Format::Rpm).starts_with("package `chrony`: /p has no .rpm file of it"));
    let nothing = Folder::read(Path::new("/nowhere")).unwrap_err();
    assert!(format!("{nothing:#}").starts_with("read the packages of /nowhere: No such file"), "{nothing:#}");
}

#[test]
fn a_host_is_asked_for_all_that_may_be_needed_and_for_nothing_else() {
    let folder = folder(&format!(
        "{CHRONY} / Package: libedit2; Version: 3.1-3; Depends: libbsd0 / Package: other; Version: 1; Depends: more"
    ));
    let names: Vec<&str> = folder.names(Format::Deb, "chrony").into_iter().collect();
    assert_eq!(names, ["cdebconf", "chrony", "libbsd0", "libedit2", "time-daemon", "ucf"]);
    assert!(folder.names(Format::Rpm, "chrony").is_empty());
}
