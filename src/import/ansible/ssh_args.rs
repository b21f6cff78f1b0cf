//! Arguments of `ssh` in Ansible's variables: the bastion in them, and what else has a place of its own.

use super::connect::path;
use super::view::View;
use crate::import::words::{is_address, split};
use crate::yaml::out::Out;
use crate::yaml::tree::At;

/// Options that change nothing here: we keep connections ourselves, and say less by ourselves.
const IDLE: &[&str] = &[
    "controlmaster",
    "controlpersist",
    "controlpath",
    "loglevel",
    "compression",
    "batchmode",
    "serveraliveinterval",
    "serveralivecountmax",
    "tcpkeepalive",
    "preferredauthentications",
    "passwordauthentication",
    "gssapiauthentication",
];

/// Options of one letter that have no argument; none of them means anything here.
const FLAGS: &str = "46AaCfGgKkMNnqsTtVvXxYy";

/// An option and its argument.
type Pair = (String, String);

/// Takes over what can be; the rest is noted by its name only, for it may hold a password.
pub(super) fn take(view: &mut View<'_>, at: At, name: &str, text: &str) {
    let Some((pairs, _)) = split(text, false).as_deref().and_then(options) else {
        view.notes.say(at, format!("`{name}` could not be understood; left out. What is in the ssh_config counts"));
        return;
    };
    for (option, value) in pairs {
        take_one(view, at, name, &option, &value);
    }
}

fn take_one(view: &mut View<'_>, at: At, name: &str, option: &str, value: &str) {
    match option {
        "proxyjump" => jump(view, at, value),
        "proxycommand" => command(view, at, value),
        "identityfile" => view.set("ssh", "key", Out::text(path(value))),
        "user" => view.set("ssh", "user", Out::text(value)),
        "port" => match value.parse() {
            Ok(port) => view.set("ssh", "port", Out::Number(port)),
            Err(_) => view.notes.say(at, format!("`{name}`: no port; left out")),
        },
        "configfile" => view.set("ssh", "config", Out::text(path(value))),
        "connecttimeout" if value.parse::<u32>().is_ok() => view.set("ssh", "timeout", Out::text(format!("{value}s"))),
        "stricthostkeychecking" => host_key(view, at, value),
        "userknownhostsfile" if value == "/dev/null" => {
            let text =
                "no host key is remembered (`UserKnownHostsFile=/dev/null`): left out; ~/.ssh/known_hosts counts";
            view.notes.say(at, text);
        }
        "userknownhostsfile" => view.set("ssh", "known_hosts", Out::text(path(value))),
        idle if IDLE.contains(&idle) => {}
        other => {
            let text = format!(
                "`{name}`: the option `{other}` has no counterpart; where it is needed, write it into the ssh_config"
            );
            view.notes.say(at, text);
        }
    }
}

fn host_key(view: &mut View<'_>, at: At, value: &str) {
    match value.to_lowercase().as_str() {
        "no" | "off" => {
            view.set("ssh", "host_key", Out::text("accept-new"));
            let text = "host keys are not checked at all (`StrictHostKeyChecking=no`): written as `accept-new`; a key that \
                        changes is refused";
            view.notes.say(at, text);
        }
        "accept-new" => view.set("ssh", "host_key", Out::text("accept-new")),
        _ => view.set("ssh", "host_key", Out::text("strict")),
    }
}

fn jump(view: &mut View<'_>, at: At, value: &str) {
    let hops: Vec<Out> = value.split(',').map(str::trim).filter(|hop| is_hop(hop)).map(Out::text).collect();
    if hops.len() != value.split(',').count() {
        return view.notes.say(at, "the bastion of `ProxyJump` could not be understood; left out");
    }
    view.set("ssh", "jump", Out::List(hops));
}

/// `[USER@]HOST[:PORT]`.
fn is_hop(text: &str) -> bool {
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let (bare, port) = host.rsplit_once(':').unwrap_or((host, "22"));
    is_address(host) || (is_address(bare.trim_matches(['[', ']'])) && port.parse::<u16>().is_ok())
}

