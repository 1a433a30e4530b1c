use thiserror::Error;

/// A message of the peer that this side cannot read. Says which field, never echoes more than a word of it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{field}`: {reason}")]
    Invalid { field: &'static str, reason: String },
}

impl DecodeError {
    pub(crate) fn invalid(field: &'static str, reason: impl ToString) -> Self {
        Self::Invalid { field, reason: reason.to_string() }
    }

    /// For a closed vocabulary that the peer left.
    pub(crate) fn unknown(field: &'static str, word: &str) -> Self {
        let word: String = word.chars().take(40).collect();
        Self::Invalid { field, reason: format!("unknown value `{}`", word.escape_debug()) }
    }
}
