//! Many host names on one line, written as `--limit` takes them: `web[01:20].corp, db1`.

/// More parts than this are cut short.
const MOST: usize = 8;

/// Fewer names in a row than this are written one by one.
const RANGE_FROM: usize = 3;

/// A name around its last number.
#[derive(PartialEq, Eq)]
struct Numbered<'a> {
    head: &'a str,
    digits: &'a str,
    tail: &'a str,
}

impl<'a> Numbered<'a> {
    fn of(name: &'a str) -> Option<Self> {
        // The first label only: the digits of a domain do not count hosts.
        let label = name.split('.').next().unwrap_or(name);
        let end = label.rfind(|c: char| c.is_ascii_digit())? + 1;
        let start = label
            .get(..end)?
            .rfind(|c: char| !c.is_ascii_digit())
            .map_or(0, |at| at + label.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
        Some(Numbered { head: name.get(..start)?, digits: name.get(start..end)?, tail: name.get(end..)? })
    }

    /// Whether `self` is the name right after `before`, in the same width if one is fixed by a zero.
    fn follows(&self, before: &Numbered<'_>) -> bool {
        let number = |of: &Numbered<'_>| of.digits.parse::<u64>().ok();
        let same_width = self.digits.len() == before.digits.len();
        let free = !self.digits.starts_with('0') && !before.digits.starts_with('0');
        self.head == before.head
            && self.tail == before.tail
            && (same_width || free)
            && number(before).and_then(|n| n.checked_add(1)) == number(self)
    }
}

/// Returns all names, with those in a row as ranges.
pub(crate) fn all(names: &[&str]) -> String {
    parts(names).join(", ")
}

/// Returns at most a line of names.
pub(crate) fn some(names: &[&str]) -> String {
    let parts = parts(names);
    match parts.get(..MOST - 2) {
        Some(first) if parts.len() > MOST => {
            format!("{}, ..., {}", first.join(", "), parts.last().map_or("", String::as_str))
        }
        _ => parts.join(", "),
    }
}

fn parts(names: &[&str]) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = names;
    while let Some(first) = rest.first() {
        let length = run(rest);
        let (row, after) = rest.split_at(length);
        match (Numbered::of(first), row.last().and_then(|last| Numbered::of(last))) {
            (Some(from), Some(to)) if length >= RANGE_FROM => {
                parts.push(format!("{}[{}:{}]{}", from.head, from.digits, to.digits, from.tail));
            }
            _ => parts.extend(row.iter().map(|name| (*name).to_owned())),
        }
        rest = after;
    }
    parts
}

/// How many names from the first on are in a row.
fn run(names: &[&str]) -> usize {
    let follows = |pair: &[&str]| match pair {
        [before, after] => {
            Numbered::of(before).zip(Numbered::of(after)).is_some_and(|(before, after)| after.follows(&before))
        }
        _ => false,
    };
    1 + names.windows(2).take_while(|pair| follows(pair)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::range::expand;
    use proptest::prelude::*;

    #[test]
    fn names_in_a_row_are_a_range() {
        assert_eq!(all(&["web1", "web2", "web3", "db"]), "web[1:3], db");
        assert_eq!(all(&["web09.corp", "web10.corp", "web11.corp"]), "web[09:11].corp");
        assert_eq!(all(&["web1", "web2"]), "web1, web2");
        assert_eq!(all(&["web1", "web3", "web5"]), "web1, web3, web5");
        assert_eq!(all(&["a1-x", "a2-x", "a3-y"]), "a1-x, a2-x, a3-y");
        assert_eq!(all(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]), "10.0.0.1, 10.0.0.2, 10.0.0.3");
        assert_eq!(all(&[]), "");
    }

    #[test]
    fn long_lists_are_cut() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        assert_eq!(some(&names), "a, b, c, d, e, f, ..., i");
        assert_eq!(some(&names[..8]), "a, b, c, d, e, f, g, h");
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_given_to_limit(numbers in proptest::collection::vec(0_u32..40, 0..30), width in 1_usize..4) {
            let names: Vec<String> = numbers.iter().map(|number| format!("wéb{number:0width$}.corp")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let back: Vec<String> =
                all(&names).split(", ").filter(|part| !part.is_empty()).flat_map(|part| expand(part).unwrap()).collect();
            prop_assert_eq!(back, names);
        }
    }
}
