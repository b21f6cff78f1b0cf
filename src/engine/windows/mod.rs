//! Windows hosts: the same plan, change and proof, through a shell without scripts. Questions are
//! put into few command lines; changes are driven from here, step by step, and so is the undo.

pub(crate) mod change;
pub(crate) mod far;
mod lines;
mod lock;
pub(crate) mod look;
pub(crate) mod plan;
pub(crate) mod proof;
mod timer;
pub(crate) mod undo;
