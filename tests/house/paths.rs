//! The paths that a piece of syntax names: `use` trees taken apart, and paths in code and in the tokens of macros.

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, LitInt, UseTree, Visibility};

/// A path as it is written, segment by segment.
pub(crate) type Segments = Vec<String>;

/// A name that a `use` brings into a module.
#[derive(Debug)]
pub(crate) struct Import {
    /// What the module calls it; `None` for all names of a module (`*`).
    pub(crate) name: Option<String>,
    /// What it stands for, as it is written.
    pub(crate) path: Segments,
    /// Whether it is there for others, who find what is elsewhere under a name of this module.
    pub(crate) is_re_export: bool,
}

/// Takes a `use` apart.
pub(crate) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    take_apart(&item.tree, &[], &mut found);
    let is_re_export = !matches!(item.vis, Visibility::Inherited);
    found.into_iter().map(|(name, path)| Import { name, path, is_re_export }).collect()
}

fn take_apart(tree: &UseTree, before: &[String], into: &mut Vec<(Option<String>, Segments)>) {
    let path = |last: &syn::Ident| before.iter().cloned().chain([last.to_string()]).collect::<Segments>();
    match tree {
        UseTree::Path(part) => take_apart(&part.tree, &path(&part.ident), into),
        UseTree::Name(name) if name.ident == "self" => into.push((before.last().cloned(), before.to_vec())),
        UseTree::Name(name) => into.push((Some(name.ident.to_string()), path(&name.ident))),
        UseTree::Rename(renamed) if renamed.ident == "self" => {
            into.push((Some(renamed.rename.to_string()), before.to_vec()));
        }
        UseTree::Rename(renamed) => into.push((Some(renamed.rename.to_string()), path(&renamed.ident))),
        UseTree::Glob(_) => into.push((None, before.to_vec())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| take_apart(tree, before, into)),
    }
}

/// Whether something exists in tests only.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    };
    attributes.iter().any(is_test)
}

/// All paths in an item, but for its `use` trees and the modules in it, which have names of their own.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    /// What was found.
    pub(crate) found: Vec<Segments>,
    /// What `use` brings into functions and blocks.
    pub(crate) imports: Vec<Import>,
    /// The whole numbers that are written.
    pub(crate) numbers: Vec<u64>,
}

impl Visit<'_> for Paths {
    fn visit_path(&mut self, path: &syn::Path) {
        self.found.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_item(&mut self, item: &Item) {
        match item {
            Item::Mod(_) => {}
            Item::Use(item) => self.imports.extend(imports(item)),
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, function: &syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_lit_int(&mut self, number: &LitInt) {
        self.numbers.extend(number.base10_parse::<u64>());
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        let tokens = call.tokens.to_string().replace(" :: ", "::");
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
        let words = tokens.split(|letter| !is_part(letter)).filter(|word| word.contains("::"));
        self.found.extend(words.map(|word| word.split("::").map(str::to_owned).collect()));
        visit::visit_macro(self, call);
    }
}

/// The name that an item gives to its module, if it has one.
pub(crate) fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// The attributes of an item.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
