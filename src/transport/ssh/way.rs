//! The program's side of an SSH connection: where to go and with what, from the inventory and the
//! user's files, which are read once in a run; turns at bastions; and who judges a host key.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::carrier;
use super::connect::through;
use super::hostkey::{Known, KnownFiles};
use super::job::{Hop, SshJob};
use super::keys::Keys;
use super::target::{Configs, Target};
use crate::inventory::Secret;
use crate::inventory::spec::{Client, SshSettings};
use crate::transport::worker::{Lease, NotConnected, Remote, Request, Stage};
use crate::transport::{Shared, Transport, TransportError};

/// What was read of the user's files in this run.
#[derive(Default)]
pub(in crate::transport) struct Files {
    configs: Configs,
    keys: Keys,
    pub(super) known: KnownFiles,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Files")
    }
}

/// The way to a host.
pub(super) struct Way {
    /// The bastions, outermost first, and then the host.
    pub(super) targets: Vec<Target>,
    /// What is known of the keys of each.
    pub(super) known: Vec<Known>,
    pub(super) permits: Vec<Permit>,
}

impl Way {
    /// Finds it, and waits for a turn at each bastion.
    pub(super) fn find(address: &str, s: &SshSettings, shared: &Shared) -> Result<Self, TransportError> {
        let configs = &shared.files.configs;
        let target = configs.target(address, s.user.as_deref(), s.port, s)?;
        let hop = |jump: &crate::inventory::spec::Jump| {
            configs.target(&jump.address, jump.user.as_deref().or(s.user.as_deref()), jump.port, s)
        };
        let mut targets: Vec<Target> = target.jump.iter().map(hop).collect::<Result<_, _>>()?;
        let permits = targets.iter().map(|hop| shared.bastions.permit(&hop.label(), s.jump_limit));
        let permits = permits.collect::<Result<_, _>>()?;
        targets.push(target);
        let known = targets.iter().map(|target| Known::read(s, target, &shared.files.known));
        let known = known.collect::<Result<_, _>>()?;
        Ok(Way { targets, known, permits })
    }

    /// The host itself.
    pub(super) fn label(&self) -> String {
        self.targets.last().map(Target::label).unwrap_or_default()
    }

    /// All that a worker needs to go it.
    pub(super) fn job(&self, s: &SshSettings, shared: &Shared) -> Result<SshJob, TransportError> {
        let reveal = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_owned());
        let passphrase = s.passphrase.as_ref().map(Secret::reveal);
        let hop = |(target, known): (&Target, &Known)| {
            let keys = target.keys.iter().map(|path| shared.files.keys.get(path, passphrase));
            Ok(Hop {
                host: target.host.clone(),
                port: target.port,
                user: target.user.clone(),
                algorithms: known.algorithms(),
                keys: keys.collect::<Result<_, _>>()?,
                password: reveal(&s.password),
                no_agent: target.more.no_agent,
                kex: target.more.kex.clone(),
                ciphers: target.more.ciphers.clone(),
                macs: target.more.macs.clone(),
            })
        };
        Ok(SshJob {
            hops: self.targets.iter().zip(&self.known).map(hop).collect::<Result<_, _>>()?,
            timeout: s.timeout,
            elevate: s.elevate.method,
            become_password: reveal(&s.elevate.password),
        })
    }

    /// Judges the key that a host of the way shows. What follows is its login, and then the next host.
    pub(super) fn judge(&self, lease: &mut Lease, hop: usize, key: &[u8], s: &SshSettings, shared: &Shared) -> Judged {
        let (Some(target), Some(known)) = (self.targets.get(hop), self.known.get(hop)) else {
            return Err(TransportError::Lost { to: lease.to.clone(), cause: "there is no such host".to_owned() });
        };
        let is_last = hop + 1 == self.targets.len();
        let judged = known.check(key, target.host_key(s), &target.label(), &shared.files.known);
        // A login asks several questions, and `timeout` is the limit for each.
        lease.begin(Stage::Login, s.timeout * if is_last { 2 } else { 3 }, Duration::ZERO);
        if is_last { judged } else { judged.map_err(|error| through(error, &target.label())) }
    }
}

/// Whether a host key is trusted.
type Judged = Result<(), TransportError>;

/// Opens a connection in a worker, by the client that can.
pub(in crate::transport) fn connect(
    address: &str,
    s: &SshSettings,
    shared: &Shared,
) -> Result<Box<dyn Transport>, TransportError> {
    let way = Way::find(address, s, shared)?;
    let job = way.job(s, shared)?;
    if let Some(reason) = carrier::choose(&way, &job, s.client)? {
        return carrier::connect(address, way, s, shared, &reason);
    }
    let failed = match by_libssh2(&way, job, s, shared) {
        Ok(lease) => return Ok(Box::new(Remote::new(lease, Duration::ZERO, way.permits))),
        Err(failed) => failed,
    };
    match failed.openssh.filter(|_| s.client == Client::Auto) {
        Some(reason) if carrier::is_installed() => carrier::connect(address, way, s, shared, &reason),
        _ => Err(*failed.error),
    }
}

fn by_libssh2(way: &Way, job: SshJob, s: &SshSettings, shared: &Shared) -> Result<Lease, NotConnected> {
    let mut lease = Lease::take(&shared.workers, way.label())?;
    lease.begin(Stage::Handshake, s.timeout, Duration::ZERO);
    lease.send(&Request::Ssh(Box::new(job)), &[])?;
    lease.connected(&mut |lease, hop, key| way.judge(lease, hop, key, s, shared))?;
    Ok(lease)
}

/// The use of one bastion; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    bastion: String,
    counts: Arc<Counts>,
}

/// Connections through each bastion at present.
#[derive(Debug, Default)]
pub(in crate::transport) struct Counts {
    used: Mutex<HashMap<String, usize>>,
    freed: Condvar,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut used = self.counts.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = used.get_mut(&self.bastion) {
            *count = count.saturating_sub(1);
        }
        self.counts.freed.notify_all();
    }
}

/// How long a connection may wait for its turn at a bastion.
const TURN: Duration = Duration::from_secs(600);

impl Counts {
    /// Waits for a turn at a bastion: servers drop connections beyond their `MaxStartups`.
    fn permit(self: &Arc<Self>, bastion: &str, limit: usize) -> Result<Permit, TransportError> {
        let deadline = Instant::now() + TURN;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while used.get(bastion).copied().unwrap_or(0) >= limit.max(1) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let cause = format!("all {limit} connections through it were busy for {} s", TURN.as_secs());
                return Err(TransportError::Unreachable { to: format!("bastion {bastion}"), cause, hint: None });
            }
            used =
                self.freed.wait_timeout(used, left).map_or_else(|poisoned| poisoned.into_inner().0, |(used, _)| used);
        }
        *used.entry(bastion.to_owned()).or_default() += 1;
        drop(used);
        Ok(Permit { bastion: bastion.to_owned(), counts: Arc::clone(self) })
    }
}
