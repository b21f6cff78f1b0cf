//! The example of MS-NLMP 4.2.4: user `User` of `Domain`, password `Password`.

use super::*;

const CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const RANDOM_SESSION_KEY: [u8; 16] = [0x55; 16];

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The client's blob: version, time 0, client challenge, names of domain and server.
fn blob() -> Vec<u8> {
    let mut blob = hex("01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000");
    for (id, name) in [(2u8, "Domain"), (1, "Server")] {
        blob.extend([id, 0, 12, 0]);
        blob.extend(utf16(name));
    }
    blob.extend([0; 8]);
    blob
}

fn third_message(proof: &str, flags: u32) -> Vec<u8> {
    let response = [hex(proof), blob()].concat();
    let fields =
        [vec![], response, utf16("Domain"), utf16("User"), utf16("COMPUTER"), hex("c5dad2544fc9799094ce1ce90bc9d03e")];
    let mut message = b"NTLMSSP\0".to_vec();
    message.extend(3u32.to_le_bytes());
    let mut offset = 64;
    for field in &fields {
        message.extend((field.len() as u16).to_le_bytes());
        message.extend((field.len() as u16).to_le_bytes());
        message.extend((offset as u32).to_le_bytes());
        offset += field.len();
    }
    message.extend(flags.to_le_bytes());
    message.extend(fields.concat());
    message
}

fn accounts() -> Vec<Account> {
    vec![Account { name: "User".into(), password: "Password".into(), administrator: true, domain: "Domain".into() }]
}

fn acceptor() -> Acceptor {
    Acceptor::new(b"first", "Server", CHALLENGE, true)
}

const PROOF: &str = "68cd0ab851e51c96aabc927bebef6a1c";

#[test]
fn the_key_of_the_password_is_that_of_the_example() {
    let expected = hex("0c868a403bfd7a93a3001ef22ef02e3f");
    assert_eq!(owf_v2("Password", "User", &utf16("Domain")).to_vec(), expected);
}

#[test]
fn the_example_is_let_in_and_its_body_unsealed() {
    let message = third_message(PROOF, flag::KEY_EXCHANGE | flag::SEAL | flag::SIGN);
    let mut session = acceptor().authenticate(&message, "Server", &accounts()).unwrap();
    let plain = session.unseal(&hex("010000007fb38ec5c55d497600000000"), &hex("54e50165bf1936dc996020c1811b0f06fb5f"));
    assert_eq!(plain.unwrap(), utf16("Plaintext"));
    assert!(session.sealed);
}

#[test]
fn a_changed_body_is_refused() {
    let mut session = Session::new(&RANDOM_SESSION_KEY, accounts().remove(0), true);
    let plain = session.unseal(&hex("010000007fb38ec5c55d497600000000"), &hex("55e50165bf1936dc996020c1811b0f06fb5f"));
    assert!(plain.is_err());
}

#[test]
fn a_wrong_proof_an_unknown_user_and_a_cut_message_are_refused() {
    let refused =
        |message: &[u8], accounts: &[Account]| acceptor().authenticate(message, "Server", accounts).err().unwrap();
    let good = third_message(PROOF, flag::KEY_EXCHANGE);
    let wrong = third_message("68cd0ab851e51c96aabc927bebef6a1d", flag::KEY_EXCHANGE);
    assert_eq!(refused(&wrong, &accounts()), "wrong password for User");
    assert_eq!(refused(&good, &[]), "unknown user User of `Domain`");
    assert_eq!(refused(&good[..100], &accounts()), "the third NTLM message is malformed");
}

#[test]
fn a_third_message_needs_the_first() {
    let message = third_message(PROOF, flag::KEY_EXCHANGE);
    assert!(accept(None, &message, "Server", &accounts(), true).is_err());
}

#[test]
fn the_answers_follow_each_other() {
    let mut session = Session::new(&RANDOM_SESSION_KEY, accounts().remove(0), true);
    let (first, _) = session.seal(b"one");
    let (second, _) = session.seal(b"one");
    assert_eq!((first[12], second[12]), (0, 1));
    assert_ne!(first, second);
}

#[test]
fn an_account_is_one_of_its_own_domain() {
    let account =
        |domain: &str| Account { name: "ops".into(), password: "x".into(), administrator: true, domain: domain.into() };
    let (local, theirs) = (account(""), account("CORP corp.example"));
    let meant = |account: &Account, domain: &str, user: &str| account.is_meant(domain, user, "WIN1");
    assert!(meant(&local, "", "Ops") && meant(&local, "win1", "ops"));
    assert!(!meant(&local, "WIN2", "ops") && !meant(&local, "CORP", "ops") && !meant(&local, "", "ops@corp.example"));
    assert!(meant(&theirs, "corp", "ops") && meant(&theirs, "", "ops@CORP.example") && meant(&theirs, "", "ops"));
    assert!(
        !meant(&theirs, "OTHER", "ops") && !meant(&theirs, "", "ops@other.example") && !meant(&theirs, "WIN1", "ops")
    );
}
