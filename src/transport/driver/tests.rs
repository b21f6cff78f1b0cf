//! What goes over the wire, byte by byte.

use super::*;
use std::time::Duration;

fn driver(method: Become, password: Option<&str>) -> Driver {
    let script = Script { text: "echo hi".into(), deadline: Duration::from_secs(1) };
    Driver::new(&script, method, password.map(Secret::new), false)
}

fn pending(driver: &Driver) -> String {
    String::from_utf8(driver.pending().to_vec()).unwrap()
}

#[test]
fn the_shells_of_windows_are_known_in_any_language() {
    for (words, windows) in [
        (&b"'exec' is not recognized as an internal or external command,\r\n"[..], true),
        (b"'exec'\xc0\xba(\xb4\xc2) \xb3\xbb\xba\xce\r\n", true),
        (b"exec : ...\r\n    + FullyQualifiedErrorId : CommandNotFoundException\r\n", true),
        (b"sh: 1: exec: sudo: not found\n", false),
    ] {
        let mut driver = driver(Become::Sudo, None);
        driver.stderr(words).unwrap();
        assert_eq!(driver.met_windows(), windows, "{words:?}");
    }
}

/// The login shell has run our command.
fn begun(method: Become, password: Option<&str>) -> Driver {
    let mut driver = driver(method, password);
    let begin = driver.begin.clone();
    driver.stdout(format!("noise{begin}\n").as_bytes(), &mut |_| ()).unwrap();
    driver.stderr(format!("noise{begin}\n").as_bytes()).unwrap();
    driver
}

/// The shell that runs the script is there.
fn started(method: Become) -> Driver {
    let mut driver = begun(method, None);
    let mark = driver.mark.clone().unwrap();
    driver.stderr(format!("{mark}\n").as_bytes()).unwrap();
    driver.stdout(format!("{mark}\n").as_bytes(), &mut |_| ()).unwrap();
    driver
}

#[test]
fn a_start_file_of_the_login_shell_cannot_read_the_script() {
    let mut driver = begun(Become::None, None);
    assert!(pending(&driver).is_empty() && driver.begun());
    let mark = driver.mark.clone().unwrap();
    driver.stdout(format!("{mark}\n").as_bytes(), &mut |_| ()).unwrap();
    assert!(pending(&driver).contains("echo hi"));
}

#[test]
fn a_password_is_sent_once_and_only_when_asked_for() {
    let mut driver = begun(Become::Sudo, Some("pw"));
    assert_eq!(pending(&driver), "");
    let ours = driver.ours.clone();
    driver.stderr(format!("lecture\n{ours} root: ").as_bytes()).unwrap();
    assert_eq!(pending(&driver), "pw\n");
    let again = driver.stderr(format!("Sorry\n{ours} root: ").as_bytes());
    assert_eq!(again, Err(Refusal::WrongPassword { of: Some("root".into()) }));
}

#[test]
fn what_a_start_file_asks_gets_no_password() {
    let mut driver = driver(Become::Sudo, Some("pw"));
    driver.stderr(b"Password: ").unwrap();
    driver.quiet().unwrap();
    assert!(pending(&driver).is_empty() && !driver.begun());
}

#[test]
fn a_question_in_any_words_is_answered_when_nothing_follows_it() {
    let mut driver = begun(Become::Sudo, Some("pw"));
    driver.stderr("암호를 말하세요> ".as_bytes()).unwrap();
    assert_eq!(pending(&driver), "");
    driver.quiet().unwrap();
    driver.quiet().unwrap();
    assert_eq!(pending(&driver), "pw\n");
}

#[test]
fn a_sudo_that_does_not_ask_gets_no_password() {
    let mut driver = begun(Become::Sudo, Some("pw"));
    let mark = driver.mark.clone().unwrap();
    driver.stdout(format!("banner\n{mark}\nfirst").as_bytes(), &mut |_| ()).unwrap();
    assert!(pending(&driver).contains("LC_ALL=C") && !pending(&driver).contains("pw"));
    assert_eq!(driver.finish(0).stdout, "first");
}

#[test]
fn a_prompt_without_a_password_is_a_refusal() {
    let mut driver = begun(Become::Sudo, None);
    let prompt = format!("{} ops: ", driver.ours);
    assert_eq!(driver.stderr(prompt.as_bytes()), Err(Refusal::NoPassword { of: Some("ops".into()) }));
}

#[test]
fn on_a_terminal_one_question_is_answered_until_the_shell_is_there() {
    let script = Script { text: "echo hi".into(), deadline: Duration::from_secs(1) };
    let driver = || Driver::new(&script, Become::Doas, Some(Secret::new("pw")), true);
    let mut asked = driver();
    let begin = asked.begin.clone();
    asked.terminal(b"Password: ").unwrap();
    assert_eq!(pending(&asked), "", "the login shell has not run our command yet");
    for piece in [&format!("\r\n{begin}\r\n\rdoas"), " password: ", "\r\n"] {
        asked.terminal(piece.as_bytes()).unwrap();
    }
    assert_eq!(pending(&asked), "pw\n");
    assert_eq!(asked.terminal(b"doas password: "), Err(Refusal::WrongPassword { of: None }));
    let mut unasked = driver();
    let mark = unasked.mark.clone().unwrap();
    unasked.stdout(format!("{mark}\n").as_bytes(), &mut |_| ()).unwrap();
    unasked.terminal(format!("{begin}\r\nwhatever: ").as_bytes()).unwrap();
    assert!(!pending(&unasked).contains("pw"));
}

#[test]
fn lines_are_handed_out_whole() {
    let mut driver = started(Become::None);
    let mut lines = Vec::new();
    for part in ["on", "e\ntw", "o\nthree\nrest"] {
        driver.stdout(part.as_bytes(), &mut |line| lines.push(line.to_owned())).unwrap();
    }
    assert_eq!(lines, ["one\n", "two\nthree\n"]);
}

#[test]
fn output_without_a_line_break_costs_as_much_as_any_other() {
    let piece = vec![b'x'; 1 << 10];
    for broken in [false, true] {
        let mut driver = started(Become::None);
        if broken {
            let mark = driver.end.clone();
            driver.stdout(mark.as_bytes(), &mut |_| ()).unwrap();
        }
        let started = std::time::Instant::now();
        for _ in 0..32 << 10 {
            driver.stdout(&piece, &mut |_| ()).unwrap();
        }
        // Looked at again for each piece, this is 32 times 16 GiB.
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert!(!driver.ended());
    }
}

#[test]
fn a_login_shell_that_never_stops_talking_is_cut_short() {
    let mut driver = driver(Become::Sudo, None);
    let piece = vec![b'x'; 1 << 16];
    let pieces = (0..).find(|_| driver.stdout(&piece, &mut |_| ()).is_err()).unwrap();
    assert_eq!(pieces, 16);
}

#[test]
fn a_script_ends_at_its_mark_wherever_the_network_cuts_it() {
    let mut driver = started(Become::None);
    let end = driver.end.clone();
    for piece in ["out", "\n", &end[..9], &end[9..], " 3", "\n"] {
        assert!(!driver.ended());
        driver.stdout(piece.as_bytes(), &mut |_| ()).unwrap();
    }
    driver.stderr(format!("err{end}\n").as_bytes()).unwrap();
    assert!(driver.ended());
    assert_eq!(driver.finish(-1), Output { stdout: "out\n".into(), stderr: "err".into(), status: 3 });
}
