//! Korean particles: which of two is right depends on how the word before it ends. A catalogue has both, as Koreans
//! write it where they do not know: `은(는)`. Where it can be known, one is left.

/// Both forms as they are written: after a final consonant, and after a vowel.
const PAIRS: [(&str, &str, &str); 5] = [
    ("은(는)", "은", "는"),
    ("이(가)", "이", "가"),
    ("을(를)", "을", "를"),
    ("와(과)", "과", "와"),
    ("(으)로", "으로", "로"),
];

/// How a word ends when it is read aloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Vowel,
    /// `ㄹ`, after which it is `로`.
    Rieul,
    Consonant,
}

/// Appends what comes after a word, with the particle that fits where it begins, behind the end of a quotation.
pub(super) fn fitted(before: String, after: &str) -> String {
    let word = after.trim_start_matches(['`', '\'', '"', ')', ']']);
    let end_of_quote = after.get(..after.len() - word.len()).unwrap_or_default();
    let pair = PAIRS.iter().find_map(|pair| Some((pair, word.strip_prefix(pair.0)?)));
    let Some(((both, consonant, vowel), rest)) = pair else { return before + after };
    let particle = match end(&before) {
        None => both,
        Some(End::Rieul) if *vowel == "로" => vowel,
        Some(End::Vowel) => vowel,
        Some(_) => consonant,
    };
    before + end_of_quote + particle + rest
}

/// How the last letter or digit is read; of a Latin word that cannot be told.
fn end(word: &str) -> Option<End> {
    match word.chars().rev().find(|c| c.is_alphanumeric())? {
        '1' | '7' | '8' => Some(End::Rieul),
        '0' | '3' | '6' => Some(End::Consonant),
        '2' | '4' | '5' | '9' => Some(End::Vowel),
        c @ '가'..='힣' => Some(match (u32::from(c) - u32::from('가')) % 28 {
            0 => End::Vowel,
            8 => End::Rieul,
            _ => End::Consonant,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_particle_fits_the_end_of_the_word() {
        for (before, after, fits) in [
            ("서버", "은(는) 멈춤", "는 멈춤"),
            ("방화벽", "은(는)", "은"),
            ("m1", "`이(가) 함", "`이 함"),
            ("10.0.0.2", "을(를)", "를"),
            ("web3", "와(과)", "과"),
            ("서울", "(으)로", "로"),
            ("10.10.10.1", "(으)로", "로"),
            ("10.10.10.3", "(으)로", "으로"),
            ("`chrony`", "은(는)", "은(는)"),
            ("서버", "에서", "에서"),
        ] {
            assert_eq!(fitted(before.to_owned(), after), format!("{before}{fits}"));
        }
    }
}