/// `ssh -W %h:%p USER@BASTION` is a bastion; other commands are those of the ssh_config.
fn command(view: &mut View<'_>, at: At, value: &str) {
    match bastion(value) {
        Some((hop, rest)) => {
            view.set("ssh", "jump", Out::List(vec![Out::text(hop)]));
            for option in rest {
                let text = format!(
                    "the bastion's option `{option}` has no counterpart; where it is needed, write it into the ssh_config"
                );
                view.notes.say(at, text);
            }
        }
        None => {
            let text = "a `ProxyCommand` other than `ssh -W %h:%p BASTION` has no counterpart; write it into the ssh_config, \
                        which is read";
            view.notes.say(at, text);
        }
    }
}

/// The bastion of such a command, and the names of its options that were not understood.
fn bastion(value: &str) -> Option<(String, Vec<String>)> {
    let words = split(value, false)?;
    let (program, rest) = words.split_first()?;
    (program.rsplit('/').next() == Some("ssh")).then_some(())?;
    let (pairs, destination) = options(rest)?;
    let target = pairs.iter().find(|(name, _)| name == "W").map(|(_, target)| target.as_str());
    (target.map(|target| target.replace(['[', ']'], "")) == Some("%h:%p".to_owned())).then_some(())?;
    let find = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let (user, host) = match destination?.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host.to_owned()),
        None => (find("user"), destination?.clone()),
    };
    let port = find("port").filter(|port| port != "22");
    let host = if host.contains(':') && port.is_some() { format!("[{host}]") } else { host };
    let user = user.map_or(String::new(), |user| format!("{user}@"));
    let hop = format!("{user}{host}{}", port.map_or(String::new(), |port| format!(":{port}")));
    let known = |name: &str| {
        ["W", "port", "user", "stricthostkeychecking", "userknownhostsfile"].contains(&name) || IDLE.contains(&name)
    };
    let rest = pairs.iter().map(|(name, _)| name.clone()).filter(|name| !known(name)).collect();
    is_hop(&hop).then_some((hop, rest))
}

/// The options of `ssh` by their long names, and the destination.
fn options(words: &[String]) -> Option<(Vec<Pair>, Option<&String>)> {
    let (mut pairs, mut destination) = (Vec::new(), None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-') else {
            destination = destination.or(Some(word));
            continue;
        };
        let flags = letters.find(|c: char| !FLAGS.contains(c)).unwrap_or(letters.len());
        let Some(letter) = letters.get(flags..).and_then(|rest| rest.chars().next()) else { continue };
        let attached = letters.get(flags + letter.len_utf8()..).filter(|value| !value.is_empty());
        let value = match attached {
            Some(value) => value.to_owned(),
            None => words.next()?.clone(),
        };
        pairs.push(long(letter, value));
    }
    Some((pairs, destination))
}

fn long(letter: char, value: String) -> Pair {
    let name = match letter {
        'o' => {
            let (name, value) = value.split_once(['=', ' ']).unwrap_or((&value, ""));
            return (name.trim().to_lowercase(), value.trim().trim_start_matches('=').trim().to_owned());
        }
        'J' => "proxyjump",
        'i' => "identityfile",
        'l' => "user",
        'p' => "port",
        'F' => "configfile",
        other => return (other.to_string(), value),
    };
    (name.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bastions_as_people_write_them() {
        for (command, hop) in [
            ("ssh -W %h:%p -q bastion.lab", Some("bastion.lab")),
            ("ssh -q -W %h:%p ops@10.0.0.9", Some("ops@10.0.0.9")),
            ("/usr/bin/ssh -p 2222 -l ops -W [%h]:%p gate", Some("ops@gate:2222")),
            ("ssh -o StrictHostKeyChecking=no -i key.pem -W %h:%p -p2022 ec2-user@gate", Some("ec2-user@gate:2022")),
            ("ssh -A -T gate -W %h:%p", Some("gate")),
            ("sshpass -p secret ssh -W %h:%p gate", None),
            ("nc -X 5 -x proxy:1080 %h %p", None),
            ("ssh gate nc %h %p", None),
        ] {
            assert_eq!(bastion(command).map(|(hop, _)| hop).as_deref(), hop, "{command}");
        }
    }
}
