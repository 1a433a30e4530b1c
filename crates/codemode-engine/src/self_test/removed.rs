//! Guest libraries from which a wall was left out, so that the hostile suite can be seen to notice. They say so, and no
//! executor accepts them but one that was built for that suite.

use super::Attack;
use crate::{StartError, escape::escaped};

const PREFIX: &str = "removed: ";

#[derive(Clone, Debug, Default)]
pub(crate) struct Removed(Vec<String>);

impl Removed {
    /// `layers`: what the zygote says of itself.
    pub(crate) fn of(layers: &[String]) -> Result<Self, StartError> {
        let removed: Vec<String> = layers.iter().filter_map(|layer| layer.strip_prefix(PREFIX)).map(escaped).collect();
        match removed.is_empty() {
            true => Ok(Self(removed)),
            false if cfg!(feature = "removable-walls") => {
                let removed = Self(removed);
                tracing::warn!(
                    removed = removed.0.join(", "),
                    "THIS EXECUTOR HAS A WALL REMOVED and is for tests only"
                );
                Ok(removed)
            }
            false => Err(StartError::WallsRemoved(removed.join(", "))),
        }
    }

    pub(super) fn excuses(&self, attack: Attack) -> bool {
        self.0.iter().any(|wall| attack.removable.contains(&wall.as_str()))
    }

    #[cfg(test)]
    pub(super) fn from_names(names: &[&str]) -> Self {
        Self(names.iter().map(ToString::to_string).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_without_a_wall_is_refused_by_every_executor_that_is_not_for_tests() {
        assert!(Removed::of(&["anything else".into()]).is_ok_and(|removed| removed.0.is_empty()));
        let said = Removed::of(&["removed: landlock".into(), "removed: \u{1b}[2J".into()]);
        match cfg!(feature = "removable-walls") {
            true => assert_eq!(said.unwrap().0, ["landlock", "\\u{1b}[2J"]),
            false => {
                let error = said.unwrap_err().to_string();
                assert!(error.contains("landlock, \\u{1b}[2J"), "{error}");
            }
        }
    }
}
