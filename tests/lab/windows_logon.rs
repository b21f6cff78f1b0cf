//! Log-ons to Windows hosts, good ones and each refusal.

use serde_json::Value;

use crate::fixture::Lab;
use crate::windows::{PASSWORD, error, inventory, json};

/// Suites of each Windows with an RSA certificate, offered by `openssl s_server` on the control side: what cannot
/// be agreed on is said to be that, and not to be a listener that is missing.
fn schannel(lab: &Lab, text: &str) {
    let folder = lab.path("").display().to_string();
    lab.here(&format!(
        "cd {folder} && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=old -keyout old.key -out old.pem 2>/dev/null"
    ));
    let table = include_str!("../winrm/schannel.txt").lines().filter(|line| !line.starts_with('#'));
    for (index, line) in table.enumerate() {
        // A port for each: the one before may still be at its end.
        let port = 45_986 + index;
        let (system, suites) = line.split_once(' ').unwrap();
        let settings = format!("{{ password: {{ env: WIN_PASSWORD }}, timeout: 3s, port: {port} }}");
        lab.inventory(&text.replace("SETTINGS", &settings).replace("win1: 10.10.10.2", "win1: 127.0.0.1"));
        let listen = format!("exec openssl s_server -quiet -accept {port} -key old.key -cert old.pem");
        let option = if suites.starts_with("-tls1_3") { " -ciphersuites " } else { " -cipher " };
        let suites = suites.replace(' ', option);
        let _server = lab.beside(&["sh", "-c", &format!("cd {folder} && {listen} {suites}")]);
        let said = || error(&json(lab, &["check", "-l", "win1"]).1, "win1");
        let wanted = if system >= "2016" { "its certificate is" } else { "no TLS came about" };
        assert!(crate::windows_safety::comes(|| said().contains(wanted)), "{system}: {}", said());
    }
}

/// The SHA-256 of a certificate.
fn pin(file: &std::path::Path) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let pem = std::fs::read_to_string(file).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    sha2::Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Log-ons over http that come to nothing: settings, fault, what is said, and what the host has noted of who came, and
/// as whom. The first are answered with 401.
const LOGONS: &[(&str, &str, &str, &str)] = &[
    (
        r"user: 'CORP\Administrator'",
        "",
        "a policy of the host keeps it out",
        "refused: unknown user Administrator of `CORP`",
    ),
    (r"user: 'WIN2\Administrator'", "", "HTTP 401", "refused: unknown user Administrator of `WIN2`"),
    ("user: Administrator@corp.example", "", "HTTP 401", "refused: unknown user Administrator@corp.example of ``"),
    // A right password, and a policy: Windows says no more than that, except in its log.
    (
        "user: Administrator",
        "logon_denied=1",
        "event 4625",
        "refused: logon_denied: Administrator may not log on like this",
    ),
    (
        "user: Administrator",
        "offers=Kerberos",
        "offers no NTLM (Negotiate), only Kerberos",
        "refused: NTLM is not offered",
    ),
    ("user: Administrator", "quota=1", "a quota of the host is used up", ADMINISTRATOR),
    ("user: Administrator", "access_denied=1", "access denied", ADMINISTRATOR),
    ("user: Administrator", "drop_all=1", "10.10.10.2:5985", ""),
    ("user: Administrator", "tamper=5", "10.10.10.2:5985", ADMINISTRATOR),
    ("user: Administrator", "unauthorized=5", "10.10.10.2:5985", ADMINISTRATOR),
    // A host that would not encrypt gets no proof of the password.
    ("user: Administrator", "no_sealing=1", "did not negotiate NEGOTIATE_128", ""),
    ("user: Administrator", "status=503", "503", ""),
];

const ADMINISTRATOR: &str = "logged on: Administrator by NTLM";

/// What a host has noted of log-ons since its journal had so many lines, each thing once.
fn log_ons(lab: &Lab, host: &str, since: usize) -> String {
    let journal = lab.journal(host);
    let words = journal.lines().skip(since).filter_map(|line| line.split_once(' ')).map(|(_, words)| words);
    let mut noted: Vec<&str> =
        words.filter(|words| words.starts_with("refused: ") || words.starts_with("logged on: ")).collect();
    noted.dedup();
    noted.join("; ")
}

