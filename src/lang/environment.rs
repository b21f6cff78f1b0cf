//! The language that the environment asks for, as all programs read it.

use super::Lang;

/// The variables, the one that counts first.
const VARIABLES: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANG"];

/// Returns the language of the first variable that is set: `ko_KR.UTF-8` is Korean. What is printed is UTF-8, so a
/// terminal of another encoding is spoken to in English, whose letters all of them have.
pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Lang {
    let set = VARIABLES.into_iter().filter_map(variable).find(|value| !value.is_empty()).unwrap_or_default();
    let locale = set.split('@').next().unwrap_or_default();
    let (place, encoding) = locale.split_once('.').unwrap_or((locale, "UTF-8"));
    let is_utf8 = matches!(encoding.to_ascii_lowercase().as_str(), "utf-8" | "utf8");
    let language = place.split('_').next().filter(|_| is_utf8).unwrap_or_default();
    Lang::of(language).unwrap_or(Lang::ENGLISH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let of = |set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            from_environment(value).code()
        };
        for (set, code) in [
            (&[("LANG", "ko_KR.UTF-8")][..], "ko"),
            (&[("LANG", "ko_KR.utf8@x")], "ko"),
            (&[("LANG", "ko")], "ko"),
            (&[("LC_MESSAGES", "ko_KR.UTF-8"), ("LANG", "en_US.UTF-8")], "ko"),
            (&[("LC_ALL", "C.UTF-8"), ("LANG", "ko_KR.UTF-8")], "en"),
            (&[("LC_ALL", ""), ("LANG", "ko_KR.UTF-8")], "ko"),
            (&[("LANG", "ko_KR.eucKR")], "en"),
            (&[("LANG", "kok_IN.UTF-8")], "en"),
            (&[("LANG", "de_DE.UTF-8")], "en"),
            (&[("LANG", "POSIX")], "en"),
            (&[], "en"),
        ] {
            assert_eq!(of(set), code, "{set:?}");
        }
    }
}
