//! Conversations in the shapes of real servers, played to the transport: `tests/winrm/answers/NAME.txt`.
//! The shapes are those of public captures and test data of other clients (pypsrp, pywinrm, WinRb).
//!
//! Lines of a file before the first `=== `: comments, and what has to come out (`status`, `stdout`,
//! `stderr`, or parts of the `error`). Then each answer: `=== OPERATION STATUS [chunked]` and its text, in which
//! `{ID}` is the question's and `{{ENCODING TEXT}}` stands for base64.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use winrm_rs::{AuthMethod, EncryptionMode, WinrmClient, WinrmConfig, WinrmCredentials};

use super::{Output, Peer, Winrm, runtime};
use crate::inventory::spec::{Trust, WinrmAuth, WinrmSettings};

struct Answer {
    operation: String,
    status: String,
    chunked: bool,
    text: String,
}

/// Splits a case into what is wanted and the answers.
fn read(case: &str) -> (Vec<(String, String)>, Vec<Answer>) {
    let mut parts = case.split("=== ");
    let lines = parts.next().unwrap().lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_owned(), value.strip_prefix(' ').unwrap_or(value).replace("\\n", "\n"))
    };
    let answer = |part: &str| {
        let (head, text) = part.split_once('\n').unwrap();
        let words: Vec<&str> = head.split(' ').collect();
        let (operation, status) = (words[0].to_owned(), words[1].to_owned());
        Answer { operation, status, chunked: words.len() > 2, text: filled(text.trim_end()) }
    };
    (lines.map(pair).collect(), parts.map(answer).collect())
}

/// Puts base64 in the place of `{{ENCODING TEXT}}`.
fn filled(text: &str) -> String {
    let mut parts = text.split("{{");
    let mut filled = parts.next().unwrap().to_owned();
    for part in parts {
        let (inner, rest) = part.split_once("}}").unwrap();
        let (encoding, words) = inner.split_once(' ').unwrap();
        let words = words.replace("\\r", "\r").replace("\\n", "\n");
        let bytes = match encoding {
            "949" => encoding_rs::EUC_KR.encode(&words).0.into_owned(),
            "bytes" => words.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect(),
            _ => words.into_bytes(),
        };
        filled += &(BASE64.encode(bytes) + rest);
    }
    filled
}

/// Answers one client, in the order of the case, until it hangs up.
fn serve(listener: &TcpListener, mut answers: Vec<Answer>) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(question) = question(&mut reader) {
        let operation = between(&question, "/", "</a:Action>").or_else(|| between(&question, "/", "</wsa:Action>"));
        let operation = operation.unwrap_or_default().to_lowercase();
        let id = between(&question, ">", "</a:MessageID>").or_else(|| between(&question, ">", "</wsa:MessageID>"));
        let at = answers.iter().position(|answer| answer.operation == operation);
        let answer = at.map_or_else(
            || Answer { operation, status: "200".into(), chunked: false, text: String::new() },
            |at| answers.remove(at),
        );
        let text = answer.text.replace("{ID}", &id.unwrap_or_default());
        let head = format!(
            "HTTP/1.1 {} x\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nServer: Microsoft-HTTPAPI/2.0\r\n",
            answer.status
        );
        let body = if answer.chunked {
            chunks(&text)
        } else {
            format!("Content-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
        };
        if reader.get_mut().write_all(&[head.into_bytes(), body].concat()).is_err() {
            return;
        }
    }
}

fn chunks(text: &str) -> Vec<u8> {
    let mut all = b"Transfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in text.as_bytes().chunks(97) {
        all.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        all.extend_from_slice(piece);
        all.extend_from_slice(b"\r\n");
    }
    all.extend_from_slice(b"0\r\n\r\n");
    all
}

/// What stands between the last `start` before `end`, and `end`.
fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let head = text.get(..text.find(end)?)?;
    Some(head.rsplit(start).next()?.to_owned())
}

fn question(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

/// Runs one line over a connection whose messages are not sealed, so that they can be written down.
fn run(port: u16) -> Result<Output, String> {
    let settings = WinrmSettings {
        user: "operator".to_owned(),
        password: None,
        https: false,
        port,
        auth: WinrmAuth::Basic,
        trust: Trust::System,
        certificate: None,
        key: None,
        timeout: Duration::from_secs(5),
    };
    let peer = Peer::new("127.0.0.1", &settings);
    let config = WinrmConfig {
        port: Some(port),
        use_tls: false,
        auth_method: AuthMethod::Basic,
        encryption: EncryptionMode::Never,
        ..WinrmConfig::default()
    };
    let client = WinrmClient::new(config, WinrmCredentials::new("operator", "x", "")).unwrap();
    let runtime = runtime().unwrap();
    let said = |error: &winrm_rs::WinrmError| peer.error(error).to_string();
    let shell = runtime.block_on(client.create_shell(&peer.host)).map_err(|error| said(&error))?;
    let mut winrm = Winrm { client, peer: peer.clone(), shell, runtime, code_page: None };
    let raw = winrm.runtime.block_on(winrm.command("ver", Instant::now() + Duration::from_secs(20)));
    raw.map(|raw| winrm.output(raw)).map_err(|error| said(&error))
}

/// What is not as the case wants it.
fn wrong(case: &str) -> Vec<String> {
    let (wanted, answers) = read(case);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || serve(&listener, answers));
    let seen = run(port);
    server.join().unwrap();
    let fits = |(name, value): &&(String, String)| match (&seen, name.as_str()) {
        (Ok(output), "status") => output.status.to_string() == *value,
        (Ok(output), "stdout") => output.stdout == *value,
        (Ok(output), "stderr") => output.stderr == *value,
        (Err(error), "error") => error.contains(value.as_str()) && !error.contains('<'),
        _ => false,
    };
    let odd = wanted.iter().filter(|pair| !fits(pair));
    odd.map(|(name, value)| format!("{name} is not `{value}`: {seen:?}")).collect()
}

#[test]
fn answers_in_the_shapes_of_real_servers_are_understood() {
    let files = std::fs::read_dir("tests/winrm/answers").unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<_> = files.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
    assert!(cases.len() >= 14, "{}", cases.len());
    let play = |(path, case): &(std::path::PathBuf, String)| (path.clone(), wrong(case));
    let played: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|case| scope.spawn(move || play(case))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let odd: Vec<String> = played
        .iter()
        .filter(|(_, odd)| !odd.is_empty())
        .map(|(path, odd)| format!("{}: {}", path.display(), odd.join("; ")))
        .collect();
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}
