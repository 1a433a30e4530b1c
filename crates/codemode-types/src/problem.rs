use std::{fmt, path::PathBuf};

/// One thing wrong with a setting, named by its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// Dotted, such as `limits.memory_limit`; the variable or the option that said it.
    pub key: String,
    pub message: String,
    /// The member that is wrong, where the key holds a list.
    pub item: Option<usize>,
    /// Where it was written, as far as that was a file.
    pub place: Option<Place>,
}

/// A line of a file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub file: PathBuf,
    pub line: u64,
}

impl Problem {
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), item: None, place: None }
    }

    pub fn in_item(self, item: usize) -> Self {
        Self { item: Some(item), ..self }
    }

    pub fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.line)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(formatter, "{place}: ")?;
        }
        write!(formatter, "{}: {}", self.key, self.message)
    }
}
