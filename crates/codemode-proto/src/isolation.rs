use codemode_types::{Isolation, Tier};

use crate::{DecodeError, v1};

impl From<Isolation> for v1::Isolation {
    fn from(isolation: Isolation) -> Self {
        Self { tier: isolation.tier.as_str().into(), layers: isolation.layers, substitutes: isolation.substitutes }
    }
}

impl TryFrom<v1::Isolation> for Isolation {
    type Error = DecodeError;

    fn try_from(isolation: v1::Isolation) -> Result<Self, DecodeError> {
        let tier = [Tier::Container, Tier::Full]
            .into_iter()
            .find(|tier| tier.as_str() == isolation.tier)
            .ok_or_else(|| DecodeError::unknown("isolation.tier", &isolation.tier))?;
        Ok(Self { tier, layers: isolation.layers, substitutes: isolation.substitutes })
    }
}
