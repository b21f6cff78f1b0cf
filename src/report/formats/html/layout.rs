//! Where the boxes of a picture stand: the sources of time above, those who follow below, in rows of their tier.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::topology::{Graph, Link, Node};
use crate::report::room::width;

/// The boxes, and what is between them.
const WIDE: f64 = 168.0;
const HIGH: f64 = 48.0;
const ACROSS: f64 = 24.0;
const DOWN: f64 = 60.0;
const EDGE: f64 = 14.0;

/// Most boxes side by side.
const ROW: usize = 6;

/// Columns of text that a box has room for: its name is larger than what is said below.
const NAME: usize = 20;
const SUB: usize = 27;

/// A box at its place.
#[derive(Debug, Serialize)]
pub(super) struct PlacedNode {
    x: f64,
    y: f64,
    /// The name, cut to the width of the box.
    short: String,
    /// What is said below, likewise.
    below: String,
    #[serde(flatten)]
    node: Node,
}

/// A link as a path.
#[derive(Debug, Serialize)]
pub(super) struct PlacedLink {
    path: String,
    class: &'static str,
    words: String,
    from: String,
    to: String,
    /// Where a mark stands that the link is broken.
    x: f64,
    y: f64,
}

/// The picture.
#[derive(Debug, Serialize)]
pub(super) struct Placed {
    width: f64,
    height: f64,
    wide: f64,
    high: f64,
    nodes: Vec<PlacedNode>,
    links: Vec<PlacedLink>,
    broken: usize,
}

/// Gives each box its place.
pub(super) fn place(graph: Graph) -> Placed {
    let rows = rows(&graph);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let across = |boxes: usize| boxes as f64 * (WIDE + ACROSS) - ACROSS;
    let width = across(columns) + 2.0 * EDGE;
    let mut places: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (row, members) in rows.iter().enumerate() {
        let left = (width - across(members.len())) / 2.0;
        for (column, index) in members.iter().enumerate() {
            let x = left + column as f64 * (WIDE + ACROSS);
            places.insert(*index, (x, EDGE + row as f64 * (HIGH + DOWN)));
        }
    }
    let at = |index: usize| places.get(&index).copied().unwrap_or_default();
    let title = |index: usize| graph.nodes.get(index).map_or_else(String::new, |node| node.title.clone());
    let mut links: Vec<PlacedLink> =
        graph.links.iter().map(|link| line(link, at(link.from), at(link.to), title)).collect();
    // What is broken is drawn last, above the others.
    links.sort_by_key(|link| link.class == "broken");
    Placed {
        width,
        height: 2.0 * EDGE + rows.len() as f64 * (HIGH + DOWN) - DOWN,
        wide: WIDE,
        high: HIGH,
        broken: links.iter().filter(|link| link.class == "broken").count(),
        links,
        nodes: graph.nodes.into_iter().enumerate().map(|(index, node)| placed(node, at(index))).collect(),
    }
}

/// The boxes row by row: those of a tier side by side, below what they follow, and in further rows if they are many.
fn rows(graph: &Graph) -> Vec<Vec<usize>> {
    let tiers: BTreeSet<usize> = graph.nodes.iter().map(|node| node.tier).collect();
    let mut column: BTreeMap<usize, f64> = BTreeMap::new();
    let mut rows = Vec::new();
    for tier in tiers {
        let of_tier = graph.nodes.iter().enumerate().filter(|(_, node)| node.tier == tier).map(|(index, _)| index);
        let mut members: Vec<(f64, usize)> = of_tier.map(|index| (above(graph, index, &column), index)).collect();
        members.sort_by(|one, other| one.0.total_cmp(&other.0));
        let number = members.len().div_ceil(ROW).max(1);
        let size = members.len().div_ceil(number);
        for (position, (_, index)) in members.iter().enumerate() {
            column.insert(*index, (position % size) as f64 - (size as f64 - 1.0) / 2.0);
        }
        rows.extend(members.chunks(size).map(|row| row.iter().map(|(_, index)| *index).collect::<Vec<usize>>()));
    }
    rows
}

/// The middle of the boxes that a box follows, as far as they have a place.
fn above(graph: &Graph, index: usize, column: &BTreeMap<usize, f64>) -> f64 {
    let sources = graph.links.iter().filter(|link| link.to == index).filter_map(|link| column.get(&link.from));
    let (sum, number) = sources.fold((0.0, 0.0), |(sum, number), at| (sum + at, number + 1.0));
    if number > 0.0 { sum / number } else { 0.0 }
}

fn placed(node: Node, (x, y): (f64, f64)) -> PlacedNode {
    PlacedNode { x, y, short: cut(&node.title, NAME), below: cut(&node.sub, SUB), node }
}

/// Cuts a name: a box has an end, and the whole name is in its title.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if width(&short) >= columns {
            short.pop();
            break;
        }
    }
    short + "…"
}

fn line(link: &Link, from: (f64, f64), to: (f64, f64), title: impl Fn(usize) -> String) -> PlacedLink {
    let ((x1, y1), (x2, y2)) = ends(from, to);
    let bend = if from.1 < to.1 { DOWN / 2.0 + (y2 - y1 - DOWN).abs() / 4.0 } else { -DOWN / 2.0 };
    let (c1, c2) = (y1 + bend, if from.1 < to.1 { y2 - bend } else { y2 + bend });
    PlacedLink {
        path: format!("M{x1:.0},{y1:.0} C{x1:.0},{c1:.0} {x2:.0},{c2:.0} {x2:.0},{y2:.0}"),
        class: link.class(),
        words: link.words(),
        from: title(link.from),
        to: title(link.to),
        x: (x1 + x2) / 2.0,
        y: (y1 + y2 + 3.0 * (c1 + c2)) / 8.0,
    }
}

/// From the lower edge of the upper box to the upper edge of the lower one; side by side, over both.
fn ends(from: (f64, f64), to: (f64, f64)) -> ((f64, f64), (f64, f64)) {
    let middle = WIDE / 2.0;
    let low = if from.1 < to.1 { HIGH } else { 0.0 };
    ((from.0 + middle, from.1 + low), (to.0 + middle, to.1))
}
