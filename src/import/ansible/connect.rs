//! How a host is reached: the variables of Ansible's connections.

use super::view::View;
use super::{ssh_args, windows};
use crate::import::words::{is_address, truth};
use crate::yaml::out::Out;
use crate::yaml::tree::At;

/// What becomes of a host.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Way {
    Taken,
    /// It is nothing that we could reach; why.
    LeftOut(At, String),
}

/// Translates the connection of a host.
pub(super) fn connect(view: &mut View<'_>) -> Way {
    address(view);
    let connection = view.text(&["ansible_connection"]).map(|(at, text)| (at, plain(&text).to_owned()));
    let (at, word) = connection.unwrap_or((At::default(), "ssh".to_owned()));
    let shell = view.text(&["ansible_shell_type"]).map(|(_, text)| plain(&text).to_owned());
    match word.as_str() {
        "winrm" => windows::winrm(view, "winrm"),
        "psrp" => windows::winrm(view, "psrp"),
        "local" => local(view),
        "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "libssh" if windows_shell(shell.as_deref()) => {
            return Way::LeftOut(at, "a Windows host over SSH, which is not built: give it WinRM".to_owned());
        }
        "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "libssh" => ssh(view),
        other => return Way::LeftOut(at, format!("`ansible_connection: {other}` is neither SSH, WinRM nor local")),
    }
    Way::Taken
}

fn windows_shell(shell: Option<&str>) -> bool {
    matches!(shell, Some("powershell" | "cmd"))
}

/// A plugin by its short name: `community.general.doas` is `doas`.
pub(super) fn plain(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn address(view: &mut View<'_>) {
    let Some((at, text)) = view.text(&["ansible_ssh_host", "ansible_host"]) else { return };
    if text == view.host.name {
        return;
    }
    match is_address(&text) {
        true => view.host.address = Some(text),
        false => view.notes.say(at, format!("`ansible_host`: `{text}` is neither an address nor a name; left out")),
    }
}

fn local(view: &mut View<'_>) {
    view.set("", "local", Out::Bool(true));
    become_root(view, None);
}

fn ssh(view: &mut View<'_>) {
    let user = view.text(&["ansible_ssh_user", "ansible_user"]).map(|(_, user)| user);
    if let Some(user) = &user {
        view.set("ssh", "user", Out::text(user));
    }
    if let Some((_, port)) = view.number(&["ansible_ssh_port", "ansible_port"], 65_535).filter(|(_, port)| *port != 22)
    {
        view.set("ssh", "port", Out::Number(port));
    }
    if let Some((_, key)) = view.text(&["ansible_ssh_private_key_file", "ansible_private_key_file"]) {
        view.set("ssh", "key", Out::text(path(&key)));
    }
    if let Some(password) =
        view.secret(&["ansible_ssh_password", "ansible_ssh_pass", "ansible_password"], "SSH_PASSWORD")
    {
        view.set("ssh", "password", password);
    }
    if let Some(passphrase) = view.secret(&["ansible_ssh_private_key_passphrase"], "SSH_PASSPHRASE") {
        view.set("ssh", "passphrase", passphrase);
    }
    if let Some((_, seconds)) = view.number(&["ansible_ssh_timeout", "ansible_timeout"], 3_600) {
        view.set("ssh", "timeout", Out::text(format!("{seconds}s")));
    }
    for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"] {
        if let Some((at, text)) = view.text(&[name]) {
            ssh_args::take(view, at, name, &text);
        }
    }
    host_keys(view);
    become_root(view, user.as_deref());
    without_counterpart(view);
}

/// A relative path begins where Ansible was started, which is where this is.
pub(super) fn path(text: &str) -> String {
    if text.starts_with(['~', '/']) {
        return text.to_owned();
    }
    std::path::absolute(text).map_or_else(|_| text.to_owned(), |path| path.display().to_string())
}

fn host_keys(view: &mut View<'_>) {
    let said = view.truth(&["ansible_ssh_host_key_checking", "ansible_host_key_checking"]);
    if let Some((at, false)) = said {
        view.set("ssh", "host_key", Out::text("accept-new"));
        view.notes.say(at, "host keys are not checked at all: written as `accept-new`; a key that changes is refused");
    }
}

/// How root rights are got, of the programs that are known here.
const METHODS: &[&str] = &["sudo", "doas", "su", "run0", "dzdo", "pbrun", "pmrun"];

fn become_root(view: &mut View<'_>, user: Option<&str>) {
    let wanted = view.truth(&["ansible_become"]);
    let method = view.text(&["ansible_become_method"]).map(|(at, text)| (at, plain(&text).to_owned()));
    let method = match method {
        Some((_, word)) if METHODS.contains(&word.as_str()) => word,
        Some((at, word)) => {
            view.notes.say(at, format!("`ansible_become_method: {word}` is not built; `sudo` is written in its place"));
            "sudo".to_owned()
        }
        None => "sudo".to_owned(),
    };
    let none = matches!(wanted, Some((_, false))) || user == Some("root");
    view.set("ssh", "become", Out::text(if none { "none" } else { method.as_str() }));
    if none {
        return;
    }
    if wanted.is_none() {
        let text = format!("it does not say how to become root (`ansible_become`): {method} is assumed");
        view.notes.say(At { file: 0, line: 0, column: 0 }, text);
    }
    if let Some((at, user)) = view.text(&["ansible_become_user"]).filter(|(_, user)| user != "root") {
        view.notes.say(
            at,
            format!("`ansible_become_user: {user}`: the configuration of a time service needs root; left out"),
        );
    }
    let names = ["ansible_sudo_pass", "ansible_become_pass", "ansible_become_password"];
    if let Some(password) = view.secret(&names, "BECOME_PASSWORD") {
        view.set("ssh", "become_password", password);
    }
}

/// Variables of the connection that nothing here stands for, and that change how it is made.
const LOST: &[&str] = &[
    "ansible_become_exe",
    "ansible_become_flags",
    "ansible_sftp_extra_args",
    "ansible_ssh_executable",
    "ansible_pkcs11_provider",
    "ansible_paramiko_proxy_command",
    "ansible_libssh_proxy_command",
    "ansible_ssh_transfer_method",
];

fn without_counterpart(view: &mut View<'_>) {
    for name in LOST {
        let Some((_, said)) = view.said(&[name]) else { continue };
        if said.node.scalar().is_some_and(|text| truth(&text) != Some(false)) {
            view.notes.say(said.node.at, format!("`{name}` has no counterpart; left out"));
        }
    }
}
