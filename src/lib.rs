//! fleetclock: makes every clock of a fleet follow the masters of one inventory, and proves it.
//!
//! The straight line: inventory -> `HostSpec` -> `Facts` -> steps -> plan -> applied ->
//! verified -> report. Each arrow is one function; no stage calls back; only `engine` holds a
//! transport.

pub mod adopt;
pub mod assets;
pub mod calendar;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod exit;
pub mod facts;
pub mod files;
pub mod firewall;
pub mod history;
pub mod import;
pub mod input;
pub mod inventory;
pub mod lang;
pub mod last;
pub mod model;
pub mod ntp;
pub mod packages;
pub mod playbook;
pub mod provider;
pub mod report;
pub mod resource;
pub mod text;
pub mod transport;
mod verdict;
pub mod visible;
mod yaml;
