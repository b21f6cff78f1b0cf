use super::super::read;
use super::*;

fn of(language: Language, text: &str) -> Vec<Directive> {
    read(language, "/f", text)
}

/// Two texts, and whether they are the same.
const CASES: &[(Language, &str, &str, bool)] = &[
    (Language::Chrony, "# a\nserver a iburst\n", "server  a  iburst", true),
    (Language::Chrony, "server a iburst minpoll 4", "server a minpoll 4 iburst", true),
    (Language::Chrony, "server a\nrtcsync", "rtcsync\nserver a", true),
    (Language::Chrony, "server a\nserver b", "server b\nserver a", true),
    (Language::Chrony, "pool a maxsources 4 minpoll 6", "pool a", true),
    (Language::Chrony, "server a", "pool a", false),
    (Language::Chrony, "allow", "allow 0.0.0.0/0\nallow ::/0", true),
    (Language::Chrony, "local", "local stratum 10", true),
    (Language::Chrony, "makestep 1.0 3", "makestep 1 3", true),
    (Language::Chrony, "makestep 1 3", "makestep 1 -1", false),
    (Language::Chrony, "makestep 1 -1\nmakestep 1 3", "makestep 1 3", true),
    (Language::Chrony, "allow 10\nallow 192.168", "allow 10.0.0.0/8\nallow 192.168.0.0/16", true),
    (Language::Chrony, "allow 10\ndeny 10.1", "deny 10.1\nallow 10", true),
    (Language::Chrony, "allow 10\ndeny 10", "deny 10\nallow 10", false),
    (Language::Chrony, "local stratum 10 orphan", "local orphan stratum 10", true),
    (Language::Chrony, "server a key 1", "server a key 2", false),
    (
        Language::Ntp,
        "restrict default nomodify kod",
        "restrict -4 default kod nomodify\nrestrict -6 default kod nomodify",
        true,
    ),
    (Language::Ntp, "restrict 10.0.0.0 mask 255.0.0.0 noquery", "restrict 10.0.0.0/8 noquery", true),
    (Language::Ntp, "restrict 127.0.0.1", "restrict 127.0.0.1 noquery", false),
    (Language::Ntp, "tinker panic 0 step 1", "tinker step 1.0\ntinker panic 0", true),
    (Language::Ntp, "disable monitor auth", "disable auth\ndisable monitor", true),
    (Language::Ntp, "tinker step 0.128", "", true),
    (Language::Ntp, "driftfile /a\ndriftfile /b", "driftfile /b", true),
    (Language::Chrony, "deny 10.1\nallow all 10", "allow all 10\ndeny 10.1", false),
    (Language::Chrony, "deny 10.1\nallow all", "allow", true),
    (Language::Chrony, "deny 10.1\nallow", "allow", false),
    (Language::Chrony, "deny all\nallow 10", "allow 10\ndeny all", false),
    (Language::Chrony, "deny all\nallow 10", "allow 10", true),
    (Language::Chrony, "allow 10\ndeny", "allow 10", true),
    (Language::Chrony, "allow\ndeny", "allow", false),
    (Language::Chrony, "cmddeny 10.1\ncmdallow all 10", "cmdallow all 10\ncmddeny 10.1", false),
    (Language::Chrony, "allow 10.0.0.1/x", "allow 10.0.0.1", false),
    (Language::Chrony, "server a minpoll 4 minpoll 6", "server a minpoll 4", false),
    (Language::Chrony, "server a minpoll 4 minpoll 5", "server a minpoll 5 minpoll 4", false),
    (Language::Chrony, "server a\u{a0}iburst", "server a iburst", false),
    (Language::Chrony, "dumpdir /a\ndumpdir /b\ndumpdir /a", "dumpdir /a\ndumpdir /b", false),
    (Language::Chrony, "log tracking\nlog rtc statistics", "log statistics tracking rtc", true),
    (Language::Chrony, "log tracking", "log tracking rtc", false),
    (
        Language::Chrony,
        "bindaddress 10.0.0.9\nbindaddress ::1\nbindaddress 10.0.0.1",
        "bindaddress 10.0.0.1\nbindaddress ::1",
        true,
    ),
    (Language::Chrony, "refclock PPS /dev/pps0 lock NMEA pps", "refclock PPS /dev/pps0 pps lock NMEA", true),
    (Language::Chrony, "refclock SHM 0 refid A\nrefclock SHM 1", "refclock SHM 0\nrefclock SHM 1 refid A", false),
    (Language::Ntp, "restrict ::1\nrestrict 127.0.0.1", "restrict 127.0.0.1\nrestrict ::1", true),
    (Language::Ntp, "restrict 10.0.0.1 ignore", "unrestrict 10.0.0.1 ignore", false),
    (Language::Ntp, "disable monitor\nenable monitor", "enable monitor", false),
    (
        Language::Ntp,
        "statistics a b\nfilegen b off\nfilegen a off",
        "filegen a off\nfilegen b off\nstatistics b a",
        true,
    ),
    (Language::Toml, "a = \"x  y\"", "a = \"x y\"", false),
    (Language::Toml, "a  =  1 # x", "a = 1", true),
    (Language::Toml, "[[s]]\na = 1\nn = 4\n[[s]]\na = 2", "[[s]]\na = 1\n[[s]]\na = 2\nn = 4", false),
    (Language::Toml, "[[s]]\na = 1\n[[s]]\nb = 2", "[[s]]\na = 1\nb = 2", false),
    (Language::Ini, "[Route]\nA=1\n[Route]\nB=2", "[Route]\nA=1\nB=2\n[Route]", false),
    (Language::Ini, "[Time]\n#x\nNTP=a  b", "[Time]\nNTP=a b", true),
    (Language::Ini, "[Time]\nNTP=a", "[Time]\nFallbackNTP=a", false),
];

#[test]
fn what_a_service_does_not_tell_apart_is_the_same() {
    for (language, one, other, alike) in CASES.iter().copied() {
        assert_eq!(same(language, &of(language, one), &of(language, other)), alike, "{one} | {other}");
    }
}

#[test]
fn what_is_lost_is_named_with_its_place() {
    let old = of(Language::Chrony, "server a iburst\nkeyfile /k\nmakestep 1 3\nserver b\n");
    let new = of(Language::Chrony, "makestep 0.1 3\nserver b\nrtcsync");
    let difference = difference(Language::Chrony, &old, &new);
    let texts = |list: &[Directive]| list.iter().map(|d| format!("{} {}", d.place.line, d.text())).collect::<Vec<_>>();
    assert_eq!(texts(&difference.lost), ["1 server a iburst", "2 keyfile /k", "3 makestep 1 3"]);
    assert_eq!(texts(&difference.gained), ["1 makestep 0.1 3", "3 rtcsync"]);
}
