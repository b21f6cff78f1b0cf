//! Leap seconds: sources that smear them must not stand beside sources that do not.

use super::{Find, ROW, Rule, Severity};
use crate::doctor::{Link, Patient, Seen};

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[Rule {
    code: "FC077",
    severity: Severity::Warning,
    title: "Some sources smear leap seconds and others do not",
    cause: "{smearing} of {host} smears leap seconds, and {plain} does not: for a day around the next one they will be up to half a second apart, and {unit} will take one side for false.",
    fix: "let {host} follow sources of one kind only (in the inventory: `upstream`, `follows`), then fleetclock apply -l {host}",
    find: Find::Sources(mixed),
    ..ROW
}];

/// Public servers that say of themselves that they smear: Google, Amazon, Meta.
const PUBLIC: &[&str] = &[
    "time.google.com",
    "time1.google.com",
    "time2.google.com",
    "time3.google.com",
    "time4.google.com",
    "time.android.com",
    "time.aws.com",
    "169.254.169.123",
    "fd00:ec2::123",
    "time.facebook.com",
    "time1.facebook.com",
    "time2.facebook.com",
    "time3.facebook.com",
    "time4.facebook.com",
    "time5.facebook.com",
];

fn is_public(name: &str) -> bool {
    PUBLIC.contains(&name.trim_end_matches('.').to_ascii_lowercase().as_str())
}

/// Why a source smears: by its name, by its configuration, or because all that it follows do.
/// `None`: as far as can be seen, it does not.
fn why(link: &Link<'_>) -> Option<String> {
    if is_public(&link.source.address) {
        return Some(format!("{} is known for it", link.source.address));
    }
    let server = link.server?;
    let config = &server.evidence.config;
    if config.all("smoothtime").any(|words| words.iter().any(|word| word == "leaponly"))
        || config.value("leapsmearinterval").is_some()
    {
        return Some(format!("{} is configured to", server.name()));
    }
    let sources = &server.spec.time.sources;
    let all = !sources.is_empty() && sources.iter().all(|source| is_public(&source.address));
    all.then(|| {
        format!(
            "{} follows {}",
            server.name(),
            sources.iter().map(|s| s.address.as_str()).collect::<Vec<_>>().join(", ")
        )
    })
}

fn mixed(host: &Patient<'_>, links: &[Link<'_>]) -> Vec<Seen> {
    let (smears, plain): (Vec<_>, Vec<_>) =
        links.iter().map(|link| (link, why(link))).partition(|(_, why)| why.is_some());
    let (Some((one, Some(why))), Some((other, _))) = (smears.first(), plain.first()) else { return Vec::new() };
    let text = format!("{} smears ({why}), {} does not", one.source.address, other.source.address);
    let seen = host.seen("config", text).with("smearing", one.source.address.as_str());
    vec![seen.with("plain", other.source.address.as_str())]
}
