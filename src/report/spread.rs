//! The greatest difference between any two clocks, in words.

use crate::lang::say;
use crate::model::Spread;
use crate::text::number::span;

/// Returns the line for people.
pub(super) fn line(spread: &Spread) -> String {
    let Spread { between: [one, other], difference_s, uncertainty_s, hosts } = spread;
    let (difference, doubt) = (span(*difference_s), span(*uncertainty_s));
    let line =
        format!("of {hosts} clocks, those of {one} and {other} differ most: by {difference}, give or take {doubt}");
    say(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hosts_and_the_doubt_are_named() {
        let between = ["h2".to_owned(), "h3".to_owned()];
        let spread = Spread { between, difference_s: 0.005, uncertainty_s: 0.001, hosts: 3 };
        assert_eq!(line(&spread), "of 3 clocks, those of h2 and h3 differ most: by 5.00 ms, give or take 1.00 ms");
    }
}
