use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A number of bytes. Reads every spelling the seeds use: `512m`, `512Mi`, `1GB`, `1g`, `1024`.
///
/// All suffixes are binary (`1GB` = `1Gi` = 1024³), as Docker and the seeds' compose file read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a size: write bytes or a number with a unit, such as 512m, 512Mi or 1GB")]
pub struct InvalidByteSize(String);

impl ByteSize {
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let invalid = || InvalidByteSize(text.chars().take(40).collect());
        let digits = trimmed.find(|character: char| !character.is_ascii_digit()).unwrap_or(trimmed.len());
        let count: u64 = trimmed[..digits].parse().map_err(|_| invalid())?;
        let shift = match trimmed[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "ki" | "kib" => 10,
            "m" | "mb" | "mi" | "mib" => 20,
            "g" | "gb" | "gi" | "gib" => 30,
            "t" | "tb" | "ti" | "tib" => 40,
            _ => return Err(invalid()),
        };
        count.checked_mul(1 << shift).map(Self).ok_or_else(invalid)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            if self.0 > 0 && self.0.trailing_zeros() >= shift {
                return write!(formatter, "{} {unit}", self.0 >> shift);
            }
        }
        write!(formatter, "{} bytes", self.0)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Spelling {
            Bytes(u64),
            Text(String),
        }
        match Spelling::deserialize(deserializer) {
            Ok(Spelling::Bytes(bytes)) => Ok(Self(bytes)),
            Ok(Spelling::Text(text)) => text.parse().map_err(de::Error::custom),
            Err(_) => Err(de::Error::custom("a size is bytes or a number with a unit, such as 512m, 512Mi or 1GB")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_seeds_reads() {
        for (text, bytes) in [
            ("512m", 512 << 20),
            ("512Mi", 512 << 20),
            ("1GB", 1 << 30),
            ("1g", 1 << 30),
            ("1024", 1024),
            ("100M", 100 << 20),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["", "m", "-1", "1.5g", "12 parsecs", "99999999999999999999", "99999999t"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }
}
