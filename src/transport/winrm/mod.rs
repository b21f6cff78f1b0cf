//! Windows hosts over WinRM (MS-WSMV): one remote shell for each connection, one command line
//! at a time in it, always closed.
//!
//! A command line is text for `cmd.exe /C`; see [`super::quote::cmd`] for what may stand in it.
//! The crate's own high-level calls are not used: they read the exit code as a signed number
//! and ask for output as fast as the network allows, where every question is a round trip.

mod account;
mod decode;
mod error;
mod offers;
#[cfg(test)]
mod replay;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};
use winrm_rs::{AuthMethod, ReceiveOutput, SoapError, WinrmClient, WinrmConfig, WinrmCredentials, WinrmError};

use super::worker::{Lease, Remote, Request, Stage};
use super::{Output, Script, Shared, Transport, TransportError};
use crate::inventory::Secret;
use crate::inventory::spec::{Trust, WinrmAuth, WinrmSettings};

pub(super) use account::Accounts;
use account::Outcome;
use decode::CodePage;
use error::{Peer, is_wrong_password};

/// The longest line that cmd.exe takes (Microsoft KB 830473).
const LONGEST_LINE: usize = 8191;

/// Pauses before the first questions for output, so that one answer carries what would else come in many.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(400)];

/// The longest pause before a question for output.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Time limit of one HTTP exchange; the host answers a question for output after this time at the latest.
const OPERATION: Duration = Duration::from_secs(20);

/// Largest output that is kept, bytes.
const LARGEST: usize = 32 << 20;

/// How long closing the shell may take.
const CLOSE: Duration = Duration::from_secs(5);

/// Asks for the code page that the console writes in: both commands print its number last.
const CODE_PAGE: &str = "chcp&reg query HKLM\\SYSTEM\\CurrentControlSet\\Control\\Nls\\CodePage /v OEMCP&";

/// An open remote shell on a Windows host.
pub(super) struct Winrm {
    client: WinrmClient,
    peer: Peer,
    shell: String,
    runtime: Runtime,
    code_page: Option<CodePage>,
}

/// What one command line printed, undecoded.
#[derive(Default)]
struct Raw {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    status: i32,
}

/// What a worker is told about a Windows host. The password stands here in clear, so there is no `Debug`.
#[derive(Serialize, Deserialize)]
pub(super) struct WinrmJob {
    address: String,
    user: String,
    password: Option<String>,
    https: bool,
    port: u16,
    auth: WinrmAuth,
    trust: Trust,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    timeout: Duration,
}

impl WinrmJob {
    fn new(address: &str, s: &WinrmSettings) -> Self {
        WinrmJob {
            address: address.to_owned(),
            user: s.user.clone(),
            password: s.password.as_ref().map(|secret| secret.reveal().to_owned()),
            https: s.https,
            port: s.port,
            auth: s.auth,
            trust: s.trust.clone(),
            certificate: s.certificate.clone(),
            key: s.key.clone(),
            timeout: s.timeout,
        }
    }

    fn settings(self) -> (String, WinrmSettings) {
        let settings = WinrmSettings {
            user: self.user,
            password: self.password.as_deref().map(Secret::new),
            https: self.https,
            port: self.port,
            auth: self.auth,
            trust: self.trust,
            certificate: self.certificate,
            key: self.key,
            timeout: self.timeout,
        };
        (self.address, settings)
    }
}

/// Opens a connection in a worker.
pub(super) fn connect(
    address: &str,
    settings: &WinrmSettings,
    shared: &Shared,
) -> Result<Box<dyn Transport>, TransportError> {
    let peer = Peer::new(address, settings);
    let permit = shared.accounts.ask(&settings.user, &peer)?;
    let mut lease = Lease::take(&shared.workers, peer.to.clone())?;
    lease.begin(Stage::Login, settings.timeout + OPERATION, Duration::ZERO);
    lease.send(&Request::Winrm(Box::new(WinrmJob::new(address, settings))), &[])?;
    let connected = lease.connected(&mut |lease, _, _| {
        let cause = "a Windows host has no host key".to_owned();
        Err(TransportError::Lost { to: lease.to.clone(), cause })
    });
    let outcome = match &connected {
        Ok(()) => Outcome::Good,
        Err(failed) if failed.wrong_password => Outcome::WrongPassword,
        Err(_) => Outcome::Unknown,
    };
    permit.settle(&outcome, &peer);
    connected.map_err(|failed| *failed.error)?;
    Ok(Box::new(Remote::new(lease, OPERATION, ())))
}

