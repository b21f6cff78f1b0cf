//! Secrets: where they come from, and that they are never shown.
//!
//! Reading the inventory only notes the origin; the value is fetched when a host is about to
//! be contacted, so that `inventory validate` needs no password.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Serialize, Serializer};

use super::name::short;
use crate::exit::Hint;
use crate::text::clean::text;

/// A password, passphrase or key. Prints and serialises as `***`. Cheap to clone: copies share
/// the value, so a question is asked once.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    origin: Origin,
    value: OnceLock<String>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An environment variable.
    Env(String),
    /// A file, all of it.
    File(PathBuf),
    /// All that a command prints.
    Command(Vec<String>),
    /// The user is asked; the text says for what.
    Ask(String),
    /// Given as it is.
    Given,
}

impl Secret {
    /// Wraps a value that must not be shown.
    pub fn new(value: &str) -> Self {
        let secret = Secret::from(Origin::Given);
        secret.0.value.get_or_init(|| value.to_owned());
        secret
    }

    /// Fetches the value, once.
    ///
    /// # Errors
    /// It is not where it should be.
    pub fn resolve(&self) -> Result<()> {
        if self.0.value.get().is_none() {
            let value = self.0.origin.fetch()?;
            self.0.value.get_or_init(|| value);
        }
        Ok(())
    }

    /// As [`Secret::resolve`], for what is typed: a password is one line.
    ///
    /// # Errors
    /// As there; or there are several lines, of which it is not known which is meant.
    pub fn resolve_line(&self) -> Result<()> {
        self.resolve()?;
        if self.reveal().contains(['\n', '\r']) {
            return Err(anyhow!("the password of {} has several lines", self.0.origin)
                .hint("leave the password alone in it; a final line break does not count"));
        }
        Ok(())
    }

    /// Returns the file that it comes from, if it does.
    pub fn file(&self) -> Option<&Path> {
        match &self.0.origin {
            Origin::File(path) => Some(path),
            _ => None,
        }
    }

    /// Returns the value, for handing it to what needs it and to nothing that prints. Empty
    /// before [`Secret::resolve`].
    pub fn reveal(&self) -> &str {
        self.0.value.get().map_or("", String::as_str)
    }

    /// Returns where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }
}

impl Origin {
    fn fetch(&self) -> Result<String> {
        let text = match self {
            Origin::Env(name) => environment(name)?,
            Origin::File(path) => read(path).with_context(|| format!("read the secret file {}", path.display()))?,
            Origin::Command(words) => command(words)?,
            Origin::Ask(what) => ask(what)?,
            Origin::Given => String::new(),
        };
        let value = whole(&text);
        if value.trim().is_empty() {
            bail!("the secret of {self} is empty");
        }
        Ok(value.to_owned())
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Env(name) => write!(f, "the environment variable `{name}`"),
            Origin::File(path) => write!(f, "the file {}", path.display()),
            Origin::Command(words) => write!(f, "the command `{}`", words.join(" ")),
            Origin::Ask(what) => write!(f, "the question for {what}"),
            Origin::Given => f.write_str("the program"),
        }
    }
}

/// Without its final line break, which editors and `echo` add.
fn whole(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Largest secret, bytes. More is a mistake, as `/dev/zero` is.
const LARGEST: u64 = 1 << 20;

fn read(path: &Path) -> Result<String> {
    Ok(crate::input::text(path, LARGEST)?)
}

#[expect(clippy::disallowed_methods, reason = "secrets may stand in the environment")]
fn environment(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| {
        anyhow!("the environment variable `{name}` is not set")
            .hint("export it before the run; the inventory asks for it")
    })
}

#[expect(clippy::disallowed_methods, reason = "secrets may come from a password manager")]
fn command(words: &[String]) -> Result<String> {
    let (program, arguments) = words.split_first().context("the secret command is empty")?;
    let output = std::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("run the secret command `{program}`"))?;
    if !output.status.success() {
        // Only the error output: what was printed may be the secret.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let why = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let why = if why.is_empty() { String::new() } else { format!(": {}", short(&text(why))) };
        bail!("the secret command `{program}` failed ({}){why}", output.status);
    }
    String::from_utf8(output.stdout).map_err(|_| {
        anyhow!("the secret command `{program}` printed something that is no UTF-8")
            .hint("a secret is text; let the command print it as base64 or the like, and what uses it decode it")
    })
}

fn ask(what: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(anyhow!("{what} has to be asked for, and there is no terminal")
            .hint("use `{ env: NAME }`, `{ file: PATH }` or `{ command: [..] }` instead of `ask`"));
    }
    rpassword::prompt_password(format!("{what}: ")).context("read the secret from the terminal")
}

impl From<Origin> for Secret {
    fn from(origin: Origin) -> Self {
        Secret(Arc::new(Inner { origin, value: OnceLock::new() }))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.origin == other.0.origin && self.0.value.get() == other.0.value.get()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap()), "*** *** \"***\"");
    }

    #[test]
    fn a_file_and_a_command_give_all_but_their_final_line_break() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pw");
        for (text, value) in [("one\ntwo\n", "one\ntwo"), ("one\n\n", "one\n"), ("one", "one"), ("one\r\n", "one")] {
            std::fs::write(&path, text).unwrap();
            let file = Secret::from(Origin::File(path.clone()));
            file.resolve().unwrap();
            assert_eq!(file.reveal(), value);
            assert_eq!(file.resolve_line().is_ok(), !value.contains('\n'), "{value:?}");
        }
        let command = Secret::from(Origin::Command(vec!["printf".into(), "a\\nb\\n".into()]));
        command.resolve().unwrap();
        assert_eq!(command.reveal(), "a\nb");
        assert!(Secret::from(Origin::File("/dev/zero".into())).resolve().is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Secret::from(Origin::Env("FC_NO_SUCH_VARIABLE".into())).resolve().unwrap_err();
        assert!(error.to_string().contains("`FC_NO_SUCH_VARIABLE`"));
        let run = |script: &str| {
            let words = ["sh", "-c", script].map(str::to_owned).to_vec();
            Secret::from(Origin::Command(words)).resolve().unwrap_err().to_string()
        };
        assert_eq!(run("exit 1"), "the secret command `sh` failed (exit status: 1)");
        let words = run("echo hunter2; echo Vault >&2; printf 'the vault is \\033[1msealed\\n\\n' >&2; exit 2");
        assert_eq!(words, "the secret command `sh` failed (exit status: 2): the vault is \\u{1b}[1msealed");
        assert_eq!(run("printf 'p\\377w'"), "the secret command `sh` printed something that is no UTF-8");
    }
}
