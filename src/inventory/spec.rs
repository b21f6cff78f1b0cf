//! What one host shall be, complete and valid by construction.
//!
//! `resolve` is the only maker of these values: defaults, groups and host are
//! merged, names are looked up, networks are derived. Nothing downstream sees a raw option.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

pub use super::connection::{
    Become, Client, Connection, ElevateSettings, HostKeyPolicy, Jump, SshSettings, Trust, WinrmAuth, WinrmSettings,
};
use super::node::At;
use super::places::Places;
use super::rollout::Rollout;
use super::secret::Secret;
pub use super::tuning::{ExtensionField, HostTuning, Leap, LeapSource, Log, RateLimit, Seconds, SourceTuning};
use crate::calendar::Freeze;
use crate::facts::services::{self, Ability, Service};
use crate::firewall::{self, Word};
pub use crate::model::Role;

/// All hosts of an inventory, in the order of the file.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The hosts, in the order of the file.
    pub hosts: Vec<HostSpec>,
    /// Group name to the names of its hosts, in the order of the file.
    pub groups: BTreeMap<String, Vec<String>>,
    /// How a change goes over them.
    pub rollout: Rollout,
    /// Times in which nothing is changed.
    pub freeze: Vec<Freeze>,
    /// Things that are allowed but worth a second look, ready to print.
    pub warnings: Vec<String>,
}

/// One host of the fleet, resolved.
#[derive(Debug, Clone, Serialize)]
pub struct HostSpec {
    /// The name in the inventory.
    pub name: String,
    /// The address that the tool connects to.
    pub address: String,
    /// The addresses where others ask this host for time (normally `address`).
    #[serde(serialize_with = "one_or_many")]
    pub time_address: Vec<String>,
    /// The groups it is in.
    pub groups: Vec<String>,
    /// Master or slave.
    pub role: Role,
    /// Depth in the time hierarchy: 0 follows nobody of this inventory.
    pub tier: usize,
    /// How the tool reaches it.
    pub connection: Connection,
    /// The wanted time service.
    pub provider: ProviderChoice,
    /// The firewall to open.
    pub firewall: FirewallChoice,
    /// Where its packages come from.
    #[serde(skip_serializing_if = "Packages::is_usual")]
    pub packages: Packages,
    /// The playbook in place of the one of its time service.
    pub playbook: Option<String>,
    /// What becomes of the time that a Windows domain gives the host.
    pub domain_time: DomainTime,
    /// What the time service shall do.
    pub time: TimeSpec,
    /// What the proof has to show.
    pub limits: Limits,
    /// Free values for templates.
    pub vars: BTreeMap<String, Var>,
    /// Where the file says so.
    #[serde(skip)]
    pub places: Places,
    /// What its time service has to be able to do, and where the file says so.
    #[serde(skip)]
    pub needs: Vec<(Ability, At)>,
}

/// The time service that a host shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderChoice {
    /// The one that is active, else the distribution's own.
    Auto,
    /// This one.
    Named(&'static Service),
}

impl ProviderChoice {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        self.named().map_or("auto", |service| service.name)
    }

    /// Returns the service, if one is named.
    pub fn named(self) -> Option<&'static Service> {
        match self {
            ProviderChoice::Auto => None,
            ProviderChoice::Named(service) => Some(service),
        }
    }

    /// Every choice with its word.
    pub const WORDS: &[(&'static str, ProviderChoice)] = &{
        let mut words = [("auto", ProviderChoice::Auto); services::ALL.len() + 1];
        let mut index = 0;
        while index < services::ALL.len() {
            let service = services::ALL[index];
            index += 1;
            words[index] = (service.name, ProviderChoice::Named(service));
        }
        words
    };
}

impl Serialize for ProviderChoice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// Where the packages of a host come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Packages {
    /// A folder of this machine; else the repositories of the host.
    pub from: Option<PathBuf>,
}