impl Winrm {
    /// Logs in and opens the shell, in a worker. With the error comes whether the password was refused.
    ///
    /// # Errors
    /// The host cannot be reached, its certificate is not believed, the login or the shell is refused.
    pub(super) fn connect(job: WinrmJob) -> Result<Self, (TransportError, bool)> {
        let (address, settings) = job.settings();
        let peer = Peer::new(&address, &settings);
        let other = |error: TransportError| (error, false);
        let runtime = runtime().map_err(|error| other(TransportError::own("start a runtime", &error)))?;
        let client = client(&settings).map_err(|error| other(peer.error(&error)))?;
        let opened = runtime.block_on(limited(settings.timeout + OPERATION, client.create_shell(&peer.host)));
        let opened = opened.unwrap_or(Err(WinrmError::Timeout((settings.timeout + OPERATION).as_secs())));
        let shell = opened.map_err(|error| (explained(&peer, &error, &settings), is_wrong_password(&error)))?;
        Ok(Winrm { client, peer, shell, runtime, code_page: None })
    }

    async fn command(&self, line: &str, deadline: Instant) -> Result<Raw, WinrmError> {
        idle().await;
        let id = self.client.execute_command(&self.peer.host, &self.shell, line, &[]).await?;
        let result = self.collect(&id, deadline).await;
        if result.as_ref().is_err_and(|error| !matches!(error, WinrmError::Cancelled)) {
            // The answer was lost; what the host is at shall come to its end.
            return result;
        }
        idle().await;
        // Ends what still runs, and frees the slot of what has ended.
        let signalled = self.client.signal_terminate(&self.peer.host, &self.shell, &id).await;
        result.and_then(|raw| signalled.or_else(known_no_more).map(|()| raw))
    }

    async fn collect(&self, id: &str, deadline: Instant) -> Result<Raw, WinrmError> {
        let mut raw = Raw::default();
        let (mut pauses, started) = (PAUSES.into_iter(), Instant::now());
        loop {
            // What has taken long will take as long again.
            let later = || started.elapsed().min(LONGEST_PAUSE);
            tokio::time::sleep(pauses.next().unwrap_or_else(later)).await;
            let part: ReceiveOutput = self.client.receive_output_raw(&self.peer.host, &self.shell, id).await?;
            raw.stdout.extend_from_slice(&part.stdout);
            raw.stderr.extend_from_slice(&part.stderr);
            if raw.stdout.len() + raw.stderr.len() > LARGEST {
                return Err(WinrmError::Transfer("the host printed more than 32 MiB".to_owned()));
            }
            if part.done {
                raw.status = part.exit_code.unwrap_or(-1);
                return Ok(raw);
            }
            if Instant::now() >= deadline {
                return Err(WinrmError::Cancelled);
            }
        }
    }

    /// The first line of a connection also asks what the bytes of its answer mean.
    fn line(&self, text: &str) -> String {
        if self.code_page.is_some() { text.to_owned() } else { format!("{CODE_PAGE}echo {}&{text}", decode::MARK) }
    }

    fn output(&mut self, mut raw: Raw) -> Output {
        if self.code_page.is_none() {
            self.code_page = Some(CodePage::take(&mut raw.stdout));
        }
        let page = self.code_page.unwrap_or_default();
        let text = |bytes: Vec<u8>| page.decode(&decode::without_clixml(bytes));
        Output { stdout: text(raw.stdout), stderr: text(raw.stderr), status: raw.status }
    }
}

/// A command that has come to its end may be known no more when it is ended; what it printed counts.
fn known_no_more(error: WinrmError) -> Result<(), WinrmError> {
    match error {
        WinrmError::Soap(SoapError::Fault { code, .. }) if code.ends_with("InvalidSelectors") => Ok(()),
        other => Err(other),
    }
}

