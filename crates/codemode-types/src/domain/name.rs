use std::{borrow::Borrow, fmt, iter};

use super::{DomainError, error::Fault};

/// Bytes of a name without its trailing dot: what fits DNS's 255 with the length bytes.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A domain name in its normal form: lower case, no trailing dot, labels of 1 to 63 ASCII letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Box<str>);

impl DomainName {
    /// Takes upper case and one trailing dot; the value has neither. Punycode labels (`xn--…`) are labels like others:
    /// nothing is converted, so nothing can be converted in two ways.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        match check(text.strip_suffix('.').unwrap_or(text)) {
            Ok(name) => Ok(Self(name.into())),
            Err(fault) => Err(DomainError::new(text, fault)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names above this one, nearest first: `b.c` and `c` for `a.b.c`.
    pub(super) fn parents(&self) -> impl Iterator<Item = &str> {
        let parent = |name: &str| name.find('.').map(|dot| dot + 1);
        iter::successors(parent(&self.0), move |at| parent(&self.0[*at..]).map(|next| at + next))
            .map(|at| &self.0[at..])
    }

    /// At least one label below `other`; a name is not below itself.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        self.parents().any(|parent| parent == other.as_str())
    }
}

fn check(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    // Before the length: what is wrong with a long text is more often its characters.
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '.';
    if let Some(character) = text.chars().find(|character| !allowed(*character)) {
        return Err(Fault::Character(character));
    }
    if text.len() > MAX_NAME {
        return Err(Fault::TooLong(text.len()));
    }
    for label in text.split('.') {
        match label.len() {
            0 => return Err(Fault::EmptyLabel),
            1..=MAX_LABEL => {}
            length => return Err(Fault::LongLabel(length)),
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(Fault::Hyphen);
        }
    }
    let name = text.to_ascii_lowercase();
    match name.rsplit('.').next().is_some_and(numeric) {
        true => Err(Fault::Number),
        false => Ok(name),
    }
}

/// Whether some parser would take a name with this last label for an IPv4 address: `127.1`, `0177.0.0.1`, `0x7f`, and
/// `0x` alone, which the URL standard reads as 0.
fn numeric(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Sets of names can be asked about a part of another name. `Hash` and `Eq` are those of the text.
impl Borrow<str> for DomainName {
    fn borrow(&self) -> &str {
        &self.0
    }
}
