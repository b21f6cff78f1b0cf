//! `verify --watch`: measures again and again until told to stop.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Format;
use super::run::Run;
use crate::engine::Context;
use crate::engine::watch::Watch;
use crate::exit::Exit;
use crate::model::FleetReport;
use crate::report::console::{self, Picture, Verbosity};
use crate::report::json;
use crate::report::rounds::{lines, summary};
use crate::report::watch::{Round, Tally};

/// How often a pause looks whether the user wants to stop.
const BEAT: Duration = Duration::from_millis(100);

/// When rounds begin and when they end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// From the beginning of a round to that of the next.
    pub(super) every: Duration,
    /// No round begins later; `None` goes on until Ctrl-C.
    pub(super) length: Option<Duration>,
}

/// Watches the hosts of a run.
pub(super) fn watch(run: &Run, times: Times) -> Exit {
    let mut tally = Tally::default();
    let picture = is_drawn(run).then(Picture::new).flatten();
    if let Some(picture) = &picture {
        picture.show("measuring; Ctrl-C ends");
    }
    let printed = run.unheard(|cx| rounds(run, times, &mut tally, picture.as_ref(), cx));
    if let Some(picture) = picture {
        picture.leave();
        let _ = console::print("\n");
    }
    let watched = tally.watched(started(run.started), run.seconds(), &run.red);
    let last = match run.format {
        Format::Human => summary(&watched, console::screen()),
        Format::Json => json::line(&watched),
    };
    let shown = |()| if run.format == Format::Json { console::print(&last) } else { console::print_text(&last) };
    match printed.and_then(shown) {
        Ok(()) => tally.exit(&run.red),
        Err(error) => {
            console::error(&error);
            Exit::Failed
        }
    }
}

fn is_drawn(run: &Run) -> bool {
    run.format == Format::Human && run.verbosity > Verbosity::Quiet
}

async fn rounds(
    run: &Run,
    times: Times,
    tally: &mut Tally,
    picture: Option<&Picture>,
    cx: Arc<Context>,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    let mut watch = Watch::new(run.hosts.clone(), run.forks);
    while goes_on(&cx) {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let hosts = watch.round(&cx).await;
        // A round that the user cut short before its first host is none.
        if !hosts.is_empty() {
            let round = tally.take(&hosts);
            let report =
                FleetReport { started: started(clock), seconds: now.elapsed().as_secs_f64(), ..run.report(hosts) };
            show(run, &Round { round, report: &report }, tally, picture)?;
        }
        let next = now + times.every;
        if times.length.is_some_and(|length| next >= begin + length) {
            break;
        }
        pause(next, &cx).await;
    }
    Ok(())
}

fn show(run: &Run, round: &Round<'_>, tally: &Tally, picture: Option<&Picture>) -> anyhow::Result<()> {
    match (run.format, picture) {
        (Format::Json, _) => console::print(&json::line(round)),
        (_, Some(picture)) => {
            let (columns, rows) = Picture::room();
            picture.show(&tally.charts(columns, rows));
            Ok(())
        }
        _ if run.verbosity == Verbosity::Quiet => Ok(()),
        _ => console::print_text(&lines(&round.report.started, &round.report.hosts)),
    }
}

/// Waits for the next round, unless the user wants to stop.
async fn pause(next: Instant, cx: &Context) {
    while goes_on(cx) && Instant::now() < next {
        tokio::time::sleep(BEAT.min(next.saturating_duration_since(Instant::now()))).await;
    }
}

/// Whether the user wants more, and somebody reads it.
fn goes_on(cx: &Context) -> bool {
    !cx.stopping() && console::is_read()
}

fn started(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
