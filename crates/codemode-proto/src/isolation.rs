use codemode_types::{Isolation, Tier};

use crate::{DecodeError, v1};

impl From<Isolation> for v1::Isolation {
    fn from(isolation: Isolation) -> Self {
        let Isolation { tier, layers, substitutes, not_promised } = isolation;
        Self { tier: tier.as_str().into(), layers, substitutes, not_promised }
    }
}

impl TryFrom<v1::Isolation> for Isolation {
    type Error = DecodeError;

    fn try_from(isolation: v1::Isolation) -> Result<Self, DecodeError> {
        let tier = [Tier::Container, Tier::Full]
            .into_iter()
            .find(|tier| tier.as_str() == isolation.tier)
            .ok_or_else(|| DecodeError::unknown("isolation.tier", &isolation.tier))?;
        let v1::Isolation { layers, substitutes, not_promised, .. } = isolation;
        Ok(Self { tier, layers, substitutes, not_promised })
    }
}
