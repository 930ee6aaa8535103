//! Runs against a real node in this process, through honest and dishonest wires.

mod abuse;
mod allocations;
mod chat;
mod cluster;
mod command;
mod crash;
mod disk;
mod ends;
mod harness;
mod inbox;
mod nodes;
mod processes;
mod proxy;
mod ramps;
mod scenarios;
mod slow;
mod storms;
mod wires;
