//! What the registry of a Windows host says of its time service, in the words of the inventory.

use std::time::Duration;

use super::{Note, Said, Source, Step};
use crate::facts::windows::{POLICY, W32TIME, WindowsFacts};
use crate::provider::w32time::LARGEST_CORRECTION_S;

/// W32Time's word for "no limit".
const NO_LIMIT: u32 = u32::MAX;

/// Reads it; or says why the host is left alone.
///
/// # Errors
/// It takes its time from its domain, or from nobody.
pub(super) fn read(facts: &WindowsFacts) -> Result<Said, String> {
    let mut said = Said::default();
    match facts.sync_type.to_ascii_uppercase().as_str() {
        "NTP" => {}
        "NOSYNC" => said.isolated = Some(10),
        "NT5DS" | "ALLSYNC" if facts.domain_member => {
            return Err(format!(
                "it takes its time from its domain (Type {}), which is left alone; `domain_time: replace` takes it out of there",
                facts.sync_type
            ));
        }
        other => return Err(format!("its time service asks nobody (Type `{other}`)")),
    }
    if said.isolated.is_none() {
        sources(facts, &mut said);
    }
    said.serves = facts.registry.number(&format!(r"{W32TIME}\TimeProviders\NtpServer"), "Enabled") == Some(1);
    step(facts, &mut said);
    Ok(said)
}

/// `NtpServer`: names, each with its flags: 0x1 asks at fixed times, 0x2 is a spare, 0x8 asks as a client.
fn sources(facts: &WindowsFacts, said: &mut Said) {
    let (policy, own) = (format!(r"{POLICY}\Parameters"), format!(r"{W32TIME}\Parameters"));
    let of_policy = facts.registry.text(&policy, "NtpServer");
    if of_policy.is_some() {
        said.notes.push(Note::of_host("a policy names its servers: what is written besides does not count"));
    }
    let list = of_policy.or_else(|| facts.registry.text(&own, "NtpServer")).unwrap_or_default();
    for word in list.split_whitespace() {
        let (address, flags) = word.split_once(',').unwrap_or((word, ""));
        said.sources.push(Source { iburst: true, ..Source::new(address) });
        if !matches!(flags, "0x8" | "0x9" | "0x1" | "0xa" | "0xb" | "") {
            said.notes.push(Note::of_host(format!("NtpServer `{word}`: the flags become 0x8")));
        }
    }
}

fn step(facts: &WindowsFacts, said: &mut Said) {
    let number = |name: &str| facts.registry.number(&format!(r"{W32TIME}\Config"), name);
    let over = number("MaxAllowedPhaseOffset").filter(|seconds| *seconds > 0);
    let most = number("MaxPosPhaseCorrection").unwrap_or(LARGEST_CORRECTION_S);
    said.step = match over {
        Some(NO_LIMIT) => Some(Step::Never),
        Some(seconds) => {
            let over = Duration::from_secs(u64::from(seconds));
            Some(Step::Over(over, (most != NO_LIMIT).then_some(3)))
        }
        None => None,
    };
}
