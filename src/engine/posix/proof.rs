//! A measurement as part of a script: what is asked, and how the answers get into a report.

use std::time::Duration;

use anyhow::Result;

use crate::inventory::HostSpec;
use crate::model::{HostReport, Slice, SourceReport};
use crate::ntp::remote;
use crate::provider::LinuxProvider;
use crate::transport::Output;
use crate::verdict::sources::{credit, differences, joined, limited, sources, unproven};
use crate::verdict::{self, Verdict};

use super::asking;
use super::frame::{Frames, Splitter};
use super::verify;
use crate::engine::session::{Failure, Session};

/// Time limit for one look; each source is given up after a second.
const LOOK: Duration = Duration::from_secs(20);

/// The frames of a measurement: status of the service, answers of the sources, and where the limits
/// were waited for, the first answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    status: usize,
    sources: usize,
    first: Option<usize>,
}

impl Proof {
    /// Adds one quick measurement, for foretelling what happens to the clock.
    pub(crate) fn glance(frames: &mut Frames, spec: &HostSpec, provider: &dyn LinuxProvider) -> Self {
        frames.raw(&verify::functions());
        Self::ask(frames, spec, provider, &asking::all(spec, 2, 500, verify::Ports::Any))
    }

    /// Adds the wait for the limits to be met, and then the measurement that counts.
    pub(crate) fn wait(frames: &mut Frames, spec: &HostSpec, provider: &dyn LinuxProvider, unit: &str) -> Self {
        let wait = verify::wait(spec, provider, unit, frames.boundary());
        frames.raw(&verify::functions());
        frames.raw(&wait);
        let proof = Self::ask(frames, spec, provider, &asking::proof(spec, verify::Ports::Both));
        Proof { first: Some(frames.part(verify::FIRST)), ..proof }
    }

    /// Needs the functions of the probe. What the service follows is asked, too: a name may have led it elsewhere.
    fn ask(frames: &mut Frames, spec: &HostSpec, provider: &dyn LinuxProvider, measure: &str) -> Self {
        if asking::by_name(spec) {
            frames.raw(&format!("fc_also=$({})", provider.followed()));
        }
        let status = frames.part(provider.status());
        let sources = frames.part(measure);
        frames.raw("fc_probe_done");
        Proof { status, sources, first: None }
    }

    /// Writes the answers into the report and judges them.
    ///
    /// # Errors
    /// The script stopped early, or the service printed what cannot be understood.
    pub(crate) fn record(
        self,
        spec: &HostSpec,
        provider: &dyn LinuxProvider,
        splitter: &Splitter,
        output: &Output,
        report: &mut HostReport,
    ) -> Result<Verdict> {
        let status: Slice = splitter.part(output, self.status)?;
        let answers: Slice = splitter.part(output, self.sources)?;
        let daemon = provider.parse_status(&status)?;
        let measured = remote::parse(&answers.stdout);
        let unproven = unproven(spec, &measured, &daemon.peers);
        report.sources = joined(spec, measured, &daemon.peers);
        credit(&mut report.sources, provider);
        // What an earlier look has said is not said twice, and of the service the last look counts.
        let new: Vec<String> = differences(&report.sources)
            .into_iter()
            .chain(limited(&report.sources))
            .chain(unproven)
            .filter(|text| !report.warnings.contains(text))
            .collect();
        report.warnings.extend(new);
        report.warnings.retain(|warning| !verdict::is_of_own_clock(warning));
        let judged = verdict::judge(spec, &daemon, &report.sources);
        report.daemon = Some(daemon.report);
        report.warnings.extend(judged.warning);
        let first = self.first.map(|index| splitter.part(output, index)).transpose()?.unwrap_or_default();
        Ok(match judged.verdict {
            Verdict::OutOfLimits(why) => {
                Verdict::OutOfLimits(format!("{why}{}", unmoved(spec, provider, &first.stdout, &report.sources)))
            }
            verdict => verdict,
        })
    }
}

/// Measures once, without waiting.
pub(crate) fn glance(
    session: &mut Session<'_>,
    provider: &dyn LinuxProvider,
    report: &mut HostReport,
) -> Result<Verdict, Failure> {
    let spec = session.spec;
    let mut frames = Frames::new();
    let proof = Proof::glance(&mut frames, spec, provider);
    let (script, splitter) = frames.finish();
    let output = session.run(script, LOOK, &mut |_| ())?;
    Ok(proof.record(spec, provider, &splitter, &output, report)?)
}

/// Says that the service leaves a clock that is too far off where it is, if it was seen for long enough.
fn unmoved(spec: &HostSpec, provider: &dyn LinuxProvider, first: &str, now: &[SourceReport]) -> String {
    let Some((seconds, first)) = first.split_once('\n') else { return String::new() };
    let seconds: f64 = seconds.trim().parse().unwrap_or(0.0);
    let first = sources(spec, first, &[]);
    let Some(source) = now.iter().find(|source| source.selected) else { return String::new() };
    let before = first.iter().find(|old| old.ip == source.ip && old.address == source.address);
    let (Some(before), Some(after)) = (before.and_then(|old| old.offset_s), source.offset_s) else {
        return String::new();
    };
    let could = (provider.slew_ppm() * 1e-6 * seconds).min(after.abs());
    let far = after.abs() > spec.limits.max_error.as_secs_f64();
    if !far || seconds < ENOUGH || (before - after).abs() > could * SHARE {
        return String::new();
    }
    format!(
        "; {} does not move the clock: the offset was {before:+.3} s {seconds:.0} s ago and is {after:+.3} s now",
        provider.name()
    )
}

/// A service needs a few polls before it moves the clock, seconds.
const ENOUGH: f64 = 20.0;

/// A service at work has moved the clock by more than this part of what it could.
const SHARE: f64 = 0.1;
