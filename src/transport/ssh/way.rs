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
use crate::inventory::spec::{Client, Jump, SshSettings};
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
        let mut targets = bastions(configs, &target, s)?;
        let permits = targets.iter().map(|hop| shared.bastions.permit(&hop.label(), s.jump_limit, TURN));
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
                own_keys: target.more.own_keys,
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

/// The bastions before a host, outermost first. The first that is named may have bastions of its own in the
/// ssh_config; the others are reached through the one before them, whatever stands there.
fn bastions(configs: &Configs, target: &Target, s: &SshSettings) -> Result<Vec<Target>, TransportError> {
    let hop = |jump: &Jump, before: Vec<Jump>| {
        let settings = SshSettings { jump: before, ..s.clone() };
        configs.target(&jump.address, jump.user.as_deref().or(s.user.as_deref()), jump.port, &settings)
    };
    let (mut bastions, mut jumps, mut seen) = (Vec::new(), target.jump.clone(), vec![target.label()]);
    while let Some((first, others)) = jumps.split_first() {
        let outer = hop(first, Vec::new())?;
        let others = others.iter().map(|jump| hop(jump, vec![first.clone()])).collect::<Result<Vec<_>, _>>()?;
        jumps = outer.jump.clone();
        if !jumps.is_empty() && seen.contains(&outer.label()) {
            return Err(circle(&outer.label(), seen.last().map_or("", String::as_str)));
        }
        seen.push(outer.label());
        bastions.splice(0..0, std::iter::once(outer).chain(others));
    }
    Ok(bastions)
}

fn circle(bastion: &str, before: &str) -> TransportError {
    TransportError::Own {
        what: "find the way through bastions".to_owned(),
        cause: format!("by the ssh_config the way to {before} leads through {bastion}, which it has come from"),
        hint: "leave the bastion itself out of the lines with its `ProxyJump` (`Host * !gate`); no host was contacted"
            .to_owned(),
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

/// How long a connection may wait for its turn at a bastion. It is not `timeout`, the limit for a host that is
/// silent: whoever has a place keeps it while its host is worked on (`limits.read`, a change and its proof), and
/// behind a narrow bastion several of those come before it. It ends at all only because a place that is never
/// given back must not hold up the run for ever.
const TURN: Duration = Duration::from_secs(600);

impl Counts {
    /// Waits for a turn at a bastion: servers drop connections beyond their `MaxStartups`.
    fn permit(self: &Arc<Self>, bastion: &str, limit: usize, turn: Duration) -> Result<Permit, TransportError> {
        let deadline = Instant::now() + turn;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while used.get(bastion).copied().unwrap_or(0) >= limit.max(1) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(crowded(bastion, limit, turn));
            }
            used =
                self.freed.wait_timeout(used, left).map_or_else(|poisoned| poisoned.into_inner().0, |(used, _)| used);
        }
        *used.entry(bastion.to_owned()).or_default() += 1;
        drop(used);
        Ok(Permit { bastion: bastion.to_owned(), counts: Arc::clone(self) })
    }
}

fn crowded(bastion: &str, limit: usize, turn: Duration) -> TransportError {
    let cause = format!("all {limit} connections through it were busy for {} s", turn.as_secs());
    let hint = "a higher `jump_limit` lets more through at a time, if the bastion's `MaxStartups` and `MaxSessions` do; \
                fewer `--forks` let fewer wait";
    TransportError::Unreachable { to: format!("bastion {bastion}"), cause, hint: Some(hint.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(address: &str) -> Jump {
        Jump { user: None, address: address.to_owned(), port: None }
    }

    /// The bastions of a host by an ssh_config, with those of the inventory.
    fn way(text: &str, jump: Vec<Jump>) -> Result<Vec<String>, TransportError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, text).unwrap();
        let settings = SshSettings { config: Some(file), jump, ..carrier::tests::settings() };
        let configs = Configs::default();
        let target = configs.target("in", None, None, &settings)?;
        let word = |target: Target| format!("{} {}", target.host, target.more.beyond.join(" ")).trim().to_owned();
        Ok(bastions(&configs, &target, &settings)?.into_iter().map(word).collect())
    }

    #[test]
    fn the_first_bastion_is_reached_as_the_ssh_config_says() {
        let text = "Host in\n  ProxyJump mid,near\nHost mid\n  ProxyJump out\nHost near\n  ProxyJump nowhere\n";
        assert_eq!(way(text, vec![]).unwrap(), ["out", "mid", "near"]);
        assert_eq!(way(text, vec![jump("mid")]).unwrap(), ["out", "mid"]);
        assert_eq!(way(text, vec![jump("other"), jump("mid")]).unwrap(), ["other", "mid"]);
        assert_eq!(way("Host *\n", vec![]).unwrap(), Vec::<String>::new());
        let command = "Host gate\n  ProxyCommand nc x 22\n";
        assert_eq!(way(command, vec![jump("gate")]).unwrap(), ["gate proxycommand"]);
        assert_eq!(way(command, vec![jump("other"), jump("gate")]).unwrap(), ["other", "gate"]);
    }

    #[test]
    fn who_waits_in_vain_for_a_turn_is_told_what_is_too_narrow() {
        let (counts, moment) = (Arc::new(Counts::default()), Duration::from_millis(10));
        let held = counts.permit("gate", 1, moment).unwrap();
        assert!(counts.permit("other", 1, moment).is_ok());
        let error = counts.permit("gate", 1, moment).unwrap_err();
        assert!(error.to_string().contains("all 1 connections through it were busy"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("jump_limit")), "{error:?}");
        drop(held);
        assert!(counts.permit("gate", 1, moment).is_ok());
    }

    #[test]
    fn a_way_that_leads_to_itself_is_refused() {
        for text in ["Host *\n  ProxyJump gate\n", "Host in b\n  ProxyJump a\nHost a\n  ProxyJump b\n"] {
            let error = way(text, vec![]).unwrap_err();
            assert!(error.is_own() && error.to_string().contains("leads through"), "{error}");
        }
        assert_eq!(way("Host * !gate\n  ProxyJump gate\n", vec![]).unwrap(), ["gate"]);
    }
}
