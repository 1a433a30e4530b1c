//! Walls left out on purpose, one at a time: so the hostile suite is shown to notice when one is missing.
//!
//! Nothing is ever left out by a build without the feature `removable-walls`, and no wheel or image is built with it.
//! A build with it leaves out the wall that its own path names, as in `codemode-without-landlock/`: the zygote has no
//! environment that could say so, and code that runs in a sandbox has no say in where the library came from.

/// A wall that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    Landlock,
    Seccomp,
    /// Of pid, network, ipc and host name. The mount namespace stays: the root is built in it.
    Namespaces,
    /// What the executor gives up itself, all of it. Landlock and seccomp left out are left out of it as well.
    Daemon,
}

#[cfg(not(feature = "removable-walls"))]
pub const fn is_removed(_: Wall) -> bool {
    false
}

/// What a zygote says when it is ready; the daemon refuses one that says anything, unless it is built for the tests too.
#[cfg(not(feature = "removable-walls"))]
pub const fn announcement() -> Vec<String> {
    Vec::new()
}

#[cfg(feature = "removable-walls")]
pub use chosen::{announcement, choose, choose_by, is_removed};

#[cfg(feature = "removable-walls")]
mod chosen {
    use std::{fs, hint::black_box, path::Path, sync::OnceLock};

    use super::Wall;

    /// What a library with this feature contains, and no other.
    const FOLDER: &str = "/codemode-without-";

    static CHOSEN: OnceLock<Option<Wall>> = OnceLock::new();

    /// Decides it, from where this library was loaded: once per zygote, while /proc is still the host's.
    pub fn choose() {
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        CHOSEN.get_or_init(|| maps.lines().find_map(named));
    }

    /// The same in a daemon, from the library that it is about to start zygotes with.
    pub fn choose_by(library: &Path) {
        let real = library.canonicalize();
        CHOSEN.get_or_init(|| real.ok().and_then(|path| named(path.to_str()?)));
    }

    fn named(mapping: &str) -> Option<Wall> {
        let (_, behind) = mapping.split_once(black_box(FOLDER))?;
        match behind.split('/').next()? {
            "landlock" => Some(Wall::Landlock),
            "seccomp" => Some(Wall::Seccomp),
            "namespaces" => Some(Wall::Namespaces),
            "daemon" => Some(Wall::Daemon),
            _ => None,
        }
    }

    pub fn announcement() -> Vec<String> {
        let name = |wall| match wall {
            Wall::Landlock => "landlock",
            Wall::Seccomp => "seccomp",
            Wall::Namespaces => "namespaces",
            Wall::Daemon => "daemon",
        };
        CHOSEN.get().copied().flatten().map(|wall| format!("removed: {}", name(wall))).into_iter().collect()
    }

    pub fn is_removed(wall: Wall) -> bool {
        CHOSEN.get().copied().flatten() == Some(wall)
    }
}
