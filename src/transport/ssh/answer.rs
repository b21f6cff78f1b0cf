//! What an error of libssh2 means for a login: the server said no, the key is of no use here, or nothing was
//! heard. Some of its codes stand for two of these, and only its words tell them apart.

/// LIBSSH2_ERROR_AUTHENTICATION_FAILED: the server answered, and said no. Of a key it has seen the public half only.
pub(super) const NO: ssh2::ErrorCode = ssh2::ErrorCode::Session(-18);

/// LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED: the server knows the key and gives no login for it; or libssh2 waited in vain.
const UNVERIFIED: ssh2::ErrorCode = ssh2::ErrorCode::Session(-19);

/// LIBSSH2_ERROR_TIMEOUT.
const TIMEOUT: ssh2::ErrorCode = ssh2::ErrorCode::Session(-9);

/// Whether the server has answered.
pub(super) fn is_answer(error: &ssh2::Error) -> bool {
    matches!(error.code(), NO | UNVERIFIED) && !is_silence(error)
}

/// Whether libssh2 waited in vain: the time was over, or the connection was gone. It says so with a code of its own
/// when its socket is silent, and else in words only, with the codes of a refusal (`Waiting for publickey USERAUTH
/// response`).
pub(super) fn is_silence(error: &ssh2::Error) -> bool {
    error.code() == TIMEOUT || error.message().starts_with("Waiting for")
}

/// Why a key cannot be used, if it is the key; else the connection is at fault.
pub(super) fn unusable(error: &ssh2::Error) -> Option<String> {
    match error.code() {
        // LIBSSH2_ERROR_TIMEOUT, _SOCKET_DISCONNECT, _SOCKET_RECV, _SOCKET_SEND, _PROTO, _ALLOC, _EAGAIN, _OUT_OF_BOUNDARY.
        ssh2::ErrorCode::Session(-9 | -13 | -43 | -7 | -14 | -6 | -37 | -41) => None,
        _ if is_silence(error) => None,
        _ => Some(format!("{UNUSABLE}: {}", error.message())),
    }
}

pub(super) const UNUSABLE: &str = "cannot be used by libssh2";

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes and words as libssh2's `userauth.c` has them.
    #[test]
    fn who_waited_in_vain_was_not_refused_and_has_no_bad_key() {
        for (code, words, answered, of_no_use) in [
            (-19, "Waiting for publickey USERAUTH response", false, false),
            (-19, "Waiting for USERAUTH response", false, false),
            (-18, "Waiting for keyboard USERAUTH response", false, false),
            (-9, "Waiting for password response", false, false),
            (-9, "Timed out waiting on socket", false, false),
            (-18, "Authentication failed (username/password)", true, true),
            (-18, "Authentication failed (keyboard-interactive)", true, true),
            (-19, "Username/PublicKey combination invalid", true, true),
            (-16, "Unable to extract public key from private key", false, true),
            (-13, "socket disconnect", false, false),
        ] {
            let error = ssh2::Error::new(ssh2::ErrorCode::Session(code), words);
            assert_eq!((is_answer(&error), unusable(&error).is_some()), (answered, of_no_use), "{words}");
        }
    }
}
