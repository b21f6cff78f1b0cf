//! The probe of a Windows host whose PowerShell did not measure: `w32tm /stripchart`, which every Windows
//! since Vista has. It shows offset and delay, and nothing else of the source.

use super::report::SourceReport;
use crate::model::{Outcome, Prober};

/// Returns the command line that asks one source with the means of every Windows since Vista. Not
/// `/dataonly`: the delay is a part of the bound.
pub fn command(source: &str, samples: u32) -> String {
    format!("w32tm /stripchart /computer:{source} /samples:{samples} /period:1 2>&1")
}

/// Reads the samples of `w32tm /stripchart`, whose words are in the language of the system: the one
/// with the least delay counts. Stratum and leap are not shown by it.
pub fn parse(source: &str, printed: &str) -> SourceReport {
    let samples: Vec<(f64, Option<f64>)> = printed.lines().filter_map(sample).collect();
    let probe = Prober::W32tm;
    let delay = |sample: &&(f64, Option<f64>)| sample.1.unwrap_or(f64::INFINITY);
    let nanos = |seconds: f64| (seconds * 1e9) as i64;
    match samples.iter().min_by(|left, right| delay(left).total_cmp(&delay(right))) {
        Some((offset, delay)) => SourceReport {
            probe,
            offset_ns: Some(nanos(*offset)),
            delay_ns: delay.map(|delay| nanos(delay).max(0)),
            received: u32::try_from(samples.len()).ok(),
            ..SourceReport::without(source, Outcome::Ok)
        },
        None => SourceReport { probe, received: Some(0), ..SourceReport::without(source, hresult(printed)) },
    }
}

/// `11:00:07, d:+00.0003s o:+00.0012345s  [   *   ]`, or with `/dataonly` the offset alone. Some languages write a comma.
fn sample(line: &str) -> Option<(f64, Option<f64>)> {
    let value = |word: &str| {
        let (_, text) = word.rsplit_once(':').unwrap_or(("", word));
        text.strip_suffix('s').filter(|text| text.starts_with(['+', '-'])).map(|text| text.replace(',', "."))
    };
    let words = line.split('[').next()?.split_whitespace().filter_map(value);
    let numbers: Vec<f64> =
        words.map(|text| text.parse().ok().filter(|n: &f64| n.is_finite())).collect::<Option<_>>()?;
    match numbers[..] {
        [offset] => Some((offset, None)),
        [delay, offset] => Some((offset, Some(delay))),
        _ => None,
    }
}

/// The number of an error is the same in every language.
fn hresult(printed: &str) -> Outcome {
    let is = |code: &str| printed.to_ascii_uppercase().contains(code);
    if is("0X80072AF9") {
        Outcome::Unresolved
    } else if is("0X80072746") {
        Outcome::Refused
    } else {
        Outcome::Timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stripchart_is_read_in_any_language() {
        let chart = "10.0.0.1 [10.0.0.1:123]을(를) 추적하고 있습니다.\n현재 시간은 2026-11-21 오후 3:00:00입니다.\n\
                     11:00:01, d:+00.0032000s o:+00.0012345s  [                  *                  ]\n\
                     11:00:02 d:+00,0004000s o:-00,0001000s  [                  *                  ]\n11:00:03, 오류: 0x800705B4\n";
        let report = parse("10.0.0.1", chart);
        assert_eq!((report.offset_ns, report.delay_ns, report.received), (Some(-100_000), Some(400_000), Some(2)));
        let alone = parse("x", "11:00:01, +00.0012345s\n");
        assert_eq!((alone.offset_ns, alone.delay_ns), (Some(1_234_500), None));
        assert_eq!(parse("x", "11:00:00, 오류: 0x800705B4").outcome, Outcome::Timeout);
        assert_eq!(parse("x", "0x80072AF9").outcome, Outcome::Unresolved);
        assert_eq!(parse("x", "11:00:01, +infs\n11:00:02, d:+nans o:+1s\n").outcome, Outcome::Timeout);
    }
}
