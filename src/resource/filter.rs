//! The packet filter of a master, whoever owns it: a host whose rules keep its followers out is not in
//! sync. Nothing is changed here; rules of other people are for them to change, and the way is said.

use anyhow::Result;

use super::{Delta, Fix, Resource, Slice};
use crate::firewall::filter::{Filter, Rules};

impl Resource for Filter {
    fn label(&self) -> String {
        "packet filter".to_owned()
    }

    fn probe(&self) -> String {
        Filter::probe(self)
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        self.refuse(&Rules::read(&seen.stdout), &|_, _| false)?;
        Ok(Vec::new())
    }

    fn fix(&self, _seen: &Slice, _refresh: bool) -> Result<Fix> {
        Ok(Fix::default())
    }
}
