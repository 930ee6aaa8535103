//! Runs against a real node in this process, through honest and dishonest wires.

mod command;
mod harness;
mod proxy;
mod scenarios;
mod wires;
