//! Questions that want something else than the password. The password is a secret that a second factor
//! must never get; which question asks for what is known by its words only, in whatever language.

/// Words of a question for something else than the password: another factor, a choice, a new password.
const WORDS: &[&str] = &[
    "pin",
    "otp",
    "totp",
    "hotp",
    "oath",
    "tan",
    "one-time",
    "verification",
    "authenticator",
    "fattore",
    "fator",
    "фактор",
    "2fa",
    "mfa",
    "yubikey",
    "u2f",
    "fido",
    "fido2",
    "duo",
    "touch",
    "press",
    "insert",
    "presence",
    "biometric",
    "fingerprint",
    "choose",
    "choice",
    "select",
    "option",
    "yes/no",
    "y/n",
    "new",
    "retype",
    "codice",
    "código",
    "códigos",
    "codigo",
    "cod",
    "codul",
    "kodu",
    "kodunu",
    "jeton",
    "monouso",
    "descartável",
    "пин",
    "пин-код",
    "رمز",
    "קוד",
];

/// What such words begin with: those for "one-time", "verify" and "factor" in languages that bend them.
const BEGINS: &[&str] = &[
    "einmal",
    "engång",
    "engang",
    "eenmalig",
    "kertakäyt",
    "jednoraz",
    "jednorázov",
    "jednokratn",
    "egyszer",
    "одноразов",
    "еднократн",
    "подтвержд",
    "підтвердж",
    "верифик",
    "токен",
    "код",
    "επαλήθευσ",
    "επιβεβαίωσ",
    "doğrula",
    "factor",
    "faktor",
    "faktör",
    "facteur",
];

/// What such words end with, in languages that put words together.
const ENDS: &[&str] = &["code", "codes", "token", "kod", "koden", "kode", "kód", "kódot", "koodi", "tunnusluku", "код"];

/// Words that end so, and mean the password.
const PASSWORDS: &[&str] = &["adgangskode", "adgangskoden"];

/// Parts of a question, looked for in its text without blanks: of languages that set no blanks, or set them as
/// they please, and of phrases.
const PARTS: &[&str] = &[
    // Korean: a number or code to prove oneself, for security, one-time, SMS, a second step, PIN.
    "인증번호",
    "코드",
    "일회용",
    "1회용",
    "보안번호",
    "보안카드",
    "확인번호",
    "문자메시지",
    "2단계",
    "2차",
    "추가인증",
    "토큰",
    "지문",
    "핀번호",
    "새암호",
    "새비밀번호",
    "두번째요소",
    // Chinese, in both scripts: verification, check and security codes, one-time and dynamic, tokens, SMS, factors.
    "验证码",
    "驗證碼",
    "校验码",
    "校驗碼",
    "认证码",
    "認證碼",
    "确认码",
    "確認碼",
    "安全码",
    "安全碼",
    "一次性",
    "动态",
    "動態",
    "令牌",
    "权杖",
    "權杖",
    "短信",
    "簡訊",
    "二次",
    "双因",
    "雙因",
    "多因",
    "第二因素",
    "指纹",
    "指紋",
    "新密码",
    "新密碼",
    // Japanese: any code, one-time, a number to prove oneself, PIN, tokens, two steps or factors.
    "コード",
    "ワンタイム",
    "認証番号",
    "確認番号",
    "暗証番号",
    "トークン",
    "二段階",
    "2段階",
    "二要素",
    "2要素",
    "第二要素",
    "2番目の要素",
    "二番目の要素",
    "使い捨て",
    "新しいパスワード",
    // Thai, Hindi.
    "รหัสยืนยัน",
    "ครั้งเดียว",
    "ओटीपी",
    "सत्यापन",
    // Phrases of those who set blanks.
    "onetime",
    "usageunique",
    "usoúnico",
    "solouso",
    "únicouso",
    "usaegetta",
    "tekkullanım",
    "sekalipakai",
    "mãxác",
    "mộtlần",
    "μίαςχρήσης",
    "μιαςχρήσης",
    "unicăfolosință",
    "חדפעמי",
    "חד-פעמי",
    "لمرةواحدة",
];

/// What SSSD calls the password where there is a second factor, in its languages.
const FIRST: &[&str] = &[
    "first factor",
    "erster faktor",
    "premier facteur",
    "primer factor",
    "primo fattore",
    "primeiro fator",
    "första faktorn",
    "první faktor",
    "birinci faktör",
    "eerste factor",
    "pierwszy faktor",
    "первый фактор",
];

/// Whether a question is known to want something else than the password: it is not asked by the names in it.
pub(super) fn wants_other(question: &str) -> bool {
    let usual: String = question.to_lowercase().chars().map(narrow).collect();
    let named = nameless(&usual);
    let text = FIRST.iter().fold(named, |text, first| text.replace(first, ""));
    let compact: String = text.split_whitespace().collect();
    // Where no blanks are set, `OTP` stands for itself among the other letters.
    let is_part = |c: char| (c.is_alphanumeric() || "-/".contains(c)) && !has_no_blanks(c);
    text.split(|c| !is_part(c)).any(is_other) || PARTS.iter().any(|part| compact.contains(part))
}

fn is_other(word: &str) -> bool {
    // `(1-2)` is a choice.
    let choice = word.split_once('-').is_some_and(|(a, b)| a.parse::<u16>().is_ok() && b.parse::<u16>().is_ok());
    let compound = BEGINS.iter().any(|begin| word.starts_with(begin))
        || ENDS.iter().any(|end| word.ends_with(end)) && !PASSWORDS.contains(&word);
    choice || compound || WORDS.contains(&word)
}

/// Letters of Chinese, Japanese and Korean.
fn has_no_blanks(c: char) -> bool {
    c >= '\u{2e80}'
}

/// `ＯＴＰ` in wide letters is `OTP`.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    }
}

/// Without `user@host`, without what stands in quotes, and without the user of `password for ops`.
fn nameless(question: &str) -> String {
    let mut rest = String::new();
    let mut end = None;
    for c in question.chars() {
        match (end, c) {
            (Some(mark), c) if c == mark => end = None,
            (Some(_), _) => {}
            (None, '`') => end = Some('\''),
            // Not that of `host's`.
            (None, '\'' | '"') if !rest.ends_with(char::is_alphanumeric) => end = Some(c),
            (None, c) => rest.push(c),
        }
    }
    let mut words: Vec<&str> = rest.split_whitespace().filter(|word| !word.contains('@')).collect();
    if let [.., "for" | "für", _] = words[..] {
        words.pop();
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_known_by_its_words_and_not_by_the_names_in_it() {
        let cases = include_str!("../../tests/questions.txt").lines().filter(|line| !line.starts_with('#'));
        let mut count = 0;
        for line in cases {
            let (wanted, question) = line.split_once(' ').unwrap();
            assert_eq!(wants_other(question), wanted == "other", "{line}");
            count += 1;
        }
        assert!(count > 80, "{count}");
    }
}
