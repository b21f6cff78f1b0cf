//! Hosts made by hand, for tests.

use std::path::Path;

use super::Context;
use crate::assets::Assets;
use crate::inventory::{self, HostSpec};
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
        owners: std::sync::Arc::default(),
        connections: Connections::default(),
        events: std::sync::mpsc::channel().0,
        undo: false,
        verify: true,
        journal: false,
        stop: std::sync::Arc::default(),
        run: String::new(),
        busy: std::sync::Arc::default(),
        mute: std::sync::Arc::default(),
        scripts: false,
        hidden: std::sync::Arc::default(),
    }
}
