//! Gathers the evidence of a Windows host for `doctor`.

use anyhow::anyhow;

use super::proof::asked;
use crate::doctor::asks::Ask;
use crate::doctor::record::Parts;
use crate::doctor::windows;
use crate::engine::session::{Failure, Session};
use crate::exit::Hint;

/// Asks all questions, and `w32tm` about the sources that PowerShell did not measure.
pub(crate) fn parts(session: &mut Session<'_>) -> Result<Parts, Failure> {
    let mut parts = ask(session, windows::asks(session.spec))?;
    if parts.get("build").is_none_or(|slice| slice.status != 0) {
        let seen = parts.get("build").map_or("", |slice| slice.stdout.trim()).to_owned();
        return Err(anyhow!("read the registry: {seen}")
            .hint("the account must be an administrator of the host")
            .into());
    }
    let charts = windows::charts(session.spec, &parts);
    if !charts.is_empty() {
        parts.extend(ask(session, charts)?);
    }
    Ok(parts)
}

fn ask(session: &mut Session<'_>, asks: Vec<Ask>) -> Result<Parts, Failure> {
    let lines: Vec<String> = asks.iter().map(|ask| ask.body.clone()).collect();
    let slices = asked(session, &lines)?;
    Ok(asks.into_iter().map(|ask| ask.name).zip(slices).collect())
}
