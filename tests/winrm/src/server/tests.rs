//! Connections without Wine: who is let in, and what is refused before a command could run.

use std::io::Cursor;
use std::path::PathBuf;

use super::*;
use crate::wine::Wine;

/// A host in a folder of its own; `Administrator` and `operator` have the password `secret`.
fn server(test: &str) -> Arc<Server> {
    let home = std::env::temp_dir().join(format!("standin-{}-{test}", std::process::id()));
    std::fs::create_dir_all(&home).unwrap();
    let journal = Arc::new(Journal::open(&home).unwrap());
    let account = |name: &str, administrator| Account {
        name: name.to_owned(),
        password: "secret".to_owned(),
        administrator,
        domain: String::new(),
    };
    Arc::new(Server {
        name: "WIN1".to_owned(),
        accounts: vec![account("Administrator", true), account("operator", false)],
        shells: Shells::new(Wine::new(&home, "en_US.UTF-8", journal.clone()), journal.clone()),
        faults: Faults::new(home.join("faults")),
        journal,
        certificates: Certificates::make(&home, &["win1".to_owned()]).unwrap(),
    })
}

/// A stream that gives one request and passes on what is answered.
struct Stream(Cursor<Vec<u8>>, std::sync::mpsc::Sender<Vec<u8>>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ask(test: &str, secure: bool, headers: &str, body: &str) -> String {
    let request = format!("POST /wsman HTTP/1.1\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len());
    let (sender, answer) = std::sync::mpsc::channel();
    Connection::new(server(test), secure, false).run(Stream(Cursor::new(request.into_bytes()), sender)).unwrap();
    let home: PathBuf = std::env::temp_dir().join(format!("standin-{}-{test}", std::process::id()));
    std::fs::remove_dir_all(home).unwrap();
    String::from_utf8(answer.iter().flatten().collect()).unwrap()
}

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{user}:{password}")))
}

const CREATE: &str = r#"<s:Envelope xmlns:s="s"><s:Header>
    <Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Create</Action>
    <ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</ResourceURI>
    </s:Header><s:Body/></s:Envelope>"#;

#[test]
fn basic_is_offered_inside_tls_only() {
    let (plain, secure) = (ask("plain", false, "", ""), ask("secure", true, "", ""));
    assert!(plain.starts_with("HTTP/1.1 401") && plain.contains("Negotiate") && !plain.contains("Basic"));
    assert!(secure.starts_with("HTTP/1.1 401") && secure.contains("Negotiate") && secure.contains("Basic"));
    let forced = ask("forced", false, &basic("Administrator", "secret"), CREATE);
    assert!(forced.starts_with("HTTP/1.1 401"));
}

#[test]
fn an_administrator_gets_a_shell() {
    let answer = ask("administrator", true, &basic("administrator", "secret"), CREATE);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Name=\"ShellId\""), "{answer}");
}

#[test]
fn a_wrong_password_and_a_user_without_rights_do_not() {
    let wrong = ask("wrong", true, &basic("Administrator", "guess"), CREATE);
    assert!(wrong.starts_with("HTTP/1.1 401"));
    let operator = ask("operator", true, &basic("operator", "secret"), CREATE);
    assert!(operator.starts_with("HTTP/1.1 500") && operator.contains("w:AccessDenied"), "{operator}");
}

#[test]
fn what_is_no_envelope_is_a_bad_request() {
    let answer = ask("malformed", true, &basic("Administrator", "secret"), "<s:Envelope");
    assert!(answer.starts_with("HTTP/1.1 400"));
}

#[test]
fn another_resource_is_not_found() {
    let body = CREATE.replace("shell/cmd", "shell/powershell");
    let answer = ask("resource", true, &basic("Administrator", "secret"), &body);
    assert!(answer.contains("a:DestinationUnreachable"), "{answer}");
}
