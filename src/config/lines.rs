//! From the text of a file to its directives: what each language takes for a comment, a blank and a word.

use super::{Directive, Language, Place};

/// Reads the directives of one file.
pub fn read(language: Language, file: &str, text: &str) -> Vec<Directive> {
    let at = |index: usize| Place { file: file.to_owned(), line: index + 1 };
    match language {
        Language::Chrony => each(text, at, chrony),
        Language::Ntp => each(text, at, ntp),
        Language::Openntpd => each(&joined(text), at, ntp),
        Language::Ini => sections(text, at, &[';', '#'], '='),
        Language::Toml => sections(text, at, &['#'], '='),
    }
}

/// Languages of one directive a line: `split` makes words of it, none of a comment.
fn each(text: &str, at: impl Fn(usize) -> Place, split: impl Fn(&str) -> Vec<String>) -> Vec<Directive> {
    let directive = |(index, line): (usize, &str)| {
        let mut words = split(line).into_iter();
        Some(Directive { place: at(index), name: words.next()?, words: words.collect(), section: 0 })
    };
    text.lines().enumerate().filter_map(directive).collect()
}

/// A comment is a line of its own; names are known in any case. A blank that came along from a web page is none to a
/// service.
fn chrony(line: &str) -> Vec<String> {
    let line = line.trim_ascii();
    if line.starts_with(['!', ';', '#', '%']) {
        return Vec::new();
    }
    let mut words: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
    if let Some(name) = words.first_mut() {
        *name = name.to_ascii_lowercase();
    }
    words
}

/// A comment begins anywhere but inside quotes; what stands in quotes is one word.
fn ntp(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted): (Vec<String>, Option<String>, bool) = (Vec::new(), None, false);
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_with(String::new).push('"');
            }
            '#' if !quoted => break,
            c if c.is_ascii_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    words
}

/// Lines that a backslash joins, each group at the place of its first one.
fn joined(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let (mut open, mut owed) = (None::<usize>, 0);
    for line in text.lines() {
        let (body, goes_on) = line.strip_suffix('\\').map_or((line, false), |body| (body, true));
        match open.and_then(|at| lines.get_mut(at)) {
            Some(first) => {
                first.push(' ');
                first.push_str(body);
                owed += 1;
            }
            None => {
                open = Some(lines.len());
                lines.push(body.to_owned());
            }
        }
        if !goes_on {
            lines.extend(std::iter::repeat_n(String::new(), owed));
            (open, owed) = (None, 0);
        }
    }
    lines.join("\n")
}

/// Sections with keys and values. A value in brackets may go over several lines, as in TOML.
fn sections(text: &str, at: impl Fn(usize) -> Place, comments: &[char], equals: char) -> Vec<Directive> {
    let (mut section, mut begun, mut list) = (String::new(), 0, Vec::new());
    let mut open: Option<Directive> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(comments) {
            continue;
        }
        let is_ini = comments.contains(&';');
        let line = if is_ini { line } else { uncommented(line) };
        // In TOML what stands in quotes is one word.
        let words = |text: &str| match is_ini {
            true => text.split_ascii_whitespace().map(str::to_owned).collect(),
            false => ntp(text),
        };
        if let Some(directive) = &mut open {
            directive.words.extend(words(line));
            if line.ends_with(']') {
                list.extend(open.take());
            }
        } else if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).trim_ascii().to_owned();
            begun += 1;
        } else {
            let (key, value) = line.split_once(equals).unwrap_or((line, ""));
            let name = format!("{section}.{}", key.trim_ascii()).trim_start_matches('.').to_owned();
            let directive = Directive { place: at(index), name, words: words(value), section: begun };
            let value = value.trim_ascii();
            match value.starts_with('[') && !value.ends_with(']') {
                true => open = Some(directive),
                false => list.push(directive),
            }
        }
    }
    list.extend(open);
    list
}

/// A line of TOML without the comment behind its value.
fn uncommented(line: &str) -> &str {
    let mut quoted = false;
    for (index, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return line.get(..index).unwrap_or(line).trim_end(),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(language: Language, text: &str) -> Vec<String> {
        let one = |directive: Directive| format!("{} {}", directive.place.line, directive.text());
        read(language, "/f", text).into_iter().map(one).collect()
    }

    #[test]
    fn each_language_has_its_own_comments() {
        for (language, text, found) in [
            (Language::Chrony, "# a\n! b\n; c\n%d\n\n  Server  10.0.0.1   iburst\n", &["6 server 10.0.0.1 iburst"][..]),
            // chrony knows no comment behind a directive.
            (Language::Chrony, "allow 10.0.0.0/8 # x", &["1 allow 10.0.0.0/8 # x"]),
            (Language::Ntp, "server a iburst # x\n\tdisable monitor\n", &["1 server a iburst", "2 disable monitor"]),
            (Language::Ntp, "crypto pw \"a # b\"", &["1 crypto pw \"a # b\""]),
            (Language::Openntpd, "server a \\\n  weight 2\n# x\nsensor *\n", &["1 server a weight 2", "4 sensor *"]),
            (Language::Ini, "[Time]\n#NTP=\nNTP=a b\n; x\n", &["3 Time.NTP a b"]),
            (
                Language::Toml,
                "[[source]]\nmode = \"server\" # x\nlist = [\n  \"a\",\n  \"b\"\n]\n",
                &["2 source.mode \"server\"", "3 source.list [ \"a\", \"b\" ]"],
            ),
        ] {
            assert_eq!(texts(language, text), found, "{text}");
        }
    }
}
