//! One connection of a client: log-on, encryption, and the requests in it.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use roxmltree::Document;

use crate::faults::{Faults, Knobs};
use crate::frame;
use crate::http::{Request, Response};
use crate::journal::Journal;
use crate::ntlm::{Acceptor, Account, Session, Step, accept};
use crate::shell::{Shells, new_id};
use crate::soap::{Envelope, FAULT_ACTION, Fault, answer};
use crate::tls::Certificates;

/// How a client says that its certificate is its login.
const MUTUAL: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
const SOAP: &str = "application/soap+xml;charset=UTF-8";
/// How long a host that hangs does so; no client waits longer.
const HANG: Duration = Duration::from_secs(600);

/// A host: its accounts, shells and faults.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) accounts: Vec<Account>,
    pub(crate) shells: Shells,
    pub(crate) faults: Faults,
    pub(crate) journal: Arc<Journal>,
    pub(crate) certificates: Certificates,
}

impl Server {
    /// Serves a connection until the client leaves it.
    pub(crate) fn serve(self: &Arc<Self>, stream: TcpStream, secure: bool) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if !secure {
            return Connection::new(self.clone(), false, false).run(stream);
        }
        let config = self.certificates.named(self.faults.peek().text("certificate"));
        let session = rustls::ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = rustls::StreamOwned::new(session, stream);
        stream.conn.complete_io(&mut stream.sock)?;
        let certified = self.certificates.is_mapped(stream.conn.peer_certificates());
        Connection::new(self.clone(), true, certified).run(stream)
    }
}

/// Who speaks on a connection.
enum Login {
    Nobody,
    Pending(Box<Acceptor>),
    Ntlm(Box<Session>),
    /// By a password or a certificate inside TLS.
    Plain(Account),
}

struct Connection {
    server: Arc<Server>,
    secure: bool,
    /// The client has shown a certificate that is mapped to the administrator.
    certified: bool,
    login: Login,
}

impl Connection {
    fn new(server: Arc<Server>, secure: bool, certified: bool) -> Self {
        Self { server, secure, certified, login: Login::Nobody }
    }

