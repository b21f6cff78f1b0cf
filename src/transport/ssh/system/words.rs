//! What `ssh` says when it cannot log in, as one of our errors.

use super::SystemJob;
use super::askpass::Answers;
use crate::transport::TransportError;

/// Lines of a warning that say what is the matter; the rest of it is a frame and advice.
const KEY_WORDS: &[&str] =
    &["Offending ", "SHA256:", "Certificate invalid", "revoked", "Host key for ", "host key is known"];

/// Signs of a host key that is not trusted.
const KEY_SIGNS: &[&str] = &["Host key verification failed", "IDENTIFICATION HAS CHANGED", "strict checking"];

/// Signs of a login that was refused.
const LOGIN_SIGNS: &[&str] = &["Permission denied", "Too many authentication failures", "no authentication methods"];

/// The line that has one of these.
fn with<'a>(said: &'a str, signs: &[&str]) -> Option<&'a str> {
    said.lines().map(str::trim).find(|line| signs.iter().any(|sign| line.contains(sign)))
}

/// Whether the server closed the connection before it said its name. The host behind a bastion seems to, too,
/// where the bastion's key or our login there was refused.
pub(super) fn was_dropped(said: &str) -> bool {
    let closed = |line: &str| line.contains("kex_exchange_identification: ") && !line.contains("banner line");
    said.lines().any(closed) && with(said, KEY_SIGNS).or_else(|| with(said, LOGIN_SIGNS)).is_none()
}

/// The error for a login that did not come to be.
pub(super) fn failure(job: &SystemJob, said: &str, answers: &Answers) -> TransportError {
    let to = job.label.clone();
    if with(said, KEY_SIGNS).is_some() {
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        return TransportError::HostKey { to, cause: host_key(&lines), hint: HOST_KEY_HINT.to_owned() };
    }
    // What stands after it is of an `ssh` whose bastion has gone.
    let refused = with(said, LOGIN_SIGNS);
    let last = refused.or_else(|| said.lines().map(str::trim).rfind(|line| !line.is_empty()));
    let last = last.map(|line| format!("ssh: {}", strip(line.strip_prefix("ssh: ").unwrap_or(line))));
    if refused.is_some() || answers.is_over() {
        // One that was ended because of its question has nothing to say.
        let cause = refused.and(last).into_iter().chain(asked(answers)).chain(locked(answers));
        let hint = "see `user`, `key`, `password` and `passphrase` of the host, the certificate beside the key \
                    (`KEY-cert.pub`) and the keys of the agent (`ssh-add -l`)";
        let cause = cause.collect::<Vec<_>>().join("; ");
        return TransportError::Login { to, user: job.user.clone(), cause, hint: hint.to_owned() };
    }
    let cause = last.unwrap_or_else(|| "ssh: it ended without a word".to_owned());
    TransportError::Unreachable { to, cause, hint: Some("`ssh -v` to the host shows more".to_owned()) }
}

/// What was asked that had no answer.
fn asked(answers: &Answers) -> Option<String> {
    let question = answers.unanswered.as_ref()?;
    Some(match answers.again {
        true => format!("the password was tried once and refused: it is asked for again, `{}`", strip(question)),
        false => format!("`{}` is asked, and there is no answer to that", strip(question)),
    })
}

fn locked(answers: &Answers) -> Option<String> {
    answers
        .locked
        .as_ref()
        .map(|key| format!("the key {} is encrypted and was not opened; set `passphrase`", strip(key)))
}

const HOST_KEY_HINT: &str = "compare the fingerprint at the server's console; then `fleetclock trust HOST`, or for a \
                             certificate mend its `@cert-authority` line in known_hosts, its names or its validity";

/// What is said of the key, without the frame around it.
fn host_key(lines: &[&str]) -> String {
    let telling: Vec<&str> = lines
        .iter()
        .filter(|line| KEY_WORDS.iter().any(|word| line.contains(word)))
        .map(|line| line.trim_end_matches(['.', '\r']))
        .collect();
    if telling.is_empty() { format!("ssh: {}", lines.join(" ")) } else { format!("ssh: {}", telling.join("; ")) }
}

/// Without control characters of whoever wrote it.
fn strip(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_ssh_become_the_right_kind_of_error() {
        let job = SystemJob { label: "h:22".into(), user: "ops".into(), ..SystemJob::default() };
        let changed = "@@@@\n@  WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @\n@@@@\nIT IS POSSIBLE\n\
                       The fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.\n\
                       Offending ED25519 key in /kh:1\nHost key verification failed.\n";
        for (said, wanted) in [
            (changed, "host key of h:22: ssh: SHA256:abc; Offending ED25519 key in /kh:1"),
            (
                "Certificate invalid: name is not a listed principal\nNo ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.\n",
                "host key of h:22: ssh: Certificate invalid: name is not a listed principal; No ED25519 host key is known \
                 for h and you have requested strict checking",
            ),
            (
                "ops@h: Permission denied (publickey,password).\n",
                "log in to h:22 as `ops`: ssh: ops@h: Permission denied (publickey,password).",
            ),
            (
                "ssh: connect to host h port 22: Connection refused\r\n",
                "connect h:22: ssh: connect to host h port 22: Connection refused",
            ),
            ("", "connect h:22: ssh: it ended without a word"),
            (BEHIND_A_BASTION, "log in to h:22 as `ops`: ssh: ops@gate: Permission denied (publickey,password)."),
        ] {
            assert_eq!(failure(&job, said, &Answers::default()).to_string(), wanted);
        }
        let refused = "ops@h: Permission denied (keyboard-interactive).";
        assert!(was_dropped(
            "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by h port 22"
        ));
        assert!(!was_dropped(refused) && !was_dropped(changed) && !was_dropped(BEHIND_A_BASTION));
        let changed = format!("{changed}kex_exchange_identification: Connection closed by remote host\r\n");
        assert!(!was_dropped(&changed), "a bastion's key was refused");
    }

    /// A login at a bastion that is refused, as two `ssh` say it.
    const BEHIND_A_BASTION: &str = "ops@gate: Permission denied (publickey,password).\r\n\
                                    kex_exchange_identification: Connection closed by remote host\r\n\
                                    Connection closed by UNKNOWN port 65535\r\n";

    #[test]
    fn what_was_asked_and_not_answered_is_said() {
        let job = SystemJob { label: "h:22".into(), user: "ops".into(), ..SystemJob::default() };
        let own = |text: &str| Some(text.to_owned());
        let refused = "ops@h: Permission denied (publickey).\n";
        for (said, (unanswered, again, locked), wanted) in [
            (
                "",
                (own("Verification code:"), false, None),
                "log in to h:22 as `ops`: `Verification code:` is asked, and there is no answer to that",
            ),
            (
                "kex_exchange_identification: Connection closed by remote host\n",
                (own("ops@gate's password:"), true, None),
                "log in to h:22 as `ops`: the password was tried once and refused: it is asked for again, \
                 `ops@gate's password:`",
            ),
            (
                refused,
                (None, false, own("/home/ops/.ssh/id_rsa")),
                "log in to h:22 as `ops`: ssh: ops@h: Permission denied (publickey).; the key /home/ops/.ssh/id_rsa \
                 is encrypted and was not opened; set `passphrase`",
            ),
        ] {
            let mut answers = Answers::new(None, None);
            (answers.unanswered, answers.again, answers.locked) = (unanswered, again, locked);
            assert_eq!(failure(&job, said, &answers).to_string(), wanted);
        }
    }
}
