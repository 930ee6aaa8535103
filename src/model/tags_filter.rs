//! Which publications of a channel a subscriber wants, by their tags.
//!
//! A tree of conditions, bounded in depth, number and bytes when it is made. It never fails: a tag that is missing, or is
//! no number, is a plain no. Two filters that say the same in the same words are equal.

use std::cmp::Ordering;

use super::Tags;
use super::decimal::compare;
use crate::limits::{FILTER_DEPTH_MAX, FILTER_NODES_MAX, FILTER_VALUES_MAX};

/// A filter over tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TagsFilter {
    root: Condition,
    cost: u32,
}

/// One node of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Every one of these holds.
    All(Box<[Self]>),
    /// One of these holds.
    Any(Box<[Self]>),
    /// It does not hold.
    Not(Box<Self>),
    /// What a tag must be.
    Tag {
        /// The name of the tag.
        key: Box<str>,
        /// What is asked of its value.
        test: Test,
    },
}

/// What is asked of one tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// It is there, with this value.
    Is(Box<str>),
    /// It has another value, or is not there.
    IsNot(Box<str>),
    /// Its value, empty where it is not there, is one of these.
    In(Values),
    /// Its value, empty where it is not there, is none of these.
    NotIn(Values),
    /// It is there.
    Exists,
    /// It is not there.
    Missing,
    /// It is there, and its value begins so.
    StartsWith(Box<str>),
    /// It is there, and its value ends so.
    EndsWith(Box<str>),
    /// It is there, and this is in its value.
    Contains(Box<str>),
    /// Both are numbers, and its value is larger.
    Above(Box<str>),
    /// Both are numbers, and its value is not smaller.
    AtLeast(Box<str>),
    /// Both are numbers, and its value is smaller.
    Below(Box<str>),
    /// Both are numbers, and its value is not larger.
    AtMost(Box<str>),
}

/// Different values, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Values(Box<[Box<str>]>);

/// What is wrong with a filter, for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadFilter(pub &'static str);

impl FromIterator<Box<str>> for Values {
    fn from_iter<I: IntoIterator<Item = Box<str>>>(values: I) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        Self(values.into())
    }
}

impl Values {
    /// In their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|value| &**value)
    }

    fn contain(&self, value: &str) -> bool {
        self.0.binary_search_by(|other| (**other).cmp(value)).is_ok()
    }
}

impl TagsFilter {
    /// A filter of this condition.
    ///
    /// # Errors
    /// Too deep, too many conditions or values.
    pub fn new(root: Condition) -> Result<Self, BadFilter> {
        let mut size = Size::default();
        size.add(&root, 1)?;
        // A search among sixteen values costs about what looking for the tag does.
        Ok(Self { cost: size.nodes + size.values / 16, root })
    }

    /// Its condition.
    pub fn root(&self) -> &Condition {
        &self.root
    }

    /// How much work it is to ask it once, in conditions.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether a publication with these tags is wanted.
    pub fn passes(&self, tags: Option<&Tags>) -> bool {
        self.root.holds(tags.map_or(&[], |tags| tags))
    }
}

impl Condition {
    fn holds(&self, tags: &[(Box<str>, Box<str>)]) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(tags)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(tags)),
            Self::Not(condition) => !condition.holds(tags),
            Self::Tag { key, test } => {
                let found = tags.binary_search_by(|(other, _)| (**other).cmp(key));
                test.holds(found.ok().map(|at| &*tags[at].1))
            }
        }
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let compares =
            |other: &str, fits: fn(Ordering) -> bool| value.and_then(|value| compare(value, other)).is_some_and(fits);
        match self {
            Self::Is(other) => value == Some(&**other),
            Self::IsNot(other) => value != Some(&**other),
            Self::In(values) => values.contain(value.unwrap_or_default()),
            Self::NotIn(values) => !values.contain(value.unwrap_or_default()),
            Self::Exists => value.is_some(),
            Self::Missing => value.is_none(),
            Self::StartsWith(start) => value.is_some_and(|value| value.starts_with(&**start)),
            Self::EndsWith(end) => value.is_some_and(|value| value.ends_with(&**end)),
            Self::Contains(part) => value.is_some_and(|value| value.contains(&**part)),
            Self::Above(other) => compares(other, Ordering::is_gt),
            Self::AtLeast(other) => compares(other, Ordering::is_ge),
            Self::Below(other) => compares(other, Ordering::is_lt),
            Self::AtMost(other) => compares(other, Ordering::is_le),
        }
    }
}

/// How large a tree is.
#[derive(Debug, Default)]
struct Size {
    nodes: u32,
    values: u32,
}

impl Size {
    fn add(&mut self, condition: &Condition, depth: u32) -> Result<(), BadFilter> {
        self.nodes += 1;
        if depth > FILTER_DEPTH_MAX {
            return Err(BadFilter("it is too deep"));
        }
        if self.nodes > FILTER_NODES_MAX {
            return Err(BadFilter("it has too many nodes"));
        }
        match condition {
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().try_for_each(|condition| self.add(condition, depth + 1))
            }
            Condition::Not(condition) => self.add(condition, depth + 1),
            Condition::Tag { test: Test::In(values) | Test::NotIn(values), .. } => {
                self.values = self.values.saturating_add(values.0.len() as u32);
                if self.values > FILTER_VALUES_MAX {
                    return Err(BadFilter("it has too many values"));
                }
                Ok(())
            }
            Condition::Tag { .. } => Ok(()),
        }
    }
}
