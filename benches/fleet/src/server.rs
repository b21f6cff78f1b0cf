//! One SSH connection to one of the hosts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Error};

use crate::answers::Answers;
use crate::mask::{marks, mask, take_script};

/// Extended data that is standard error (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// What has happened so far.
#[derive(Default)]
pub struct Counts {
    pub connections: AtomicUsize,
    pub scripts: AtomicUsize,
    /// Scripts that no recording answers: the recordings are older than the program.
    pub unknown: AtomicUsize,
}

/// How a host behaves.
#[derive(Clone)]
pub struct Host {
    /// Nothing refuses every login.
    pub answers: Option<Arc<Answers>>,
    /// Time that each script takes.
    pub takes: Duration,
}

/// A connection.
pub struct Connection {
    pub host: Host,
    pub counts: Arc<Counts>,
    /// Where a script goes that nothing answers.
    pub unknown: Arc<PathBuf>,
    /// What was sent to the shell and is not answered yet.
    pub sent: Vec<u8>,
}

impl Handler for Connection {
    type Error = Error;

    async fn auth_publickey_offered(&mut self, _: &str, _: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        Ok(self.login())
    }

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        Ok(self.login())
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.accept().await;
        Ok(())
    }

    /// The command begins with marks that it prints on both outputs; then a shell reads scripts.
    async fn exec_request(&mut self, channel: ChannelId, command: &[u8], session: &mut Session) -> Result<(), Error> {
        session.channel_success(channel)?;
        let command = String::from_utf8_lossy(command).into_owned();
        let said = marks(&command).into_iter().filter(|mark| !mark.starts_with("fc-prompt-"));
        let said: String = said.map(|mark| format!("{mark}\n")).collect();
        session.data(channel, said.clone().into_bytes())?;
        session.extended_data(channel, STDERR, said.into_bytes())
    }

    async fn data(&mut self, channel: ChannelId, bytes: &[u8], session: &mut Session) -> Result<(), Error> {
        self.sent.extend_from_slice(bytes);
        while let Some(script) = take_script(&mut self.sent) {
            self.counts.scripts.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.host.takes).await;
            let Some(answers) = self.host.answers.clone() else { return Err(Error::Disconnect) };
            // A real host is waited for; the other connections go on meanwhile.
            let answer = tokio::task::block_in_place(|| answers.to(&script));
            let Some(answer) = answer.inspect_err(|error| eprintln!("{error}")).ok().flatten() else {
                self.unknown(&script);
                return Err(Error::Disconnect);
            };
            session.data(channel, answer.stdout.into_bytes())?;
            session.extended_data(channel, STDERR, answer.stderr.into_bytes())?;
        }
        Ok(())
    }
}

impl Connection {
    /// The first script that no recording answers is kept, to be compared with them.
    fn unknown(&self, script: &str) {
        if self.counts.unknown.fetch_add(1, Ordering::Relaxed) == 0 {
            let _ = std::fs::write(self.unknown.as_path(), mask(script, &marks(script)));
        }
    }

    fn login(&self) -> Auth {
        if self.host.answers.is_some() { Auth::Accept } else { Auth::reject() }
    }
}
