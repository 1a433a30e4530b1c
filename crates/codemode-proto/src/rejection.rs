use codemode_types::{ErrorCode, Rejection};

use crate::{DecodeError, v1};

impl From<Rejection> for v1::Rejected {
    fn from(rejection: Rejection) -> Self {
        Self { code: rejection.code.as_str().into(), retryable: rejection.code.retryable(), message: rejection.message }
    }
}

impl TryFrom<v1::Rejected> for Rejection {
    type Error = DecodeError;

    fn try_from(rejected: v1::Rejected) -> Result<Self, DecodeError> {
        let code = ErrorCode::ALL
            .into_iter()
            .find(|code| code.as_str() == rejected.code)
            .ok_or_else(|| DecodeError::unknown("rejected.code", &rejected.code))?;
        Ok(Self::new(code, rejected.message))
    }
}
