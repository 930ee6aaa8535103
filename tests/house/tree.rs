//! The modules of a crate: the file of each, the names in it, and what it names elsewhere. Modules that exist in tests
//! only are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use syn::Item;
use syn::visit::Visit as _;

use crate::paths::{self, Import, Paths, Segments};

/// How many re-exports a name may go through: a name that stands for itself would never end.
const RE_EXPORTS_MAX: u32 = 16;

/// The modules of a crate.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    modules: BTreeMap<Segments, Module>,
}

/// A module.
#[derive(Debug, Default)]
struct Module {
    /// From the folder of the crate's source, such as `hub/mod.rs`.
    file: PathBuf,
    items: BTreeSet<String>,
    imports: Vec<Import>,
    /// The paths that its code names.
    paths: Vec<Segments>,
    /// The whole numbers that its code writes.
    numbers: Vec<u64>,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Something that this file defines.
    File(PathBuf),
    /// A module as such, which is no use of what is in it.
    Module(Segments),
    /// Something of another crate: its full path.
    Elsewhere(Segments),
}

/// A file that names something of another place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    /// The file.
    pub(crate) from: PathBuf,
    /// The last segment of the path.
    pub(crate) name: String,
    /// The file that defines it; for what is of another crate, its path.
    pub(crate) to: String,
}

impl fmt::Display for Use {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} takes `{}` from {}", self.from.display(), self.name, self.to)
    }
}

impl Tree {
    /// Reads a crate from the folder of its `lib.rs`.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut tree = Self::default();
        tree.read_file(folder, Path::new("lib.rs"), &[]);
        tree
    }

    fn read_file(&mut self, folder: &Path, file: &Path, module: &[String]) {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(folder, file, module, &syntax.items);
    }

    fn add(&mut self, folder: &Path, file: &Path, module: &[String], items: &[Item]) {
        let (mut paths, mut here) = (Paths::default(), Module { file: file.to_owned(), ..Module::default() });
        for item in items.iter().filter(|item| !paths::is_for_tests(paths::attributes(item))) {
            here.items.extend(paths::name(item));
            let Item::Mod(inner) = item else {
                paths.visit_item(item);
                continue;
            };
            let path: Segments = module.iter().cloned().chain([inner.ident.to_string()]).collect();
            match &inner.content {
                Some((_, items)) => self.add(folder, file, &path, items),
                None => {
                    let stem: PathBuf = path.iter().collect();
                    let alone = stem.with_extension("rs");
                    let file = if folder.join(&alone).is_file() { alone } else { stem.join("mod.rs") };
                    self.read_file(folder, &file, &path);
                }
            }
        }
        (here.imports, here.paths, here.numbers) = (paths.imports, paths.found, paths.numbers);
        self.modules.insert(module.to_vec(), here);
    }

    /// Where a path leads that is written in a module.
    fn resolve(&self, module: &[String], path: &[String], re_exports: u32) -> Option<Place> {
        let here = self.modules.get(module)?;
        let Some((first, rest)) = path.split_first() else { return Some(Place::Module(module.to_vec())) };
        let inner: Segments = module.iter().chain([first]).cloned().collect();
        match first.as_str() {
            "crate" => return self.resolve(&[], rest, re_exports),
            "self" => return self.resolve(module, rest, re_exports),
            "super" => return self.resolve(module.split_last()?.1, rest, re_exports),
            _ if self.modules.contains_key(&inner) => return self.resolve(&inner, rest, re_exports),
            name if here.items.contains(name) => return Some(Place::File(here.file.clone())),
            _ if re_exports == 0 => return None,
            _ => {}
        }
        let by_name = here.imports.iter().filter(|import| import.name.as_ref() == Some(first));
        let of_all = here.imports.iter().filter(|import| import.name.is_none());
        let named = by_name.map(|import| [&import.path[..], rest].concat());
        let mut meant = named.chain(of_all.map(|import| [&import.path[..], path].concat()));
        let found = meant.find_map(|path| self.import(module, &path, re_exports - 1));
        // What is neither ours nor a type's begins with the name of another crate.
        let is_crate = first.starts_with(char::is_lowercase) && !rest.is_empty();
        found.or_else(|| is_crate.then(|| Place::Elsewhere(path.to_vec())))
    }

    /// Whether a folder or a file has modules in it.
    pub(crate) fn has(&self, place: &str) -> bool {
        self.modules.values().any(|module| module.file.starts_with(place))
    }

    /// The whole numbers that a place writes, each with its file.
    pub(crate) fn numbers(&self, place: &str) -> impl Iterator<Item = (&Path, u64)> {
        let there = self.modules.values().filter(move |module| module.file.starts_with(place));
        there.flat_map(|module| module.numbers.iter().map(|number| (module.file.as_path(), *number)))
    }

    /// Where the path of an import leads: one that begins with no module of ours is another crate's.
    fn import(&self, module: &[String], path: &[String], re_exports: u32) -> Option<Place> {
        let first = path.first()?;
        let inner: Segments = module.iter().chain([first]).cloned().collect();
        let is_ours = ["crate", "self", "super"].contains(&first.as_str()) || self.modules.contains_key(&inner);
        let is_local = || self.modules.get(module).is_some_and(|module| module.items.contains(first));
        if is_ours || is_local() {
            self.resolve(module, path, re_exports)
        } else {
            Some(Place::Elsewhere(path.to_vec()))
        }
    }

    /// All that files of the crate name of other files, and of other crates.
    pub(crate) fn uses(&self) -> BTreeSet<Use> {
        let mut uses = BTreeSet::new();
        for (path, module) in &self.modules {
            let own = module.imports.iter().filter(|import| !import.is_re_export);
            let imported =
                own.filter_map(|import| Some((import.path.last()?, self.import(path, &import.path, RE_EXPORTS_MAX)?)));
            let named = module
                .paths
                .iter()
                .filter_map(|named| Some((named.last()?, self.resolve(path, named, RE_EXPORTS_MAX)?)));
            for (name, place) in imported.chain(named) {
                let to = match place {
                    Place::File(file) if file == module.file => continue,
                    Place::File(file) => file.display().to_string(),
                    Place::Elsewhere(path) => path.join("::"),
                    Place::Module(_) => continue,
                };
                uses.insert(Use { from: module.file.clone(), name: name.clone(), to });
            }
        }
        uses
    }
}
