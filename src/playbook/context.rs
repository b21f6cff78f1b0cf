//! The five names that playbooks and templates see: `host`, `facts`, `layout`, `ntp`, `vars`.

use std::collections::BTreeMap;

use ipnet::IpNet;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use crate::facts::Firewall;
use crate::inventory::spec::{Source, StepPolicy, TimeSpec, Var};
use crate::inventory::{HostSpec, Secret};
use crate::report::hide::HIDDEN;

/// What templates may ask for: as it is, and, where there are secrets, with `***` for each of them.
#[derive(Debug)]
pub struct Contexts {
    /// For what is done to the host.
    pub real: Value,
    /// For what is shown of it; `None` if nothing has to be hidden.
    pub shown: Option<Value>,
}

/// Puts together what a template may ask for.
pub fn contexts(spec: &HostSpec, facts: &impl Serialize, layout: &impl Serialize, firewall: Firewall) -> Contexts {
    let all = |vars| context(spec, facts, layout, firewall, vars);
    let secret = spec.secret_vars().next().is_some();
    Contexts { real: all(vars(&spec.vars, Secret::reveal)), shown: secret.then(|| all(vars(&spec.vars, |_| HIDDEN))) }
}

/// The same for what is shown only: no secret is needed.
pub fn shown(spec: &HostSpec, facts: &impl Serialize, layout: &impl Serialize, firewall: Firewall) -> Value {
    context(spec, facts, layout, firewall, vars(&spec.vars, |_| HIDDEN))
}

fn context(
    spec: &HostSpec,
    facts: &impl Serialize,
    layout: &impl Serialize,
    firewall: Firewall,
    vars: BTreeMap<String, Value>,
) -> Value {
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
        vars => vars,
    }
}

fn ntp(time: &TimeSpec) -> Value {
    context! {
        sources => Serde(&time.sources),
        named => time.sources.iter().any(Source::is_named),
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

fn vars(vars: &BTreeMap<String, Var>, secret: impl Fn(&Secret) -> &str) -> BTreeMap<String, Value> {
    vars.iter().map(|(name, var)| (name.clone(), value(var, &secret))).collect()
}

fn value(var: &Var, secret: impl Fn(&Secret) -> &str) -> Value {
    match var {
        Var::Text(text) => text.clone().into(),
        // 3 and not 3.0: a whole number stays one.
        Var::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => format!("{number:.0}").into(),
        Var::Number(number) => (*number).into(),
        Var::Bool(flag) => (*flag).into(),
        Var::Secret(hidden) => secret(hidden).into(),
    }
}
