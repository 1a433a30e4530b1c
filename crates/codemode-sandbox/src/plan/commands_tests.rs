use std::os::unix::fs::symlink;

use super::*;

fn guest() -> Interpreter {
    Interpreter {
        version: (3, 11, 0),
        implementation: "cpython".into(),
        command: "/nowhere/bin/python".into(),
        executable: "/nowhere/bin/python3.11".into(),
        search_path: Vec::new(),
        prefixes: Vec::new(),
    }
}

fn closure_of(path: &Path) -> Result<CommandPlan, CommandError> {
    let (guest, mut tree) = (guest(), Tree::default());
    let mut resolver = Resolver { interpreter: &guest, tree: &mut tree, modules: BTreeMap::new() };
    let name = file_name(path).unwrap();
    let mut plan = CommandPlan { name, file: path.canonicalize().unwrap(), ..CommandPlan::default() };
    resolver.add_program(path, &mut plan)?;
    resolver.add_companions(&mut plan)?;
    Ok(plan)
}

fn program(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_program_comes_with_its_loader_and_libraries() {
    let plan = resolve(&["cat".into()], &guest(), &mut Tree::default()).unwrap().remove(0);
    assert_eq!(plan.executables, std::slice::from_ref(&plan.file));
    assert!(plan.loader.is_some() && !plan.libraries.is_empty() && plan.companions.is_empty(), "{plan:?}");
}

#[test]
fn a_second_command_is_told_its_libraries_too() {
    let names = ["cat".to_owned(), "head".to_owned()];
    let plans = resolve(&names, &guest(), &mut Tree::default()).unwrap();
    assert!(plans.iter().all(|plan| !plan.libraries.is_empty()), "{plans:?}");
}

#[test]
fn a_script_brings_its_interpreter_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (name, line) in [("plain", "#!/bin/sh -e\n"), ("by-env", "#!/usr/bin/env -S sh -e\n")] {
        let plan = closure_of(&program(folder.path(), name, line)).unwrap();
        let shell = Path::new("/bin/sh").canonicalize().unwrap();
        assert!(plan.executables.contains(&shell), "{plan:?}");
        assert!(plan.companions.iter().any(|it| it.path == shell && it.executable), "{plan:?}");
        assert!(plan.loader.is_some());
    }
}

#[test]
fn one_program_for_many_commands_is_refused_under_each_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let multi = program(folder.path(), "busybox", "");
    symlink(&multi, folder.path().join("ls")).unwrap();
    fs::hard_link(&multi, folder.path().join("cat")).unwrap();
    let wrapped = format!("#!{} --coreutils-prog-shebang=wc\n", program(folder.path(), "coreutils", "").display());
    program(folder.path(), "wc", &wrapped);
    for name in ["busybox", "ls", "cat", "wc"] {
        let error = closure_of(&folder.path().join(name)).unwrap_err();
        assert!(matches!(error, CommandError::MultiCall { .. }), "{name}: {error}");
        assert!(error.to_string().starts_with(&format!("execution.allowed_commands: `{name}` is ")), "{error}");
    }
}

#[test]
fn companions_of_a_program_are_those_that_the_machine_has() {
    let prefix = tempfile::tempdir().unwrap();
    for folder in ["bin", "libexec/git-core", "share/git-core/templates"] {
        fs::create_dir_all(prefix.path().join(folder)).unwrap();
    }
    let plan = closure_of(&program(&prefix.path().join("bin"), "git", "")).unwrap();
    let helpers = prefix.path().join("libexec/git-core").canonicalize().unwrap();
    assert!(plan.executables.contains(&helpers), "{plan:?}");
    assert!(plan.data.contains(&prefix.path().join("share/git-core").canonicalize().unwrap()), "{plan:?}");
    assert!(plan.companions.iter().all(|companion| !companion.why.is_empty()));
}

#[test]
fn what_is_not_installed_is_named_with_a_near_name() {
    let error = resolve(&["grpe".into()], &guest(), &mut Tree::default()).unwrap_err().to_string();
    assert!(error.contains("`grpe` is not installed in /usr/local/bin, /usr/bin, /bin"), "{error}");
    assert!(error.contains("did you mean"), "{error}");
}
