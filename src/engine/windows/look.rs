//! Gathers the evidence of a Windows host for `doctor`.

use anyhow::anyhow;

use super::proof::asked;
use crate::doctor::asks::Ask;
use crate::doctor::record::Parts;
use crate::doctor::windows;
use crate::engine::session::{Failure, Session};
use crate::exit::Hint;

/// Asks all questions, and those for hosts without PowerShell where it did not run.
pub(crate) fn parts(session: &mut Session<'_>) -> Result<Parts, Failure> {
    let mut parts = ask(session, windows::asks(session.spec))?;
    if parts.get("build").is_none_or(|slice| slice.status != 0) {
        let seen = parts.get("build").map_or("", |slice| slice.stdout.trim()).to_owned();
        return Err(anyhow!("read the registry: {seen}")
            .hint("the account must be an administrator of the host")
            .into());
    }
    if windows::needs_charts(session.spec, &parts) {
        parts.extend(ask(session, windows::charts(session.spec))?);
    }
    Ok(parts)
}

fn ask(session: &mut Session<'_>, asks: Vec<Ask>) -> Result<Parts, Failure> {
    let lines: Vec<String> = asks.iter().map(|ask| ask.body.clone()).collect();
    let slices = asked(session, &lines)?;
    Ok(asks.into_iter().map(|ask| ask.name).zip(slices).collect())
}
