//! Which starts of programs the kernel will refuse, told from the path alone.
//!
//! The rule:
//! 1. A path that leads to a program that this sandbox may execute is none. It is followed as text, through the links
//!    that the plan has put into the sandbox; `/proc/self/exe` is the caller's own program.
//! 2. Nor is one that ends in the name of such a program. That is a search along PATH, which tries every folder, or a
//!    link of the code's own. (A copy under a listed name is refused by the kernel and not listed.)
//! 3. In folders of the code's own and in the workspace, `python` and `python3` are names of any listed Python: a
//!    virtual environment calls it so.
//! 4. Any other is refused. It is called by its last name, so that a search is one refusal however many folders it
//!    tried; below /proc and /dev, where that says nothing, by the whole path.
//!
//! A link of the code's own to a listed program, under another name, is started by the kernel and listed as refused: to
//! know better, files that the code controls would have to be looked at while it runs.

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::caller::Caller;
use crate::plan::{CommandPlan, SandboxPlan};

/// More parts than any listed program's path has, so that a long path costs no more than a short one.
const MOST_PARTS: usize = 64;

/// Where the plan does not know what there is.
const OWN_PLACES: [&str; 5] = ["/sandbox", "/outputs", "/tmp", "/dev/shm", "/workspace"];

const THE_CALLERS_OWN: [&str; 2] = ["/proc/self/exe", "/proc/thread-self/exe"];

/// The programs of a plan and the links that lead to them.
#[derive(Clone, Debug)]
pub struct Programs {
    links: Arc<HashMap<PathBuf, PathBuf>>,
    commands: Vec<CommandPlan>,
    loaders: Vec<PathBuf>,
}

/// What one sandbox may execute.
#[derive(Debug)]
pub struct Granted {
    links: Arc<HashMap<PathBuf, PathBuf>>,
    /// Files, and folders with all that is in them.
    executables: HashSet<PathBuf>,
    names: HashSet<OsString>,
    has_python: bool,
}

impl Programs {
    /// `None`: this plan's sandboxes are not observed.
    pub fn of(plan: &SandboxPlan) -> Option<Self> {
        plan.observe_exec.then(|| Self {
            links: Arc::new(plan.links.iter().cloned().collect()),
            commands: plan.commands.clone(),
            loaders: plan.loaders.clone(),
        })
    }

    /// `commands`: names of the plan's commands.
    pub fn granted(&self, commands: &[String]) -> Granted {
        let listed: Vec<&CommandPlan> =
            self.commands.iter().filter(|command| commands.contains(&command.name)).collect();
        let programs = || listed.iter().flat_map(|command| &command.executables);
        let files = programs().filter_map(|path| path.file_name()).map(OsStr::to_owned);
        let names: HashSet<OsString> = listed.iter().map(|command| command.name.clone().into()).chain(files).collect();
        Granted {
            links: Arc::clone(&self.links),
            executables: programs().chain(&self.loaders).cloned().collect(),
            has_python: names.iter().any(|name| name.to_string_lossy().starts_with("python")),
            names,
        }
    }
}

impl Granted {
    /// What to call the program at this path, if the kernel will refuse to start it.
    pub(super) fn refuses(&self, path: &Path, caller: &impl Caller) -> Option<String> {
        let name = path.file_name()?;
        if self.names.contains(name) {
            return None;
        }
        let place = if path.is_absolute() { Some(path.to_owned()) } else { caller.folder().map(|at| at.join(path)) };
        let place = place.and_then(|place| self.follow(&place));
        if let Some(place) = &place {
            let is_own_program = THE_CALLERS_OWN.iter().any(|own| place == Path::new(own));
            let program = if is_own_program { caller.program() } else { None };
            if self.may_execute(program.as_deref().unwrap_or(place)) || self.is_environments_python(name, place) {
                return None;
            }
        }
        let says_nothing = |place: &Path| (place.starts_with("/proc") || place.starts_with("/dev")) && !is_own(place);
        let called = if place.is_some_and(|place| says_nothing(&place)) { path.as_os_str() } else { name };
        Some(called.to_string_lossy().into_owned())
    }

    fn may_execute(&self, path: &Path) -> bool {
        path.ancestors().any(|path| self.executables.contains(path))
    }

    fn is_environments_python(&self, name: &OsStr, place: &Path) -> bool {
        self.has_python && (name == "python" || name == "python3") && is_own(place)
    }

    /// Where an absolute path leads; `None`: nowhere that the plan knows of.
    fn follow(&self, path: &Path) -> Option<PathBuf> {
        let mut place = PathBuf::from("/");
        let mut ahead: Vec<PathBuf> = vec![path.to_owned()];
        let mut parts = 0;
        while let Some(path) = ahead.pop() {
            let mut components = path.components();
            while let Some(component) = components.next() {
                parts += 1;
                if parts > MOST_PARTS {
                    return None;
                }
                match component {
                    Component::RootDir => place = PathBuf::from("/"),
                    Component::CurDir | Component::Prefix(_) => {}
                    Component::ParentDir => {
                        place.pop();
                    }
                    Component::Normal(name) => {
                        place.push(name);
                        if let Some(target) = self.links.get(&place) {
                            place.pop();
                            ahead.extend([components.as_path().to_owned(), target.clone()]);
                            break;
                        }
                    }
                }
            }
        }
        Some(place)
    }
}

