use std::fmt;

use thiserror::Error;

/// Names one execution end to end: wire, log, audit, result. 1 to 64 of `[A-Za-z0-9_-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionId(Box<str>);

/// The caller's own name for a request, echoed everywhere. 1 to 128 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CorrelationId(Box<str>);

#[derive(Debug, Error, PartialEq, Eq)]
#[error("{what} must be {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
}

impl ExecutionId {
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        match fits {
            true => Ok(Self(text.into())),
            false => Err(InvalidId { what: "execution id", rule: "1 to 64 of [A-Za-z0-9_-]" }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CorrelationId {
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        match fits {
            true => Ok(Self(text.into())),
            false => Err(InvalidId { what: "correlation id", rule: "1 to 128 printable ASCII characters" }),
        }
    }

    /// `cm-<6 base36 of milliseconds>-<4 random>`, the form of the published package.
    pub fn from_parts(unix_millis: u64, random: u32) -> Self {
        Self(format!("cm-{}-{}", base36(unix_millis, 6), base36(u64::from(random), 4)).into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The `width` lowest base-36 digits.
fn base36(mut value: u64, width: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = vec![b'0'; width];
    for slot in digits.iter_mut().rev() {
        *slot = DIGITS[(value % 36) as usize];
        value /= 36;
    }
    digits.into_iter().map(char::from).collect()
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        assert!(ExecutionId::parse("01a-B_9").is_ok());
        assert!(ExecutionId::parse("").is_err());
        assert!(ExecutionId::parse("a/b").is_err());
        assert!(ExecutionId::parse(&"a".repeat(65)).is_err());
        assert!(CorrelationId::parse("cm-1\n").is_err());
    }

    #[test]
    fn correlation_ids_have_the_published_form() {
        assert_eq!(CorrelationId::from_parts(36 * 36 + 1, 35).as_str(), "cm-000101-000z");
    }
}
