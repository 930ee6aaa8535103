//! The `ringpost` command.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let config = ringpost::config::Config::load(None, std::env::vars(), true).unwrap();
    let node = ringpost::node::Node::start(config, Box::new(|| unimplemented!())).unwrap();
    println!("{} {:?}", node.http_address, node.tcp_address);
    node.wait().unwrap();
}
