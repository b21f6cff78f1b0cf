//! Reads hosts for `adopt`: one execution on each, nothing touched.

use std::sync::Arc;

use anyhow::Context as _;

use crate::adopt::{Linux, Seen, read};
use crate::facts;
use crate::facts::linux::Moment;
use crate::inventory::HostSpec;
use crate::model::HostReport;
use crate::model::event::{Event, Phase};

use super::Context;
use super::fleet::{guarded, start};
use super::places::each_read;
use super::plan::{blank, now};
use super::posix::frame::Frames;
use super::session::{BECOME, Failure, Session};
use super::windows;

/// What was read of each host, and its report.
pub async fn adopt_all(hosts: Vec<HostSpec>, forks: usize, cx: Arc<Context>) -> Vec<(HostReport, Seen)> {
    start(&cx, &hosts);
    each_read(hosts, forks, &Arc::clone(&cx), move |spec| {
        let result = guarded(&spec, &cx, || look(&spec, &cx));
        cx.send(match &result {
            Ok(_) => Event::Looked { host: spec.name },
            Err(report) => Event::Done(report.clone()),
        });
        result.unwrap_or_else(|report| {
            let why = report.error.as_ref().map_or_else(String::new, |error| error.message.clone());
            (*report, Seen::Not(why))
        })
    })
    .await
}

fn look(spec: &HostSpec, cx: &Context) -> Result<(HostReport, Seen), Box<HostReport>> {
    let mut report = blank(spec);
    let read = Session::open(spec, cx).and_then(|mut session| {
        let seen = match spec.is_windows() {
            true => windows::plan::read_facts(&mut session).map(|facts| Seen::Windows(Box::new(facts))),
            false => linux(&mut session).map(|linux| Seen::Linux(Box::new(linux))),
        };
        report.executions = session.executions;
        seen
    });
    match read {
        Ok(seen) => {
            report.os = match &seen {
                Seen::Linux(linux) => Some(linux.facts.os_name.clone()),
                Seen::Windows(facts) => Some(facts.system()),
                Seen::Not(_) => None,
            };
            Ok((report, seen))
        }
        Err(failure) => {
            report.status = failure.status;
            report.error = Some(failure.error);
            Err(Box::new(report))
        }
    }
}

fn linux(session: &mut Session<'_>) -> Result<Linux, Failure> {
    session.phase(Phase::Facts);
    let mut frames = Frames::new();
    let first = frames.part(&facts::linux::script());
    let parts: Vec<usize> = read::asks().iter().map(|(_, body)| frames.part(body)).collect();
    let (script, splitter) = frames.finish();
    let sent = now();
    let output = session.run(script, session.spec.limits.read, &mut |_| ())?;
    let moment = Moment { sent, received: now() };
    let slice = splitter.part(&output, first).context("read facts")?;
    let facts = facts::linux::parse(&slice.stdout, moment).context("read facts")?;
    if facts.uid != 0 {
        let error = anyhow::anyhow!("the login is user {}, and only root may read all configurations", facts.uid);
        return Err(crate::exit::Hint::hint(error, BECOME).into());
    }
    let slices = parts.into_iter().map(|part| splitter.part(&output, part)).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Linux::parse(facts, &slices))
}
