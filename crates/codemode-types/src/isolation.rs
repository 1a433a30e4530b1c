use std::fmt;

use serde::{Deserialize, Serialize};

/// How strong the walls are; see ARCHITECTURE.md. Ordered: `Full` holds everything `Container` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Container,
    Full,
}

impl Tier {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What held one execution: verified at run time, not read from the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    pub tier: Tier,
    pub layers: Vec<String>,
    /// `layer: what stands in for it`.
    pub substitutes: Vec<String>,
    /// What this tier cannot promise and tier full can, a sentence each.
    pub not_promised: Vec<String>,
}
