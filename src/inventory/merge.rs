//! What a host says wins over its groups, and these over the defaults.

use super::read::Settings;
use super::ssh::SshLines;

impl Settings {
    /// Puts these settings over `below`. Lists replace; `limits`, `vars` and `ssh` merge by key.
    pub(super) fn over(self, below: Settings) -> Settings {
        let mut vars = below.vars;
        vars.extend(self.vars);
        // The nearest way to connect counts: a `winrm` of its own means that a host is not `local`, whatever
        // its groups say. The other way round [`Settings::complete`] takes `winrm` out.
        let local = self.local.or(below.local.filter(|_| self.winrm.is_none()));
        let winrm = match (self.winrm, below.winrm) {
            (Some((own, at)), Some((below, _))) => Some((own.over(below), at)),
            (own, below) => own.or(below),
        };
        Settings {
            role: self.role.or(below.role),
            upstream: self.upstream.or(below.upstream),
            follows: self.follows.or(below.follows),
            serve: self.serve.or(below.serve),
            isolated: self.isolated.or(below.isolated),
            sets_clock: self.sets_clock.or(below.sets_clock),
            provider: self.provider.or(below.provider),
            firewall: self.firewall.or(below.firewall),
            step: self.step.or(below.step),
            max_error: self.max_error.or(below.max_error),
            max_stratum: self.max_stratum.or(below.max_stratum),
            max_step: self.max_step.or(below.max_step),
            deadline: self.deadline.or(below.deadline),
            read: self.read.or(below.read),
            vars,
            extra: self.extra.or(below.extra),
            ssh: self.ssh.over(below.ssh),
            winrm,
            local,
            playbook: self.playbook.or(below.playbook),
            domain_time: self.domain_time.or(below.domain_time),
        }
    }
}

impl Settings {
    /// The settings of a host when all levels have been merged: this machine itself is not reached over WinRM.
    pub(super) fn complete(mut self) -> Settings {
        self.winrm = self.winrm.filter(|_| self.local.is_none_or(|(local, _)| !local));
        self
    }
}

impl SshLines {
    fn over(self, below: SshLines) -> SshLines {
        SshLines {
            user: self.user.or(below.user),
            port: self.port.or(below.port),
            keys: self.keys.or(below.keys),
            passphrase: self.passphrase.or(below.passphrase),
            password: self.password.or(below.password),
            method: self.method.or(below.method),
            become_password: self.become_password.or(below.become_password),
            jump: self.jump.or(below.jump),
            jump_limit: self.jump_limit.or(below.jump_limit),
            host_key: self.host_key.or(below.host_key),
            known_hosts: self.known_hosts.or(below.known_hosts),
            config: self.config.or(below.config),
            timeout: self.timeout.or(below.timeout),
            client: self.client.or(below.client),
        }
    }
}
