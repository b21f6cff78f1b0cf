//! Hosts made by hand, for tests.

use std::path::Path;
use std::sync::Arc;

use super::plan::Service;
use super::{Context, Planned, clock};
use crate::assets::Assets;
use crate::inventory::{self, HostSpec};
use crate::model::Delta;
use crate::text::hide::Hider;
use crate::transport::Connections;

/// Every host of an inventory that is written into a test.
pub(crate) fn fleet(text: &str) -> Vec<HostSpec> {
    inventory::parse(Path::new("fleet.yml"), text).unwrap().hosts
}

/// A report of a host that says nothing yet.
pub(crate) fn blank(spec: &HostSpec) -> crate::model::HostReport {
    super::plan::blank(spec)
}

/// A master with an outside source.
pub(crate) fn host(name: &str) -> HostSpec {
    let text = format!("hosts: {{ {name}: {{ address: 10.10.10.1, role: master, upstream: [10.10.10.254] }} }}");
    fleet(&text).remove(0)
}

/// A run in which nobody hears the events; `assets` is a folder of the user.
pub(crate) fn context(assets: Option<&Path>) -> Context {
    Context {
        assets: Assets::new(assets.map(Path::to_owned)).unwrap(),
        beside: 0,
        owners: Arc::default(),
        connections: Connections::default(),
        events: std::sync::mpsc::channel().0,
        undo: false,
        verify: true,
        journal: false,
        stop: Arc::default(),
        run: String::new(),
        closes: None,
        busy: Arc::default(),
        mute: Arc::default(),
        packages: crate::packages::Folders::default(),
        scripts: false,
        hidden: Arc::default(),
    }
}

/// The plan of a host that was read, with or without something to change.
pub(crate) fn planned(spec: HostSpec, pending: bool) -> Planned {
    let mut report = blank(&spec);
    if pending {
        report.deltas.push(Delta::new("file /f".to_owned(), "content", None, Some("text".to_owned())));
    }
    let (service, clock) = (Service::Windows { left_over: false }, clock::Model::Told(500.0));
    let (changes, hidden) = (Vec::new(), Hider::default());
    Planned { spec, service, clock, changes, verdict: None, hidden, report }
}
