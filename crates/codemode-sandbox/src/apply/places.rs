//! What most Landlock rules of most cells are about, opened once.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use landlock::{PathFd, PathFdError};

use super::removed::{Wall, is_removed};
use crate::plan::{Means, SandboxPlan};

pub(super) const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What a cell mounts for itself: another file system in each, or another view of one. A rule about the folder that a
/// mount covers does not hold for the mount.
const MOUNTED_BY_CELL: [&str; 7] = ["/sandbox", "/outputs", "/tmp", "/dev/shm", "/workspace", "/proc", "/run"];

/// No more than these: every fork copies the table of descriptors.
const MOST: usize = 256;

/// Files and folders of the base root, for rules in every cell: a rule holds for the file itself, whoever opened it.
#[derive(Debug, Default)]
pub struct Places(HashMap<PathBuf, Place>);

#[derive(Debug)]
pub(super) struct Place {
    pub(super) descriptor: PathFd,
    pub(super) is_directory: bool,
}

impl Places {
    /// What is left out, each cell opens when it needs it; without a base root that is everything.
    pub fn open(plan: &SandboxPlan) -> Self {
        let mut places = Self::default();
        if plan.means == Means::Container || is_removed(Wall::Landlock) {
            return places;
        }
        let shared = [&plan.readable, &plan.listable, &plan.loaders];
        let commands =
            plan.commands.iter().flat_map(|command| [&command.executables, &command.data, &command.listable]);
        let planned = shared.into_iter().chain(commands).flatten().map(PathBuf::as_path);
        for path in ["/etc"].iter().chain(&DEVICES).map(Path::new).chain(planned) {
            places.add(path);
        }
        places
    }

    fn add(&mut self, path: &Path) {
        if self.0.len() < MOST && !self.0.contains_key(path) && is_alike_in_every_cell(path) {
            self.0.extend(Place::open(path).ok().flatten().map(|place| (path.to_owned(), place)));
        }
    }

    pub(super) fn get(&self, path: &Path) -> Option<&Place> {
        self.0.get(path)
    }
}

impl Place {
    /// `None`: there is no such path here.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, PathFdError> {
        let Ok(metadata) = path.metadata() else { return Ok(None) };
        Ok(Some(Self { descriptor: PathFd::new(path)?, is_directory: metadata.is_dir() }))
    }
}

/// Wherever its links lead.
fn is_alike_in_every_cell(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|real| MOUNTED_BY_CELL.iter().all(|mounted| !real.starts_with(mounted)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_lies_in_a_cells_own_mounts_is_left_to_the_cell() {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let link = |target: &str| {
            let link = folder.path().join(target.replace('/', "-"));
            symlink(target, &link).unwrap();
            link
        };
        let mut places = Places::default();
        let taken = [PathBuf::from("/usr"), PathBuf::from("/dev/null"), link("/usr")];
        let left = [folder.path().to_owned(), PathBuf::from("/proc/self"), link("/proc/1"), PathBuf::from("/nowhere")];
        taken.iter().chain(&left).for_each(|path| places.add(path));
        let is_directory = |path: &PathBuf| places.get(path).map(|place| place.is_directory);
        assert_eq!(taken.each_ref().map(is_directory), [Some(true), Some(false), Some(true)]);
        assert_eq!(left.each_ref().map(is_directory), [None; 4]);
    }

    #[test]
    fn the_table_of_descriptors_stays_small() {
        let mut places = Places::default();
        (0..2 * MOST).for_each(|turns| places.add(Path::new(&format!("/usr{}", "/../usr".repeat(turns)))));
        assert_eq!(places.0.len(), MOST);
    }
}
