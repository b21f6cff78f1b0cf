//! The five names that playbooks and templates see: `host`, `facts`, `layout`, `ntp`, `vars`.

use std::collections::BTreeMap;

use ipnet::IpNet;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use crate::firewall::Word;
use crate::inventory::spec::{Leap, LeapSource, Source, StepPolicy, TimeSpec, Var};
use crate::inventory::{HostSpec, Secret, tuning};
use crate::text::hide::HIDDEN;

/// What templates may ask for: as it is, and, where there are secrets, with `***` for each of them.
#[derive(Debug)]
pub struct Contexts {
    /// For what is done to the host.
    pub real: Value,
    /// For what is shown of it; `None` if nothing has to be hidden.
    pub shown: Option<Value>,
}

/// Puts together what a template may ask for.
pub fn contexts(spec: &HostSpec, facts: &impl Serialize, layout: &impl Serialize, firewall: Word) -> Contexts {
    let all = |vars| context(spec, facts, layout, firewall, vars);
    let secret = spec.secret_vars().next().is_some();
    Contexts { real: all(vars(&spec.vars, Secret::reveal)), shown: secret.then(|| all(vars(&spec.vars, |_| HIDDEN))) }
}

/// The same for what is shown only: no secret is needed.
pub fn shown(spec: &HostSpec, facts: &impl Serialize, layout: &impl Serialize, firewall: Word) -> Value {
    context(spec, facts, layout, firewall, vars(&spec.vars, |_| HIDDEN))
}

fn context(
    spec: &HostSpec,
    facts: &impl Serialize,
    layout: &impl Serialize,
    firewall: Word,
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
    let of_source = tuning::source_keys();
    let own = context! {
        sources => time.sources.iter().map(|source| complete(source, &of_source)).collect::<Vec<_>>(),
        named => time.sources.iter().any(Source::is_named),
        serve => time.serve.iter().map(ToString::to_string).collect::<Vec<_>>(),
        serve_masks => time.serve.iter().map(mask).collect::<Vec<_>>(),
        isolated => time.isolated,
        step => step(time.step),
        extra => time.extra.clone(),
    };
    let leap = context! { leap => time.tuning.leap.as_ref().map(leap) };
    context! { ..own, ..leap, ..complete(&time.tuning, &tuning::host_keys()) }
}

fn leap(leap: &Leap) -> Value {
    let (zone, file) = match &leap.source {
        Some(LeapSource::Zone(zone)) => (Some(zone), None),
        Some(LeapSource::File(file)) => (None, Some(file)),
        None => (None, None),
    };
    context! { zone, file, smear => leap.smear.unwrap_or_default() }
}

/// A value with all keys that it may have: `none` where nothing is said.
fn complete(value: &impl Serialize, keys: &[&str]) -> Value {
    let said = Value::from(Serde(value));
    let silent: BTreeMap<&str, Value> = keys.iter().map(|key| (*key, Value::from(()))).collect();
    context! { ..said, ..Value::from(silent) }
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
        Var::Whole(number) => (*number).into(),
        Var::Number(number) => (*number).into(),
        Var::Bool(flag) => (*flag).into(),
        Var::Secret(hidden) => secret(hidden).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;
    use crate::playbook::template::Engine;

    #[test]
    fn a_whole_number_is_a_number_with_all_its_digits() {
        let host = "address: 10.0.0.1, role: master, isolated: true";
        let numbers =
            "count: 3, none: 0, big: 9007199254740993, most: 18446744073709551615, low: -7, part: 1.5, word: '3'";
        let spec = sample::fleet(&format!("hosts: {{ m: {{ {host}, vars: {{ {numbers} }} }} }}")).remove(0);
        let context = shown(&spec, &(), &(), Word::NONE);
        for (template, text) in [
            (
                "{{ vars.count }} {{ vars.big }} {{ vars.most }} {{ vars.low }}",
                "3 9007199254740993 18446744073709551615 -7",
            ),
            ("{{ vars.count == 3 }} {{ vars.count + 1 }} {{ vars.part * 2 }}", "true 4 3.0"),
            ("{% if vars.none %}yes{% else %}no{% endif %}", "no"),
            ("{% for n in range(vars.count) %}{{ n }}{% endfor %} {{ vars.word == 3 }}", "012 false"),
        ] {
            assert_eq!(Engine.render(template, template, &context).unwrap().trim_end(), text, "{template}");
        }
        let json = serde_json::to_string(&spec.vars).unwrap();
        assert!(json.contains("\"big\":9007199254740993") && json.contains("\"most\":18446744073709551615"), "{json}");
    }
}