impl Transport for Winrm {
    fn run(&mut self, script: &Script, on_lines: &mut dyn FnMut(&str)) -> Result<Output, TransportError> {
        let line = self.line(&script.text);
        if line.len() > LONGEST_LINE {
            return Err(self.peer.lost(&format!("a command of {} characters is too long for cmd.exe", line.len())));
        }
        let timeout = || TransportError::late(self.peer.to.clone(), script.deadline);
        let work = self.command(&line, Instant::now() + script.deadline);
        let raw = match self.runtime.block_on(limited(script.deadline + OPERATION, work)) {
            None | Some(Err(WinrmError::Cancelled)) => return Err(timeout()),
            Some(Err(error)) => return Err(self.peer.error(&error)),
            Some(Ok(raw)) => raw,
        };
        let output = self.output(raw);
        on_lines(&output.stdout);
        Ok(output)
    }
}

impl Drop for Winrm {
    /// A shell that is left open counts against the quota of the account for hours.
    fn drop(&mut self) {
        let delete = async {
            idle().await;
            self.client.delete_shell(&self.peer.host, &self.shell).await
        };
        let _ = self.runtime.block_on(limited(CLOSE, delete));
    }
}

/// Why the login failed; where NTLM is not offered, what is.
fn explained(peer: &Peer, error: &WinrmError, settings: &WinrmSettings) -> TransportError {
    let wanted = settings.auth == WinrmAuth::Ntlm && !settings.https && error::is_not_offered(error);
    let offers = if wanted { offers::of(&peer.to, settings.timeout) } else { Vec::new() };
    let missing = !offers.is_empty() && !offers.iter().any(|offer| offer == "Negotiate");
    if missing { peer.not_offered(&offers) } else { peer.error(error) }
}

/// A runtime of one thread, for this connection alone. NTLM logs a TCP connection in, and hyper
/// opens a second one when the first is not back in its pool at the moment of the next request.
/// With one thread, the connection's own task always comes before that moment (see [`idle`]).
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Lets the tasks of the connection finish with the answer before the next request.
async fn idle() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

async fn limited<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

fn client(settings: &WinrmSettings) -> Result<WinrmClient, WinrmError> {
    let password = settings.password.as_ref().map_or("", Secret::reveal);
    let (domain, user) = split(&settings.user);
    let mut builder =
        WinrmClient::builder(config(settings)?).credentials(WinrmCredentials::new(user, password, domain));
    builder = match &settings.trust {
        Trust::Ca(file) => builder.add_root_certificates_pem(file),
        Trust::Pin(sha256) => builder.pin_server_certificate_sha256(sha256),
        // Plain http must not fail where this machine has no certificates at all, as in a container image.
        Trust::System if settings.https => builder.platform_roots(true),
        Trust::System | Trust::Anybody => builder,
    };
    builder.build()
}

/// `DOMAIN\user` apart; `user@domain` is one name, and `.\user` one of the host's own.
fn split(user: &str) -> (&str, &str) {
    match user.split_once('\\') {
        Some((".", own)) => ("", own),
        Some(parts) => parts,
        None => ("", user),
    }
}

fn config(settings: &WinrmSettings) -> Result<WinrmConfig, WinrmError> {
    Ok(WinrmConfig {
        port: Some(settings.port),
        use_tls: settings.https,
        accept_invalid_certs: settings.trust == Trust::Anybody,
        connect_timeout_secs: settings.timeout.as_secs().max(1),
        operation_timeout_secs: OPERATION.as_secs(),
        auth_method: method(settings.auth)?,
        client_cert_pem: settings.certificate.as_ref().map(|path| path.display().to_string()),
        client_key_pem: settings.key.as_ref().map(|path| path.display().to_string()),
        ..WinrmConfig::default()
    })
}

fn method(auth: WinrmAuth) -> Result<AuthMethod, WinrmError> {
    match auth {
        WinrmAuth::Ntlm => Ok(AuthMethod::Ntlm),
        WinrmAuth::Basic => Ok(AuthMethod::Basic),
        WinrmAuth::Certificate => Ok(AuthMethod::Certificate),
        #[cfg(feature = "kerberos")]
        WinrmAuth::Kerberos => Ok(AuthMethod::Kerberos),
        #[cfg(not(feature = "kerberos"))]
        WinrmAuth::Kerberos => Err(WinrmError::AuthFailed(error::NO_KERBEROS.to_owned())),
    }
}