fn is_own(place: &Path) -> bool {
    OWN_PLACES.iter().any(|folder| place.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(Option<&'static str>, Option<&'static str>);

    impl Caller for At {
        fn folder(&self) -> Option<PathBuf> {
            self.0.map(PathBuf::from)
        }

        fn program(&self) -> Option<PathBuf> {
            self.1.map(PathBuf::from)
        }
    }

    const IN_SANDBOX: At = At(Some("/sandbox"), None);

    fn command(name: &str, executables: &[&str]) -> CommandPlan {
        let executables = executables.iter().map(PathBuf::from).collect();
        CommandPlan { name: name.into(), executables, ..CommandPlan::default() }
    }

    fn granted(commands: &[&str]) -> Granted {
        let link = |from: &str, to: &str| (PathBuf::from(from), PathBuf::from(to));
        let programs = Programs {
            links: Arc::new(HashMap::from([
                link("/bin", "usr/bin"),
                link("/lib64", "usr/lib64"),
                link("/usr/bin/python3", "/usr/bin/python3.11"),
                link("/usr/bin/awk", "/usr/bin/mawk"),
                link("/usr/bin/round", "/usr/bin/round"),
            ])),
            commands: vec![
                command("grep", &["/usr/bin/grep"]),
                command("cat", &["/usr/bin/cat"]),
                command("awk", &["/usr/bin/mawk"]),
                command("git", &["/usr/bin/git", "/usr/lib/git-core"]),
                command("python3", &["/usr/bin/python3.11"]),
            ],
            loaders: vec!["/usr/lib64/ld-linux-x86-64.so.2".into()],
        };
        programs.granted(&commands.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    fn refused(commands: &[&str], path: &str) -> Option<String> {
        granted(commands).refuses(Path::new(path), &IN_SANDBOX)
    }

    #[test]
    fn whatever_leads_to_a_listed_program_is_none() {
        let listed = ["grep", "awk", "git", "python3"];
        for path in [
            "/usr/bin/grep",
            "/bin/grep",
            "/bin/../bin/./grep",
            "../bin/awk",
            "/usr/bin/mawk",
            "/usr/lib/git-core/git-remote-https",
            "/lib64/ld-linux-x86-64.so.2",
            "/usr/bin/python3",
        ] {
            assert_eq!(refused(&listed, path), None, "{path}");
        }
    }

    #[test]
    fn a_search_for_a_listed_program_is_none() {
        for path in ["/usr/local/bin/grep", "/sandbox/bin/grep", "grep", "/nowhere/grep"] {
            assert_eq!(refused(&["grep"], path), None, "{path}");
        }
    }

    #[test]
    fn any_other_is_called_by_its_last_name() {
        for path in ["/usr/bin/rm", "/bin/rm", "/usr/local/bin/rm", "rm", "./rm", "/sandbox/../usr/bin/rm", "/rm/"] {
            assert_eq!(refused(&["grep"], path).as_deref(), Some("rm"), "{path}");
        }
        // In the plan, but not given to this sandbox.
        assert_eq!(refused(&["grep"], "/usr/bin/cat").as_deref(), Some("cat"));
        assert_eq!(refused(&["grep"], "/usr/bin/round").as_deref(), Some("round"));
        assert_eq!(refused(&["grep"], &format!("/{}rm", "a/".repeat(2000))).as_deref(), Some("rm"));
        assert_eq!(refused(&["grep"], "/").as_deref(), None);
        assert_eq!(refused(&["grep"], "").as_deref(), None);
    }

    #[test]
    fn where_a_name_says_nothing_the_path_does() {
        assert_eq!(refused(&["grep"], "/proc/self/fd/3").as_deref(), Some("/proc/self/fd/3"));
        assert_eq!(refused(&["grep"], "/dev/fd/3").as_deref(), Some("/dev/fd/3"));
        assert_eq!(refused(&["grep"], "/dev/shm/3").as_deref(), Some("3"));
    }

    #[test]
    fn a_program_may_start_itself_again() {
        let start_again = |program| granted(&["grep"]).refuses(Path::new("/proc/self/exe"), &At(None, program));
        assert_eq!(start_again(Some("/usr/bin/grep")), None);
        assert_eq!(start_again(Some("/usr/bin/python3.11")).as_deref(), Some("/proc/self/exe"));
        assert_eq!(start_again(None).as_deref(), Some("/proc/self/exe"));
    }

    #[test]
    fn an_environment_of_the_codes_own_has_its_names_for_python() {
        assert_eq!(refused(&["python3"], "/sandbox/venv/bin/python"), None);
        assert_eq!(refused(&["python3"], "/workspace/venv/bin/python3"), None);
        assert_eq!(refused(&["python3"], "/usr/bin/python").as_deref(), Some("python"));
        assert_eq!(refused(&["grep"], "/sandbox/venv/bin/python").as_deref(), Some("python"));
    }

    #[test]
    fn without_a_folder_the_name_decides() {
        let nowhere = At(None, None);
        assert_eq!(granted(&["grep"]).refuses(Path::new("bin/grep"), &nowhere), None);
        assert_eq!(granted(&["grep"]).refuses(Path::new("bin/rm"), &nowhere).as_deref(), Some("rm"));
    }
}
