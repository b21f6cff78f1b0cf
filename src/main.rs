//! The command `fleetclock`.

fn main() {}
