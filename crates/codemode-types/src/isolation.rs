use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{IsolationPolicy, Problem};

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

impl Isolation {
    /// That of one sandbox, in which these were confirmed.
    #[must_use]
    pub fn with_layers(&self, layers: Vec<String>) -> Self {
        let Self { tier, substitutes, not_promised, .. } = self;
        Self { tier: *tier, layers, substitutes: substitutes.clone(), not_promised: not_promised.clone() }
    }

    /// Whether a caller's wish for walls is met by those that stand.
    pub fn check(&self, wanted: &IsolationPolicy) -> Result<(), Problem> {
        if let Some(minimum) = wanted.minimum.tier().filter(|minimum| self.tier < *minimum) {
            let message = format!("{minimum} is asked for, and tier {} holds here", self.tier);
            return Err(Problem::new("isolation.minimum", message));
        }
        for name in &wanted.require {
            let message = match self
                .substitutes
                .iter()
                .find(|text| text.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(':')))
            {
                Some(substitute) => format!("a substitute stands in here, {substitute}"),
                None if self.layers.iter().any(|layer| layer.starts_with(name.as_str())) => continue,
                None => format!("`{name}` is none of the layers that hold here: {}", self.layers.join(", ")),
            };
            return Err(Problem::new("isolation.require", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MinimumTier;

    #[test]
    fn a_wish_for_more_than_there_is_names_its_key() {
        let isolation = Isolation {
            tier: Tier::Container,
            layers: vec!["landlock (ABI 7)".into(), "seccomp".into()],
            substitutes: vec!["cgroup: a watch".into()],
            not_promised: Vec::new(),
        };
        let check = |minimum, require: &[&str]| {
            let require = require.iter().map(|name| (*name).to_owned()).collect();
            isolation
                .check(&IsolationPolicy { minimum, require, ..IsolationPolicy::default() })
                .map_err(|problem| problem.key)
        };
        assert_eq!(check(MinimumTier::Container, &["landlock", "seccomp"]), Ok(()));
        assert_eq!(check(MinimumTier::Full, &[]), Err("isolation.minimum".into()));
        assert_eq!(check(MinimumTier::None, &["cgroup"]), Err("isolation.require".into()));
        assert_eq!(check(MinimumTier::None, &["lnadlock"]), Err("isolation.require".into()));
    }
}
