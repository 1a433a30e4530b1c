use std::fmt;

use thiserror::Error;

/// Characters of a wrong name that its error repeats.
const SHOWN: usize = 80;

/// Text that is no domain name, host or pattern: names the text, what is wrong and the remedy.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{text}` {fault}")]
pub struct DomainError {
    /// Control characters are escaped; long text is cut.
    text: String,
    fault: Fault,
}

impl DomainError {
    pub(super) fn new(text: &str, fault: Fault) -> Self {
        let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
        if text.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        Self { text: shown, fault }
    }

    pub(super) fn fault(&self) -> Fault {
        self.fault
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Empty,
    TooLong(usize),
    EmptyLabel,
    LongLabel(usize),
    Hyphen,
    Character(char),
    Number,
    Ipv6,
    EveryHost,
    Wildcard,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => formatter.write_str("is empty; write a name such as api.example.com"),
            Self::TooLong(length) => write!(formatter, "has {length} characters; a domain name has at most 253"),
            Self::EmptyLabel => formatter.write_str("has nothing before one of its dots; write one dot between labels"),
            Self::LongLabel(length) => {
                write!(formatter, "has {length} characters between two dots; at most 63 are allowed")
            }
            Self::Hyphen => formatter.write_str("has a hyphen beside a dot or at an end; remove that hyphen"),
            Self::Character(character) => unexpected(character, formatter),
            Self::Number => formatter.write_str(
                "ends with a number, so it is no domain name; write an IPv4 address as four decimal numbers, such as \
                 192.0.2.1",
            ),
            Self::Ipv6 => formatter.write_str(
                "is no IPv6 address; write one as 2001:db8::1 or [2001:db8::1], without zone id and without port",
            ),
            Self::EveryHost => formatter.write_str(
                "would mean every host; name the domains, such as *.example.com, or set network.mode to all",
            ),
            Self::Wildcard => formatter.write_str(
                "is no pattern; *.example.com means every name below example.com, and example.com is an entry of its own",
            ),
        }
    }
}

fn unexpected(character: char, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    match character {
        '/' | '?' | '#' | ':' => {
            write!(formatter, "has a `{character}`; write the host alone, without scheme, port or path")
        }
        '@' => formatter.write_str("has an `@`; write the host alone, without user name and password"),
        '%' => formatter.write_str("has a `%`; write the name itself, without percent-encoding or zone id"),
        '_' => formatter.write_str("has a `_`, which no host name has; write the name of the host itself"),
        '[' | ']' => formatter.write_str("has a bracket; brackets go around one IPv6 address and nothing else"),
        _ if character.is_ascii() => write!(
            formatter,
            "has the character `{}`; a domain name has letters, digits, hyphens and dots",
            character.escape_debug()
        ),
        _ => write!(
            formatter,
            "has the character `{}` (U+{:04X}), which is not ASCII; write it in punycode (xn--…)",
            character.escape_debug(),
            u32::from(character)
        ),
    }
}
