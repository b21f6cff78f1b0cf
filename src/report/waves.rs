//! The order in which the hosts of a plan are changed.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::table::{Cell, Side, line, widths};
use crate::lang::say;
use crate::model::{FleetReport, HostReport, Status};
use crate::text::names;

/// Appends the waves, if there is more than one with something to change.
pub(super) fn waves(text: &mut String, report: &FleetReport) {
    let pending = |host: &&HostReport| host.status == Status::Drifted;
    let pending: HashSet<&str> = report.hosts.iter().filter(pending).map(|host| host.name.as_str()).collect();
    let rows: Vec<(String, &str)> = report
        .waves
        .iter()
        .filter_map(|wave| {
            let who: Vec<&str> = wave.hosts.iter().map(String::as_str).filter(|name| pending.contains(name)).collect();
            (!who.is_empty()).then(|| (names::all(&who), wave.why.as_str()))
        })
        .collect();
    if rows.len() < 2 {
        return;
    }
    let rows: Vec<[Cell; 3]> = rows
        .iter()
        .enumerate()
        .map(|(index, (who, why))| [format!("{}.", index + 1).into(), who.as_str().into(), say(why).into()])
        .collect();
    let (widths, sides) = (widths(&rows), [Side::Right, Side::Left, Side::Left]);
    let _ = writeln!(text, "{}", say("Order; a wave starts when the one before is proven:"));
    for row in &rows {
        let _ = write!(text, "  {}", line(row, &sides, &widths));
    }
    text.push('\n');
}