    fn run(mut self, stream: impl Read + Write) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(request) = Request::read(&mut stream)? {
            let knobs = self.server.faults.next();
            if knobs.now("drop") || knobs.on("drop_all") {
                self.server.journal.request("Dropped", 0);
                return Ok(());
            }
            if knobs.on("hang") {
                self.server.journal.request("Hung", 0);
                std::thread::sleep(HANG);
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(knobs.number("delay_ms").unwrap_or(0)));
            let (operation, mut response) = self.answer(&request, &knobs);
            if knobs.now("tamper") {
                tamper(&mut response.body);
            }
            self.server.journal.request(&operation, response.status);
            let cut = knobs.now("truncate").then_some(response.body.len() / 2);
            response.write(stream.get_mut(), cut)?;
            if cut.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What the request was about, for the count, and the answer.
    fn answer(&mut self, request: &Request, knobs: &Knobs) -> (String, Response) {
        if let Some(status) = knobs.number("status") {
            return ("Status".to_owned(), Response::empty(status as u16));
        }
        if !request.target.starts_with("/wsman") {
            return ("Other".to_owned(), Response::empty(404));
        }
        if knobs.now("unauthorized") {
            self.login = Login::Nobody;
            return ("Refused".to_owned(), self.unauthorized(None));
        }
        if knobs.now("lose_shells") {
            self.server.shells.lose();
        }
        if let Some(response) = self.log_on(request, knobs) {
            return ("Logon".to_owned(), response);
        }
        self.message(request, knobs)
    }

    /// Takes the credentials of a request. An answer if there is nothing to do beside them.
    fn log_on(&mut self, request: &Request, knobs: &Knobs) -> Option<Response> {
        let header = request.header("authorization");
        if header == MUTUAL {
            return self.mutual();
        }
        let (scheme, token) = header.split_once(' ').unwrap_or_default();
        let token = BASE64.decode(token.trim()).unwrap_or_default();
        match scheme {
            "" => matches!(self.login, Login::Nobody | Login::Pending(_)).then(|| self.unauthorized(None)),
            "Basic" if self.secure => self.basic(&token),
            "Negotiate" | "NTLM" => self.negotiate(&token, request.body.is_empty(), knobs),
            _ => Some(self.unauthorized(None)),
        }
    }

    fn negotiate(&mut self, token: &[u8], empty: bool, knobs: &Knobs) -> Option<Response> {
        let pending = match std::mem::replace(&mut self.login, Login::Nobody) {
            Login::Pending(acceptor) => Some(acceptor),
            _ => None,
        };
        let server = &self.server;
        if !knobs.text("offers").is_empty() {
            return Some(self.refuse("NTLM is not offered"));
        }
        let step = accept(pending.as_deref(), token, &server.name, &server.accounts, !knobs.on("no_sealing"));
        match step {
            Ok(Step::Challenge(acceptor, answer)) => {
                self.login = Login::Pending(acceptor);
                Some(self.unauthorized(Some(&answer)))
            }
            // A right password, and a policy that keeps the account out: the client learns no more of it.
            Ok(Step::Accepted(session)) if knobs.on("logon_denied") => {
                Some(self.refuse(&format!("logon_denied: {} may not log on like this", session.account.name)))
            }
            Ok(Step::Accepted(session)) => {
                server.journal.note(&format!("logged on: {} by NTLM", session.account.name));
                self.login = Login::Ntlm(session);
                empty.then(|| Response::with_body(200, SOAP, Vec::new()))
            }
            Err(reason) => Some(self.refuse(&reason)),
        }
    }

    fn mutual(&mut self) -> Option<Response> {
        let administrator = self.server.accounts.iter().find(|account| account.administrator);
        let Some(account) = administrator.filter(|_| self.certified).cloned() else {
            return Some(self.refuse("no certificate that is mapped to an account"));
        };
        self.server.journal.note(&format!("logged on: {} by certificate", account.name));
        self.login = Login::Plain(account);
        None
    }

    fn basic(&mut self, token: &[u8]) -> Option<Response> {
        let text = String::from_utf8_lossy(token);
        let (user, password) = text.split_once(':').unwrap_or_default();
        let (domain, user) = user.split_once('\\').unwrap_or(("", user));
        let host = &self.server.name;
        let known = |account: &&Account| account.is_meant(domain, user, host) && account.password == password;
        let Some(account) = self.server.accounts.iter().find(known).cloned() else {
            return Some(self.refuse(&format!("Basic: wrong user or password for {user}")));
        };
        self.server.journal.note(&format!("logged on: {} by Basic", account.name));
        self.login = Login::Plain(account);
        None
    }

    fn refuse(&self, reason: &str) -> Response {
        self.server.journal.note(&format!("refused: {reason}"));
        self.unauthorized(None)
    }

    fn unauthorized(&self, token: Option<&[u8]>) -> Response {
        let offered = self.server.faults.peek().text("offers").to_owned();
        if !offered.is_empty() {
            let header = |response: Response, offer: &str| response.header("WWW-Authenticate", offer.to_owned());
            return offered.split(',').fold(Response::empty(401), header);
        }
        let negotiate = token.map_or("Negotiate".to_owned(), |token| format!("Negotiate {}", BASE64.encode(token)));
        let response = Response::empty(401).header("WWW-Authenticate", negotiate);
        match self.secure && token.is_none() {
            true => response.header("WWW-Authenticate", "Basic realm=\"WSMAN\"".to_owned()),
            false => response,
        }
    }

    /// A SOAP message of somebody who is logged on: sealed over HTTP, plain inside TLS.
    fn message(&mut self, request: &Request, knobs: &Knobs) -> (String, Response) {
        let encrypted = request.header("content-type").starts_with("multipart/encrypted");
        match &mut self.login {
            Login::Ntlm(session) if encrypted && session.sealed => {
                let opened = frame::open(&request.body).and_then(|(signature, bytes)| session.unseal(signature, bytes));
                let xml = match opened {
                    Ok(xml) => xml,
                    Err(reason) => return self.bad_request(&reason),
                };
                let (operation, status, reply) = reply(&self.server, &session.account, &xml, knobs);
                let (signature, bytes) = session.seal(reply.as_bytes());
                let body = frame::close(reply.len(), &signature, &bytes);
                (operation, Response::with_body(status, frame::CONTENT_TYPE, body))
            }
            Login::Ntlm(session) if self.secure => plain(&self.server, &session.account, &request.body, knobs),
            Login::Plain(account) => plain(&self.server, account, &request.body, knobs),
            _ => {
                self.server.journal.note("refused: unencrypted over HTTP");
                ("Unencrypted".to_owned(), Response::empty(500))
            }
        }
    }

    fn bad_request(&self, reason: &str) -> (String, Response) {
        self.server.journal.note(&format!("bad request: {reason}"));
        ("Bad".to_owned(), Response::empty(400))
    }
}

fn plain(server: &Server, account: &Account, xml: &[u8], knobs: &Knobs) -> (String, Response) {
    let (operation, status, reply) = reply(server, account, xml, knobs);
    (operation, Response::with_body(status, SOAP, reply.into_bytes()))
}

/// Operation, HTTP status and envelope of the answer.
fn reply(server: &Server, account: &Account, xml: &[u8], knobs: &Knobs) -> (String, u16, String) {
    let text = String::from_utf8_lossy(xml);
    let Ok(document) = Document::parse(&text) else { return ("Malformed".to_owned(), 400, String::new()) };
    let Some(envelope) = Envelope::of(&document) else { return ("Malformed".to_owned(), 400, String::new()) };
    let allowed = account.administrator.then_some(()).ok_or(Fault::ACCESS_DENIED);
    let result = allowed.and_then(|()| server.shells.handle(&envelope, &account.name, knobs));
    let operation = envelope.operation().to_owned();
    let wrap = |action: &str, body: &str| answer(action, &new_id(), envelope.message_id(), body);
    match result {
        Ok(body) => (operation, 200, wrap(&format!("{}Response", envelope.action()), &body)),
        Err(fault) => {
            server.journal.note(&format!("fault {} {} for {operation}", fault.subcode, fault.code));
            (operation, 500, wrap(FAULT_ACTION, &fault.body(&server.name)))
        }
    }
}

/// Changes one bit in the middle, as someone on the way could.
fn tamper(body: &mut [u8]) {
    let middle = body.len() * 3 / 4;
    if let Some(byte) = body.get_mut(middle) {
        *byte ^= 1;
    }
}

#[cfg(test)]
mod tests;
