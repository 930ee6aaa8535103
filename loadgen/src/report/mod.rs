//! What people read: a table at the terminal, a page with charts, drawings that stand alone.

pub(crate) mod bars;
pub(crate) mod chart;
pub mod compare;
pub mod crash;
pub(crate) mod distribution;
mod figure;
mod grid;
pub mod html;
mod particulars;
mod plots;
mod ramp;
pub(crate) mod sheet;
pub mod table;
pub mod text;
pub(crate) mod unit;
