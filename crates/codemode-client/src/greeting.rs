/// The type of the TLS record that says why the other end will not go on. No HTTP/2 frame that a server may begin with is
/// long enough to begin with this byte.
const TLS_ALERT: u8 = 0x15;
const GOAWAY: u8 = 7;
/// RFC 9113, section 7.
const INADEQUATE_SECURITY: [u8; 4] = [0, 0, 0, 0xc];
/// What a server says at once: its settings, and a farewell.
const MOST_BYTES: usize = 128;

/// The first bytes of an answer to HTTP/2 without TLS.
#[derive(Debug, Default)]
pub(crate) struct Greeting(Vec<u8>);

impl Greeting {
    /// Takes what came next; whether the other end wants TLS.
    pub(crate) fn hear(&mut self, data: &[u8]) -> bool {
        let room = MOST_BYTES - self.0.len();
        self.0.extend_from_slice(&data[..data.len().min(room)]);
        room > 0 && wants_tls(&self.0)
    }

    pub(crate) fn heard(&self) -> bool {
        !self.0.is_empty()
    }
}

fn wants_tls(answer: &[u8]) -> bool {
    if answer.first() == Some(&TLS_ALERT) {
        return true;
    }
    let mut rest = answer;
    while let Some(([a, b, c, kind, ..], payload)) = rest.split_first_chunk::<9>() {
        if *kind == GOAWAY {
            return payload.get(4..8) == Some(&INADEQUATE_SECURITY);
        }
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        match payload.get(length..) {
            Some(next) => rest = next,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: [u8; 15] = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];

    fn go_away(reason: u8) -> Vec<u8> {
        [&SETTINGS[..], &[0, 0, 10, 7, 0, 0, 0, 0, 0], &[0, 0, 0, 0], &[0, 0, 0, reason], b"no"].concat()
    }

    #[test]
    fn an_answer_that_wants_tls_is_known_in_any_portions() {
        for answer in [b"\x15\x03\x03\0\x02\x02\x0a".to_vec(), go_away(0xc)] {
            for portion in 1..answer.len() {
                let mut greeting = Greeting::default();
                assert!(answer.chunks(portion).any(|bytes| greeting.hear(bytes)), "{portion}");
            }
        }
    }

    #[test]
    fn other_answers_want_nothing() {
        let endless = [&[0xff; 3][..], &[4; 1000]].concat();
        for answer in
            [&b""[..], b"HTTP/1.1 400 Bad Request\r\n", &SETTINGS, &SETTINGS.repeat(20), &go_away(0), &endless]
        {
            let mut greeting = Greeting::default();
            assert!(!greeting.hear(answer) && !greeting.hear(answer));
            assert_eq!(greeting.heard(), !answer.is_empty());
            assert!(greeting.0.len() <= MOST_BYTES);
        }
    }
}
