//! A measurement as part of a script: what is asked, and how the answers get into a report.

use anyhow::Result;

use crate::inventory::HostSpec;
use crate::provider::{LinuxProvider, Provider};
use crate::report::HostReport;
use crate::resource::Slice;
use crate::transport::Output;

use super::frame::{Frames, Splitter};
use super::verify::{self, Verdict};

/// The frames of a measurement: status of the service, answers of the sources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    status: usize,
    sources: usize,
}

impl Proof {
    /// Adds one quick measurement, for foretelling what happens to the clock.
    pub(crate) fn glance(frames: &mut Frames, spec: &HostSpec, provider: &dyn Provider) -> Self {
        frames.raw(&verify::functions());
        Self::ask(frames, provider, &verify::measure(spec, 2, 500, verify::Ports::Any))
    }

    /// Adds the wait for the limits to be met, and then the measurement that counts.
    pub(crate) fn wait(frames: &mut Frames, spec: &HostSpec, provider: &dyn LinuxProvider, unit: &str) -> Self {
        let wait = verify::wait(spec, provider, unit, frames.boundary());
        frames.raw(&verify::functions());
        frames.raw(&wait);
        Self::ask(frames, provider, &verify::proof(spec, verify::Ports::Both))
    }

    /// Needs the functions of the probe.
    fn ask(frames: &mut Frames, provider: &dyn Provider, measure: &str) -> Self {
        let status = frames.part(provider.status());
        let sources = frames.part(measure);
        frames.raw("fc_probe_done");
        Proof { status, sources }
    }

    /// Writes the answers into the report and judges them.
    ///
    /// # Errors
    /// The script stopped early, or the service printed what cannot be understood.
    pub(crate) fn record(
        self,
        spec: &HostSpec,
        provider: &dyn Provider,
        splitter: &Splitter,
        output: &Output,
        report: &mut HostReport,
    ) -> Result<Verdict> {
        let status: Slice = splitter.part(output, self.status)?;
        let sources: Slice = splitter.part(output, self.sources)?;
        let daemon = provider.parse_status(&status)?;
        report.sources = verify::sources(spec, &sources.stdout, &daemon.peers);
        verify::credit(&mut report.sources, provider);
        report.warnings.extend(verify::differences(&report.sources));
        let verdict = verify::judge(spec, Some(&daemon.report), &report.sources);
        report.daemon = Some(daemon.report);
        Ok(verdict)
    }
}
