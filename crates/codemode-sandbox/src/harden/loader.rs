//! Variables by which an environment decides what code a program loads. They are for the process that somebody set them
//! for, and go no further: a zygote has no environment at all, and what the executor asks an interpreter it asks without.

use std::{ffi::OsString, os::unix::ffi::OsStrExt};

/// What a name begins with, and what such variables do.
const STRIPPED: [(&str, &str); 6] = [
    ("LD_", "the dynamic loader: other libraries, from other folders"),
    ("GLIBC_TUNABLES", "the C library: its allocator and its checks"),
    ("MALLOC_", "the allocator: traces to a file, other behaviour"),
    ("PYTHON", "an interpreter: its modules, its start-up code"),
    // What a program needs that the executor asks is in its file, and none needs the executor's key.
    ("CODEMODE_", "the executor's own settings, its key among them"),
    ("BASH_ENV", "a script that a wrapper would run first"),
];

/// Of the first kind: what may load code into the executor itself.
const PRELOADS: [&str; 3] = ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH"];

/// Whether a variable is not for what the executor starts.
pub fn is_stripped(name: &OsString) -> bool {
    STRIPPED.iter().any(|(prefix, _)| name.as_bytes().starts_with(prefix.as_bytes()))
}

/// Of these names, those that chose libraries of the executor's own. An allocator may be an operator's wish, so it is
/// told and not refused.
pub fn preloads<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    names.into_iter().map(String::as_str).filter(|name| PRELOADS.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide() {
        for name in ["LD_PRELOAD", "LD_AUDIT", "GLIBC_TUNABLES", "MALLOC_CHECK_", "PYTHONPATH", "CODEMODE_API_KEY"] {
            assert!(is_stripped(&name.into()), "{name}");
        }
        for name in ["PATH", "HOME", "PYENV_ROOT", "LANG", "OLD_PATH"] {
            assert!(!is_stripped(&name.into()), "{name}");
        }
        let names = ["PATH", "LD_PRELOAD", "LD_BIND_NOW"].map(str::to_owned);
        assert_eq!(preloads(&names), ["LD_PRELOAD"]);
    }
}
