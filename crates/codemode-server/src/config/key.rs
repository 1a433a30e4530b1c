//! API keys: as digests, and read again from their files.

use std::path::PathBuf;

use codemode_config::{
    Secret,
    sidecar::{ApiKeyPart, ApiKeyParts, read_api_keys},
};
use codemode_types::Problem;

use super::ConfigError;
use crate::{
    auth::ApiKeys,
    secret_file::{self, Stamp},
};

/// Where the API keys come from, so that those in files can be read again.
#[derive(Clone, Debug, Default)]
pub struct KeySource {
    parts: ApiKeyParts,
    /// Of the files, just before they were read.
    stamps: Vec<Stamp>,
}

impl KeySource {
    /// And the keys as they are now.
    pub(super) fn of(parts: ApiKeyParts) -> Result<(Self, ApiKeys), ConfigError> {
        let files = parts.0.iter().filter_map(|part| part.file.as_deref());
        let stamps = files.map(Stamp::of).collect();
        let source = Self { parts, stamps };
        let keys = source.read_again()?;
        Ok((source, keys))
    }

    /// As the files have them now.
    pub(crate) fn read_again(&self) -> Result<ApiKeys, ConfigError> {
        let sets = self.parts.0.iter().map(read_again).collect::<Result<Vec<_>, _>>();
        let keys = sets.and_then(|sets| self.parts.union(&sets));
        let keys = keys.map_err(|problem| ConfigError::Problems(vec![problem]))?;
        Ok(ApiKeys::new(&keys.iter().map(Secret::reveal).collect::<Vec<_>>()))
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.parts.0.iter().filter_map(|part| part.file.clone()).collect()
    }

    pub(crate) fn stamps(&self) -> Vec<Stamp> {
        self.stamps.clone()
    }
}

fn read_again(part: &ApiKeyPart) -> Result<Vec<Secret>, Problem> {
    let Some(file) = &part.file else { return Ok(part.keys.clone()) };
    let unreadable = |error: &dyn std::fmt::Display| part.problem(format!("cannot read {}: {error}", file.display()));
    let (bytes, _) = secret_file::read(file).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is no text"))?;
    read_api_keys(&text, part.may_be_empty).map_err(|message| part.problem(message))
}
