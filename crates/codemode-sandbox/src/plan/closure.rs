//! What listed commands bring along besides their own file and its libraries, and what listing them means. Data, a
//! reason per line; `codemode doctor` prints it.

use std::path::{Path, PathBuf};

use Kind::{Data, Program};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// May be read and executed. A name without a slash is looked for like a listed command.
    Program,
    /// May be read.
    Data,
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Companion {
    pub(super) kind: Kind,
    place: &'static str,
    pub(super) why: &'static str,
}

const fn needs(kind: Kind, place: &'static str, why: &'static str) -> Companion {
    Companion { kind, place, why }
}

/// A command, by each of its names, and what it needs where the machine has it. A place that begins with a slash is
/// one, any other with a slash lies below the prefix of the program (/usr of /usr/bin/git), and `{machine}` is the
/// machine's own folder of libraries.
const TABLE: &[(&[&str], &[Companion])] = &[
    (
        &["git"],
        &[
            needs(Program, "lib/git-core", "most of git's subcommands are programs of their own"),
            needs(Program, "libexec/git-core", "most of git's subcommands are programs of their own"),
            needs(Data, "share/git-core", "the template of a new repository"),
            needs(
                Program,
                "sh",
                "git clone and git fetch start their other half through it; some subcommands are scripts",
            ),
        ],
    ),
    (
        &["tar"],
        &[
            needs(Program, "sh", "tar c with a compressor starts the compressor through it"),
            needs(Program, "gzip", "tar z runs it"),
            needs(Program, "bzip2", "tar j runs it"),
            needs(Program, "xz", "tar J runs it"),
            needs(Program, "zstd", "tar --zstd runs it"),
        ],
    ),
    (&["gunzip", "zcat"], &[needs(Program, "gzip", "the script starts gzip -d")]),
    (
        &["zgrep", "zegrep", "zfgrep"],
        &[
            needs(Program, "gzip", "the script reads through it"),
            needs(Program, "grep", "the script searches with it"),
            needs(Program, "sed", "the script builds its command with it"),
        ],
    ),
    (&["make"], &[needs(Program, "sh", "every recipe runs in it")]),
    (
        &["curl", "wget"],
        &[needs(Data, "/etc/ssl/openssl.cnf", "defaults of the TLS library; the CA bundle is always there")],
    ),
    (
        &["perl"],
        &[
            needs(Data, "/etc/perl", "perl's own settings"),
            needs(Data, "share/perl", "perl's standard modules"),
            needs(Data, "share/perl5", "installed modules"),
            needs(Data, "lib/{machine}/perl", "perl's native modules"),
            needs(Data, "lib/{machine}/perl-base", "the modules that perl cannot start without"),
        ],
    ),
    (
        &["ruby"],
        &[needs(Data, "lib/ruby", "ruby's standard library"), needs(Data, "lib/{machine}/ruby", "its native part")],
    ),
    (
        &["file"],
        &[
            needs(Data, "/etc/magic", "local additions to the table of magic numbers"),
            needs(Data, "share/misc", "the table of magic numbers"),
            needs(Data, "share/file", "the table of magic numbers"),
            needs(Data, "lib/file", "the table of magic numbers"),
        ],
    ),
    (&["iconv"], &[needs(Data, "lib/{machine}/gconv", "the tables of character sets")]),
    (&["vim", "vi", "ex", "view"], &[needs(Data, "share/vim", "the editor's run-time files")]),
];

/// What the table says of the program behind these names.
pub(super) fn companions_of(names: &[String]) -> impl Iterator<Item = &'static Companion> {
    TABLE
        .iter()
        .filter(|(known, _)| known.iter().any(|name| names.iter().any(|own| own == name)))
        .flat_map(|line| line.1)
}

/// Where a companion of the program at `program` is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path(PathBuf),
    Command(&'static str),
}

impl Companion {
    pub(super) fn place(&self, program: &Path) -> Place {
        if !self.place.contains('/') {
            return Place::Command(self.place);
        }
        let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
        let prefix = program.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
        Place::Path(prefix.join(self.place.replace("{machine}", &machine)))
    }
}

/// Programs that are a different command under each of their names: the right to run one name is the right to all.
pub(super) const MULTI_CALL: [&str; 6] =
    ["busybox", "toybox", "coreutils", "uutils", "gnu-coreutils", "rust-coreutils"];

const SHELL: &str = "a shell: every program that it starts must be listed as well; what is built into it runs freely";
const INTERPRETER: &str = "an interpreter: programs in its language run behind the same walls as the code, without its \
                           tools and without the guest's texts; every program that they start must be listed as well";
const STARTER: &str = "it starts other programs; every one of them must be listed as well";
const INSTALLER: &str = "packages go to /sandbox, where nothing native can be loaded from: install those into the \
                         environment or the image";

/// Commands whose name says too little.
const MEANINGS: &[(&[&str], &str)] = &[
    (&["sh", "bash", "dash", "zsh", "ksh", "mksh", "fish", "tcsh", "csh"], SHELL),
    (&["python", "perl", "ruby", "node", "lua", "php", "tclsh", "guile", "Rscript"], INTERPRETER),
    (&["awk", "gawk", "mawk", "nawk"], INTERPRETER),
    (
        &["env", "xargs", "find", "nice", "nohup", "timeout", "time", "setsid", "stdbuf", "parallel", "watch", "make"],
        STARTER,
    ),
    (&["pip"], INSTALLER),
];

/// What listing this command means, where that is more than its name says.
pub(super) fn meaning_of(name: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(names, _)| names.contains(&unversioned(name))).map(|(_, meaning)| *meaning)
}

/// `python` of `python3.11`.
pub(super) fn unversioned(name: &str) -> &str {
    name.trim_end_matches(|end: char| end.is_ascii_digit() || end == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_from_the_program() {
        let git: Vec<_> = companions_of(&["git".into()]).map(|it| it.place(Path::new("/usr/local/bin/git"))).collect();
        assert!(git.contains(&Place::Path("/usr/local/libexec/git-core".into())), "{git:?}");
        assert!(git.contains(&Place::Command("sh")), "{git:?}");
        let magic = companions_of(&["file".into()]).next().unwrap();
        assert_eq!(magic.place(Path::new("/usr/bin/file")), Place::Path("/etc/magic".into()));
        let perl: Vec<_> = companions_of(&["perl".into()]).map(|it| it.place(Path::new("/usr/bin/perl"))).collect();
        let machine = format!("/usr/lib/{}-linux-gnu/perl-base", std::env::consts::ARCH);
        assert!(perl.contains(&Place::Path(machine.into())), "{perl:?}");
    }

    #[test]
    fn every_line_has_its_reason_and_every_name_one_line() {
        let mut names: Vec<_> = TABLE.iter().flat_map(|(names, _)| *names).collect();
        names.sort();
        let before = names.len();
        names.dedup();
        assert_eq!(names.len(), before);
        assert!(TABLE.iter().flat_map(|line| line.1).all(|companion| companion.why.len() > 8));
    }

    #[test]
    fn a_version_does_not_change_what_a_name_means() {
        assert_eq!(meaning_of("python3.11"), meaning_of("python"));
        assert_eq!(meaning_of("pip3"), Some(INSTALLER));
        assert_eq!(meaning_of("dash"), Some(SHELL));
        assert_eq!((meaning_of("grep"), meaning_of("")), (None, None));
    }
}
