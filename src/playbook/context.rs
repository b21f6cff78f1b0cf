//! The five names that playbooks and templates see: `host`, `facts`, `layout`, `ntp`, `vars`.

use std::collections::BTreeMap;

use ipnet::IpNet;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use crate::facts::Firewall;
use crate::inventory::HostSpec;
use crate::inventory::spec::{StepPolicy, TimeSpec, Var};

/// Puts together what a template may ask for.
pub fn context(spec: &HostSpec, facts: &impl Serialize, layout: &impl Serialize, firewall: Firewall) -> Value {
    context! {
        host => context! {
            name => spec.name.as_str(),
            address => spec.address.as_str(),
            role => spec.role.word(),
            groups => spec.groups.clone(),
            firewall => Serde(firewall),
        },
        facts => Serde(facts),
        layout => Serde(layout),
        ntp => ntp(&spec.time),
        vars => vars(&spec.vars),
    }
}

fn ntp(time: &TimeSpec) -> Value {
    context! {
        sources => Serde(&time.sources),
        serve => time.serve.iter().map(ToString::to_string).collect::<Vec<_>>(),
        serve_masks => time.serve.iter().map(mask).collect::<Vec<_>>(),
        isolated => time.isolated,
        step => step(time.step),
        extra => time.extra.clone(),
    }
}

/// Address and mask apart, as ntpd wants them.
fn mask(network: &IpNet) -> BTreeMap<&'static str, String> {
    BTreeMap::from([("address", network.network().to_string()), ("mask", network.netmask().to_string())])
}

/// Thresholds in seconds, without a needless fraction.
fn step(policy: StepPolicy) -> Value {
    match policy {
        StepPolicy::Never => context! { policy => "never" },
        StepPolicy::Always { over } => context! { policy => "always", over => over.as_secs_f64().to_string() },
        StepPolicy::AtStart { over, updates } => {
            context! { policy => "at_start", over => over.as_secs_f64().to_string(), updates => updates }
        }
    }
}

fn vars(vars: &BTreeMap<String, Var>) -> BTreeMap<String, Value> {
    vars.iter().map(|(name, var)| (name.clone(), value(var))).collect()
}

fn value(var: &Var) -> Value {
    match var {
        Var::Text(text) => text.clone().into(),
        // 3 and not 3.0: a whole number stays one.
        Var::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => format!("{number:.0}").into(),
        Var::Number(number) => (*number).into(),
        Var::Bool(flag) => (*flag).into(),
        Var::Secret(secret) => secret.reveal().into(),
    }
}
