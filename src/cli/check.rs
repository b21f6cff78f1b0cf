//! `check`: whether something differs.

use anyhow::Result;

use super::Global;
use super::run::{Run, into_report};
use crate::engine::Extent;
use crate::engine::fleet::plan_all;
use crate::exit::Exit;

/// Reads the configuration of all hosts and tells whether it is as wanted.
pub(super) fn run(global: &Global) -> Result<Exit> {
    let run = Run::start("check", global)?;
    let plans = run.watched(run.names(), |cx| plan_all(run.hosts.clone(), run.forks, Extent::Configuration, cx));
    Ok(run.print(plans.into_iter().map(into_report).collect(), true))
}
