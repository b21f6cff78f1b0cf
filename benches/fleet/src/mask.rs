//! Scripts carry random marks and boundaries (`fc-` and hexadecimal digits). A recording has
//! placeholders in their place, so that it answers every later run of the same script.

/// Fewest digits of a mark: shorter ones are words of a script.
const DIGITS: usize = 16;

/// The marks of a text, each once, in the order in which they come.
pub fn marks(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for (start, _) in text.match_indices("fc-") {
        let rest = text.get(start + 3..).unwrap_or_default();
        let word = ["begin-", "mark-", "end-"].into_iter().find(|word| rest.starts_with(word)).unwrap_or_default();
        let digits = rest.get(word.len()..).unwrap_or_default();
        let digits = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
        let mark = text.get(start..start + 3 + word.len() + digits).unwrap_or_default();
        if digits >= DIGITS && !found.contains(&mark) {
            found.push(mark);
        }
    }
    found
}

/// Puts placeholders in the place of marks.
pub fn mask(text: &str, marks: &[&str]) -> String {
    let numbered = marks.iter().enumerate();
    numbered.fold(text.to_owned(), |text, (number, mark)| text.replace(mark, &placeholder(number)))
}

/// Puts marks in the place of placeholders.
pub fn fill(text: &str, marks: &[&str]) -> String {
    let numbered = marks.iter().enumerate();
    numbered.fold(text.to_owned(), |text, (number, mark)| text.replace(&placeholder(number), mark))
}

fn placeholder(number: usize) -> String {
    format!("@mark {number}@")
}

/// Takes the first whole script from what was sent to a shell: it ends with the line that prints
/// its last mark on the error output.
pub fn take_script(sent: &mut Vec<u8>) -> Option<String> {
    let text = std::str::from_utf8(sent).ok()?;
    let start = text.find("printf '\\n%s\\n' fc-end-")?;
    let end = start + text.get(start..)?.find('\n')? + 1;
    let script = text.get(..end)?.to_owned();
    sent.drain(..end);
    Some(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "fc-0123456789abcdef0123456789abcdef";
    const END: &str = "fc-end-0123456789abcdef";

    #[test]
    fn marks_are_found_once_and_come_back() {
        let text = format!("printf {A}; fc-probe; fc-12ab; echo {END} {A}\n");
        let found = marks(&text);
        assert_eq!(found, [A, END]);
        let masked = mask(&text, &found);
        assert_eq!(masked, "printf @mark 0@; fc-probe; fc-12ab; echo @mark 1@ @mark 0@\n");
        assert_eq!(fill(&masked, &found), text);
    }

    #[test]
    fn scripts_come_in_pieces_and_one_after_the_other() {
        let script = format!("(\ntrue\n)\nprintf '\\n%s %s\\n' {END} $?; printf '\\n%s\\n' {END} >&2\n");
        let mut sent = script.as_bytes()[..20].to_vec();
        assert_eq!(take_script(&mut sent), None);
        sent.extend_from_slice(&script.as_bytes()[20..]);
        sent.extend_from_slice(script.as_bytes());
        assert_eq!(take_script(&mut sent).as_deref(), Some(script.as_str()));
        assert_eq!(take_script(&mut sent).as_deref(), Some(script.as_str()));
        assert_eq!((take_script(&mut sent), sent.len()), (None, 0));
    }
}
