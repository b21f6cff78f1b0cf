//! Names that stand for many: `web[01:20].corp`, `db[a:c]`, `rack[1:3]-node[1:40]`.

/// Most names that one pattern may stand for.
const MOST: usize = 20_000;

/// Expands every `[from:to]` and `[from:to:step]`, the last one fastest. A leading zero fixes the width.
///
/// # Errors
/// A bracket that is not closed or holds no range, or too many names; says which.
pub fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('[') {
        let (range, tail) = after.split_once(']').ok_or_else(|| format!("`{pattern}`: a `[` is not closed"))?;
        let values = values(range).map_err(|why| format!("`{pattern}`: {why}"))?;
        if names.len().saturating_mul(values.len()) > MOST {
            return Err(format!("`{pattern}` stands for more than {MOST} names"));
        }
        names =
            names.iter().flat_map(|name| values.iter().map(move |value| format!("{name}{before}{value}"))).collect();
        rest = tail;
    }
    if rest.contains(']') {
        return Err(format!("`{pattern}`: a `]` has no `[`"));
    }
    Ok(names.into_iter().map(|name| name + rest).collect())
}

/// Whether a text holds a range.
pub fn is_pattern(text: &str) -> bool {
    text.contains('[')
}

fn values(range: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = range.split(':').collect();
    let (from, to, step) = match parts[..] {
        [from, to] => (from, to, 1),
        [from, to, step] => (from, to, step.parse().map_err(|_| format!("`{step}` is no step"))?),
        _ => return Err(format!("`[{range}]` is no range; write [01:20], [a:f] or [0:100:10]")),
    };
    if step == 0 {
        return Err("the step is 0".to_owned());
    }
    match (letter(from), letter(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from..=to).step_by(step).map(String::from).collect()),
        _ => numbers(from, to, step),
    }
}

fn letter(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
}

fn numbers(from: &str, to: &str, step: usize) -> Result<Vec<String>, String> {
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("`{text}` is neither a number nor a letter"));
    let (first, last) = (number(from)?, number(to)?);
    if first > last {
        return Err(format!("the range ends ({to}) before it starts ({from})"));
    }
    if ((last - first) as usize) / step >= MOST {
        return Err(format!("a range of more than {MOST} names"));
    }
    let width = if from.starts_with('0') { from.len() } else { 1 };
    Ok((first..=last).step_by(step).map(|n| format!("{n:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_of_numbers_letters_and_steps() {
        assert_eq!(expand("web[01:03].corp").unwrap(), ["web01.corp", "web02.corp", "web03.corp"]);
        assert_eq!(expand("db[a:c]").unwrap(), ["dba", "dbb", "dbc"]);
        assert_eq!(expand("n[0:20:10]").unwrap(), ["n0", "n10", "n20"]);
        assert_eq!(expand("r[1:2]n[1:2]").unwrap(), ["r1n1", "r1n2", "r2n1", "r2n2"]);
        assert_eq!(expand("plain").unwrap(), ["plain"]);
    }

    #[test]
    fn mistakes_are_named() {
        for bad in ["a[1", "a1]", "a[1:]", "a[3:1]", "a[1:2:0]", "a[x:1]", "a[1:99999999]", "a[0:200]b[0:200]"] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_range_has_as_many_names_as_numbers(from in 0u32..500, more in 0u32..500) {
            prop_assert_eq!(expand(&format!("h[{from}:{}]", from + more)).unwrap().len(), more as usize + 1);
        }

        #[test]
        fn nothing_panics(text in "[a-z0-9:\\[\\]]{0,20}") {
            let _ = expand(&text);
        }
    }
}