impl Packages {
    fn is_usual(&self) -> bool {
        self.from.is_none()
    }
}

/// The firewall that is opened for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirewallChoice {
    /// The one that is active on the host, if any.
    Auto,
    /// Leave every firewall alone.
    None,
    /// This one.
    Named(Word),
}

impl FirewallChoice {
    /// Returns the word of the inventory.
    pub fn word(self) -> &'static str {
        match self {
            FirewallChoice::Auto => "auto",
            FirewallChoice::None => Word::NONE.as_str(),
            FirewallChoice::Named(word) => word.as_str(),
        }
    }

    /// Returns all that may be said.
    pub fn all() -> Vec<Self> {
        let named = firewall::every().map(|firewall| FirewallChoice::Named(Word::of(firewall)));
        [FirewallChoice::Auto, FirewallChoice::None].into_iter().chain(named).collect()
    }
}

impl Serialize for FirewallChoice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// What becomes of the time that a Windows domain gives to its members and controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DomainTime {
    /// The host stays in the domain's hierarchy: it is refused here.
    Keep,
    /// The sources of this inventory replace it.
    Replace,
}

/// What the time service of a host shall do.
#[derive(Debug, Clone, Serialize)]
pub struct TimeSpec {
    /// Where it gets its time, in the order of the file.
    pub sources: Vec<Source>,
    /// Who may ask it: declared networks and the addresses of its followers, none covered by another.
    pub serve: Vec<IpNet>,
    /// The addresses of its followers in the inventory, as far as they are known.
    pub followers: Vec<IpAddr>,
    /// Set on a master that has to go on without any outside time: the stratum it then claims.
    pub isolated: Option<u8>,
    /// Whether going by its own clock is a failure of an isolated master that has an upstream.
    pub alarm: bool,
    /// Whether the time service sets the clock, as it does everywhere but in a container.
    pub sets_clock: bool,
    /// When the clock may jump.
    pub step: StepPolicy,
    /// Further lines for the configuration file, verbatim; never with a line break inside.
    pub extra: Vec<String>,
    /// What else it is told of the host.
    #[serde(flatten)]
    pub tuning: HostTuning,
}

impl TimeSpec {
    /// The addresses and names of its sources.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.address.as_str())
    }
}

/// One time source of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Address or name to ask.
    pub address: String,
    /// The host of this inventory that stands behind it, if any.
    pub host: Option<String>,
    /// The addresses of that host that the inventory has.
    pub known: Vec<IpAddr>,
    /// Whether that is a Windows host, or passes the time of one on: its root dispersion may be seconds.
    pub windows: bool,
    /// Whether that host shall get its time from somebody, and not go on with its own clock.
    pub fed: bool,
    /// The reference identifiers that the host behind it announces if it follows what the inventory says
    /// (`model::OWN_CLOCK` for any that stands for its own clock); empty where the inventory does not tell.
    #[serde(skip)]
    pub references: Vec<u32>,
    /// Another isolated master, which must agree with this one; none of them is above the other.
    pub orphan: bool,
    /// A name that stands for several servers (chrony and ntpd `pool`).
    pub pool: bool,
    /// Preferred over the others when both are good.
    pub prefer: bool,
    /// Asks quickly at the start.
    pub iburst: bool,
    /// Least poll interval, log2 seconds.
    pub minpoll: Option<i8>,
    /// Greatest poll interval, log2 seconds.
    pub maxpoll: Option<i8>,
    /// What else the time service is told of it.
    #[serde(flatten)]
    pub tuning: SourceTuning,
}

impl Source {
    /// Returns whether it is asked by a name, and not by an address.
    pub fn is_named(&self) -> bool {
        self.address.parse::<IpAddr>().is_err()
    }
}

