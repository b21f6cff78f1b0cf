//! `html`: one file for a change ticket, that needs no network and no program but a browser. What is said of a
//! run stands in templates, and all that a host says is escaped there: nothing is marked as safe. Should that
//! ever fail, the policy of the page lets no script run but its own.

mod clocks;
mod layout;
mod topology;
mod view;
mod words;

use std::io::{Error, Result, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Format;
use crate::lang::say;
use crate::model::FleetReport;
use crate::text::clean;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The page in the order in which it is written; rows and hosts come once for each host.
const PARTS: [(&str, &str); 5] = [
    ("head", include_str!("html/head.html.j2")),
    ("row", include_str!("html/row.html.j2")),
    ("middle", include_str!("html/middle.html.j2")),
    ("host", include_str!("html/host.html.j2")),
    ("foot", include_str!("html/foot.html.j2")),
];

/// One file for a change ticket.
#[derive(Debug)]
pub(super) struct Html;

impl Format for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn extension(&self) -> &'static str {
        "html"
    }

    fn about(&self) -> &'static str {
        "one page for a change ticket or a browser, without any network"
    }

    fn is_for_people(&self) -> bool {
        true
    }

    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
        let env = environment().map_err(Error::other)?;
        let changes = view::changes(&report.hosts);
        part(&env, "head", &view::head(report, &changes), out)?;
        let numbered = || report.hosts.iter().enumerate();
        numbered().try_for_each(|(number, host)| part(&env, "row", &view::row(number, host), out))?;
        part(&env, "middle", &view::middle(&changes), out)?;
        let of = view::change_of(&changes);
        numbered().try_for_each(|(number, host)| part(&env, "host", &view::host(number, host, &of), out))?;
        part(&env, "foot", &view::foot(report), out)
    }
}

fn environment<'a>() -> std::result::Result<Environment<'a>, minijinja::Error> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_formatter(|out: &mut Output<'_>, state, value| escape_formatter(out, state, &visible(value)));
    for (name, text) in PARTS {
        env.add_template(name, text)?;
    }
    env.add_filter("say", |text: &str| say(text).into_owned());
    env.add_function("style", || Value::from_safe_string(STYLE.to_owned()));
    env.add_function("script", || Value::from_safe_string(SCRIPT.to_owned()));
    env.add_function("policy", policy);
    Ok(env)
}

/// Shows control characters, and what cannot be seen, as on the terminal.
fn visible(value: &Value) -> Value {
    match value.as_str().map(clean::text) {
        Some(std::borrow::Cow::Owned(shown)) => Value::from(shown),
        _ => value.clone(),
    }
}

/// What the browser may load and run: the style and the script of the page, and nothing else.
fn policy() -> String {
    let of = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        of(STYLE),
        of(SCRIPT)
    )
}

/// Writes it piece by piece.
fn part(env: &Environment<'_>, name: &str, view: &impl Serialize, out: &mut dyn Write) -> Result<()> {
    let template = env.get_template(name).map_err(Error::other)?;
    template.render_captured_to(Value::from(Serde(view)), out).map(drop).map_err(failed)
}

/// What has gone wrong with the place that is written to keeps its kind: a reader that goes has what it wanted.
fn failed(error: minijinja::Error) -> Error {
    let of_place = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Error>());
    let kind = of_place.map_or(std::io::ErrorKind::Other, Error::kind);
    Error::new(kind, error)
}
