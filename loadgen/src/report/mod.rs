//! What people read: a table at the terminal, a page with charts.

mod chart;
pub mod html;
pub mod table;
pub mod text;