/// When the clock of a host may jump instead of being slewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "policy")]
pub enum StepPolicy {
    /// Never: slew whatever the offset is.
    Never,
    /// Whenever the offset is greater than `over`.
    Always {
        /// Threshold.
        #[serde(with = "humantime_serde")]
        over: Duration,
    },
    /// In the first updates after the service started, when the offset is greater than `over`.
    AtStart {
        /// Threshold.
        #[serde(with = "humantime_serde")]
        over: Duration,
        /// Number of clock updates in which a step is allowed.
        updates: u32,
    },
}

/// The limits that the proof is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Greatest error bound: |offset| + delay/2 + root delay/2 + root dispersion.
    #[serde(with = "humantime_serde")]
    pub max_error: Duration,
    /// Greatest stratum of a source.
    pub max_stratum: u8,
    /// Greatest step of the clock that `apply` lets happen; `None` is any.
    #[serde(with = "humantime_serde")]
    pub max_step: Option<Duration>,
    /// How long `apply` and `verify` wait for the limits to be met.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// How long reading may take, each of its two executions; a package manager may have to wait for its lock.
    #[serde(with = "humantime_serde")]
    pub read: Duration,
}

/// A value for templates; a secret one is hidden wherever it would be shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Var {
    /// Text.
    Text(String),
    /// Whole number, with all its digits.
    Whole(i128),
    /// Number with a fraction.
    Number(f64),
    /// Truth value.
    Bool(bool),
    /// Secret text.
    Secret(Secret),
}

/// One is written as the inventory has it most often: a word, and not a list of one.
fn one_or_many<S: serde::Serializer>(addresses: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match addresses {
        [one] => serializer.serialize_str(one),
        many => many.serialize(serializer),
    }
}

impl HostSpec {
    /// Returns whether it is a Windows host.
    pub fn is_windows(&self) -> bool {
        matches!(self.connection, Connection::Winrm(_))
    }

    /// Returns whether the inventory lets the hypervisor set the clock (a variable of the Windows playbook).
    pub fn by_hypervisor(&self) -> bool {
        self.is_windows() && matches!(self.vars.get("hypervisor_time"), Some(Var::Bool(true)))
    }

    /// Returns the playbook of the host: its own, else that of its time service.
    pub fn playbook_or<'a>(&'a self, usual: &'a str) -> &'a str {
        self.playbook.as_deref().unwrap_or(usual)
    }

    /// Returns the addresses where others ask it that are written as numbers.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.time_address.iter().filter_map(|address| address.parse().ok())
    }

    /// Returns the address from which it asks another one, as far as the inventory says it.
    pub fn ip_towards(&self, other: IpAddr) -> Option<IpAddr> {
        self.ips().find(|own| own.is_ipv4() == other.is_ipv4())
    }

    /// Fetches every secret that is needed to contact the host or to render its files.
    ///
    /// # Errors
    /// One of them is not where it should be.
    pub fn resolve_secrets(&self) -> anyhow::Result<()> {
        self.secret_vars().try_for_each(Secret::resolve)?;
        self.login_secrets().into_iter().try_for_each(Secret::resolve_line)
    }

    /// Returns every secret that the host knows or is reached with.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secret_vars().chain(self.login_secrets())
    }

    /// Those that it is reached with.
    fn login_secrets(&self) -> Vec<&Secret> {
        let (login, elevate) = match &self.connection {
            Connection::Ssh(ssh) => ([ssh.password.as_ref(), ssh.passphrase.as_ref()], Some(&ssh.elevate)),
            Connection::Local(elevate) => ([None, None], Some(elevate)),
            Connection::Winrm(winrm) => ([winrm.password.as_ref(), None], None),
        };
        login.into_iter().chain([elevate.and_then(|elevate| elevate.password.as_ref())]).flatten().collect()
    }

    /// Returns the secret values that may stand in its files.
    pub fn secret_vars(&self) -> impl Iterator<Item = &Secret> {
        self.vars.values().filter_map(|var| match var {
            Var::Secret(secret) => Some(secret),
            _ => None,
        })
    }
}