/// The ways in, and what the host notes of each.
fn welcome(lab: &Lab) -> Vec<(String, &'static str)> {
    let home = lab.path("windows/win1").display().to_string();
    let ca = format!("{home}/ca.pem");
    vec![
        (r"scheme: http, user: '.\Administrator'".to_owned(), "NTLM"),
        (r"scheme: http, user: 'WIN1\Administrator'".to_owned(), "NTLM"),
        (format!("scheme: https, ca: {ca}"), "NTLM"),
        (format!("scheme: https, auth: basic, ca: {ca}"), "Basic"),
        (format!("scheme: https, pin_sha256: {}", pin(&lab.path("windows/win1/server.pem"))), "NTLM"),
        (
            format!("scheme: https, auth: certificate, ca: {ca}, cert: {home}/client.pem, key: {home}/client-key.pem"),
            "certificate",
        ),
        ("scheme: https, insecure: true".to_owned(), "NTLM"),
        ("scheme: http".to_owned(), "NTLM"),
    ]
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn each_refusal_of_windows_is_named_and_no_password_is_tried_twice() {
    let text = inventory(
        "
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { ntp1: 10.10.10.1 } }
  windows: { role: slave, follows: [masters], hosts: { win1: 10.10.10.2 }, winrm: SETTINGS }
",
    );
    let lab = Lab::up(
        "wrefuse",
        &["ntp1=bookworm@10.10.10.1"],
        &text.replace("SETTINGS", "{ password: { env: WIN_PASSWORD } }"),
    );
    lab.windows(&["win1=2016,ko@10.10.10.2", "win2=2016@10.10.10.3"]);
    let home = lab.path("windows/win1").display().to_string();
    let ca = format!("{home}/ca.pem");
    // The administrator of another host is nobody here.
    let foreign = format!("cert: {home}/../win2/client.pem, key: {home}/../win2/client-key.pem");
    let attempt = |settings: &str, password: &str, faults: &[&str]| {
        lab.inventory(
            &text.replace("SETTINGS", &format!("{{ password: {{ env: WIN_PASSWORD }}, timeout: 3s, {settings} }}")),
        );
        lab.faults("win1", faults);
        let run = lab.fleetclock_with(&["check", "-l", "win1", "--format", "json"], &[("WIN_PASSWORD", password)]);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(password), "the password was shown");
        let report: Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}{}", run.stdout, run.stderr));
        (run.code, error(&report, "win1"))
    };
    for (settings, password, faults, expected) in [
        ("scheme: http", "n0t-the-one", &[][..], "the name or the password is wrong"),
        ("scheme: http, user: operator", PASSWORD.1, &[], "is no administrator of the host"),
        ("scheme: http, port: 5999", PASSWORD.1, &[], "connect 10.10.10.2:5999"),
        ("scheme: https", PASSWORD.1, &[], "TLS to 10.10.10.2:5986"),
        (&format!("scheme: https, ca: {ca}"), PASSWORD.1, &["certificate=expired"], "TLS to 10.10.10.2:5986"),
        ("scheme: https, auth: kerberos", PASSWORD.1, &[], "built without Kerberos"),
        (
            &format!("scheme: https, auth: certificate, ca: {ca}, {foreign}"),
            PASSWORD.1,
            &[],
            "maps this certificate to no account",
        ),
    ] {
        let (code, error) = attempt(settings, password, faults);
        assert!(code != 0 && code != 3 && error.contains(expected), "{settings} {faults:?}: {code}: {error}");
    }
    let lines = || lab.journal("win1").lines().count();
    for (settings, fault, expected, noted) in LOGONS {
        let since = lines();
        let (code, error) = attempt(&format!("scheme: http, {settings}"), PASSWORD.1, &[fault]);
        assert!(code != 0 && code != 3 && error.contains(expected), "{settings} {fault}: {code}: {error}");
        assert_eq!(log_ons(&lab, "win1", since), *noted, "{settings} {fault}: {error}");
    }
    let refused = |lab: &Lab| lab.journal("win1").matches("refused: ").count();
    let before = refused(&lab);
    let _ = attempt("scheme: http", "n0t-the-one", &[]);
    assert_eq!(refused(&lab), before + 1, "{}", lab.journal("win1"));
    schannel(&lab, &text);
    for (settings, way) in welcome(&lab) {
        let since = lines();
        let (code, error) = attempt(&settings, PASSWORD.1, &[]);
        assert_eq!(code, 3, "{settings}: {error}");
        assert_eq!(log_ons(&lab, "win1", since), format!("logged on: Administrator by {way}"), "{settings}");
    }
    // A host that answers slowly and in small pieces is only slow.
    let (code, error) = attempt("scheme: http", PASSWORD.1, &["slow=2000", "delay_ms=30"]);
    assert_eq!(code, 3, "{error}");
}
