//! What `ssh` says when it cannot log in, as one of our errors.

use super::SystemJob;
use crate::transport::TransportError;

/// Lines of a warning that say what is the matter; the rest of it is a frame and advice.
const KEY_WORDS: &[&str] =
    &["Offending ", "SHA256:", "Certificate invalid", "revoked", "Host key for ", "host key is known"];

/// Signs of a host key that is not trusted.
const KEY_SIGNS: &[&str] = &["Host key verification failed", "IDENTIFICATION HAS CHANGED", "strict checking"];

/// Signs of a login that was refused.
const LOGIN_SIGNS: &[&str] = &["Permission denied", "Too many authentication failures", "no authentication methods"];

/// Whether the server closed the connection before it said its name.
pub(super) fn was_dropped(said: &str) -> bool {
    said.lines().any(|line| line.contains("kex_exchange_identification: ") && !line.contains("banner line"))
}

/// The error for a login that did not come to be.
pub(super) fn failure(job: &SystemJob, said: &str, unanswered: Option<&str>, again: bool) -> TransportError {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let has = |signs: &[&str]| lines.iter().any(|line| signs.iter().any(|sign| line.contains(sign)));
    let to = job.label.clone();
    if has(KEY_SIGNS) {
        return TransportError::HostKey { to, cause: host_key(&lines), hint: HOST_KEY_HINT.to_owned() };
    }
    let last = lines.last().copied().unwrap_or("it ended without a word");
    let cause = format!("ssh: {}", strip(last.strip_prefix("ssh: ").unwrap_or(last)));
    if has(LOGIN_SIGNS) {
        let asked = match (unanswered, again) {
            (_, true) => "; the password was tried once".to_owned(),
            (Some(question), _) => format!("; the server asked `{question}`, and there is no answer to that"),
            (None, _) => String::new(),
        };
        let hint = "see `user`, `key`, `password` and `passphrase` of the host, the certificate beside the key \
                    (`KEY-cert.pub`) and the keys of the agent (`ssh-add -l`)";
        return TransportError::Login { to, user: job.user.clone(), cause: cause + &asked, hint: hint.to_owned() };
    }
    TransportError::Unreachable { to, cause, hint: Some("`ssh -v` to the host shows more".to_owned()) }
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
        ] {
            assert_eq!(failure(&job, said, None, false).to_string(), wanted);
        }
        let refused = "ops@h: Permission denied (keyboard-interactive).";
        let asked = failure(&job, refused, Some("Verification code:"), false).to_string();
        assert!(asked.ends_with("the server asked `Verification code:`, and there is no answer to that"), "{asked}");
        assert!(was_dropped(
            "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by h port 22"
        ));
        assert!(!was_dropped(refused) && !was_dropped(changed));
        assert!(failure(&job, refused, None, true).to_string().ends_with("the password was tried once"));
    }
}
