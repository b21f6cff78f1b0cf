//! Hosts made by hand, for tests.

use std::path::Path;

use crate::inventory::{self, HostSpec};

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
