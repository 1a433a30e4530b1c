//! The set of host files that a sandbox contains, each under its real path, with the links that lead there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{Bind, Mask, elf};

#[derive(Debug, Default)]
pub(super) struct Tree {
    folders: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
    links: BTreeMap<PathBuf, PathBuf>,
    masks: BTreeMap<PathBuf, bool>,
    loaders: BTreeSet<PathBuf>,
    libraries: BTreeSet<PathBuf>,
    shared: BTreeSet<PathBuf>,
    search: elf::Search,
}

/// What a program is loaded with.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) loader: Option<PathBuf>,
    pub(super) libraries: BTreeSet<PathBuf>,
}

/// What of a tree goes into a plan.
pub(super) struct Parts {
    pub(super) binds: Vec<Bind>,
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    pub(super) masks: Vec<Mask>,
    pub(super) loaders: Vec<PathBuf>,
}

impl Tree {
    /// The top-level links of a merged /usr, and the data that programs expect everywhere.
    pub(super) fn host_layout(&mut self) {
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let path = Path::new("/").join(name);
            if let Ok(target) = fs::read_link(&path) {
                self.links.insert(path, target);
            }
        }
        for path in ["/usr/share/zoneinfo", "/usr/lib/locale", "/usr/share/ca-certificates", "/etc/ssl/certs"] {
            if let Some(real) = self.add_folder(Path::new(path)) {
                self.shared.insert(real);
            }
        }
        for path in ["/etc/localtime", "/etc/ld.so.cache"] {
            if let Some(real) = self.add_file(Path::new(path)) {
                self.shared.insert(real);
            }
        }
        // Loaded by name at run time, by the C library itself.
        for name in ["libgcc_s.so.1", "libnss_files.so.2"] {
            self.add_library(name);
        }
    }

    /// Adds one file and the link that leads to it; its real path, or `None` where it does not exist.
    pub(super) fn add_file(&mut self, path: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().ok().filter(|real| real.is_file())?;
        self.add_link(path, &real);
        self.files.insert(real.clone());
        Some(real)
    }

    pub(super) fn add_folder(&mut self, path: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().ok().filter(|real| real.is_dir())?;
        self.add_link(path, &real);
        self.folders.insert(real.clone());
        Some(real)
    }

    /// `path` leads to `real`, if it is another name for it.
    pub(super) fn add_link(&mut self, path: &Path, real: &Path) {
        let parent = path.parent().and_then(|parent| parent.canonicalize().ok().or_else(|| Some(parent.to_owned())));
        let (Some(parent), Some(name)) = (parent, path.file_name()) else { return };
        let alias = parent.join(name);
        if alias != real {
            self.links.insert(alias, real.to_owned());
        }
    }

    pub(super) fn mask(&mut self, path: PathBuf, is_directory: bool) {
        self.masks.insert(path, is_directory);
    }

    /// Whether something of the tree is at this path: a file, a link, or what lies in an added folder.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.files.contains(path)
            || self.links.contains_key(path)
            || path.ancestors().any(|ancestor| self.folders.contains(ancestor))
    }

    /// Adds what an ELF file needs to run: its interpreter and its libraries, and theirs.
    pub(super) fn add_needs_of(&mut self, path: &Path) {
        let mut pending = vec![path.to_owned()];
        while let Some(path) = pending.pop() {
            let (_, libraries) = self.add_direct_needs(&path);
            // The needs of a library that was here before are, too.
            pending.extend(libraries.into_iter().filter_map(|(library, is_new)| is_new.then_some(library)));
        }
    }

    /// The same, and what it was.
    pub(super) fn add_program(&mut self, path: &Path) -> Needs {
        let mut needs = Needs::default();
        let mut pending = vec![path.to_owned()];
        while let Some(path) = pending.pop() {
            let (loader, libraries) = self.add_direct_needs(&path);
            needs.loader = needs.loader.or(loader);
            for (library, _) in libraries {
                if needs.libraries.insert(library.clone()) {
                    pending.push(library);
                }
            }
        }
        needs
    }

    /// The real paths of an ELF file's interpreter and of its libraries, each with whether it was not there before.
    fn add_direct_needs(&mut self, path: &Path) -> (Option<PathBuf>, Vec<(PathBuf, bool)>) {
        let Some(object) = elf::read(path) else { return (None, Vec::new()) };
        let loader = object.interpreter.as_deref().and_then(|loader| self.add_file(loader));
        self.loaders.extend(loader.clone());
        let found = object.needed.iter().filter_map(|name| self.search.find(name, &object.search_paths));
        let found: Vec<_> = found.collect();
        (loader, found.iter().filter_map(|library| self.add_library_file(library)).collect())
    }

    fn add_library(&mut self, name: &str) {
        if let Some(found) = self.search.find(name, &[])
            && let Some((real, true)) = self.add_library_file(&found)
        {
            self.add_needs_of(&real);
        }
    }

    fn add_library_file(&mut self, path: &Path) -> Option<(PathBuf, bool)> {
        let real = self.add_file(path)?;
        let is_new = self.libraries.insert(real.clone());
        Some((real, is_new))
    }

    /// Each library by itself: its folder might also hold a program.
    pub(super) fn libraries(&self) -> Vec<PathBuf> {
        self.libraries.iter().cloned().collect()
    }

    pub(super) fn shared_data(&self) -> Vec<PathBuf> {
        self.shared.iter().cloned().collect()
    }

    pub(super) fn into_parts(self) -> Parts {
        let inside = |path: &Path, folders: &BTreeSet<PathBuf>| {
            path.ancestors().skip(1).any(|ancestor| folders.contains(ancestor))
        };
        let folders = self.folders.iter().filter(|path| !inside(path, &self.folders));
        let files = self.files.iter().filter(|path| !inside(path, &self.folders));
        let binds = folders
            .map(|path| Bind { path: path.clone(), is_directory: true })
            .chain(files.map(|path| Bind { path: path.clone(), is_directory: false }))
            .collect();
        let links = self.links.into_iter().filter(|(link, _)| !inside(link, &self.folders)).collect();
        let masks = self.masks.into_iter().map(|(path, is_directory)| Mask { path, is_directory }).collect();
        Parts { binds, links, masks, loaders: self.loaders.into_iter().collect() }
    }
}
