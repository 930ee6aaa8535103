//! What a person can do about a server that refuses what a run asks of it.

/// Advice about a refusal, as it was told; begins with a line of its own, or is empty where there is none.
pub(crate) fn advice(refusal: &str) -> &'static str {
    let says = |text: &str| refusal.contains(text);
    if says("refused (os error") {
        "\nIs the server running? `make run` starts one on this host; --url says where another one is"
    } else if says("101: ") || says("3500 ") || says("3501 ") || says("109: ") {
        "\nGive the key that the server checks tokens with (--secret); a node of `make run` wants none"
    } else if says("cannot recover") {
        "\nLet the server keep what is published: the namespace of `channel_prefix` needs history_size, history_ttl and \
         force_recovery or allow_recovery. A node of `make run` has one: --set channel_prefix=chat:"
    } else if says("received at least once") {
        "\nLet the namespace of `channel_prefix` have delivery = \"at_least_once\", members_by_subscribing and a history. A node \
         of `make run` has one: --set channel_prefix=inbox:"
    } else if says("not one server") {
        "\nDo the nodes share a cluster (`[cluster]`), and does the namespace of `channel_prefix` keep its log there?"
    } else if says("102: ") || says("103: ") {
        "\nLet clients subscribe and publish in the server's configuration, or name a namespace in which they may: \
         --set channel_prefix=NAMESPACE:\nA node of `make run` lets everybody, without --secret and without a prefix"
    } else if says("never answered") || says("neither reply nor push") {
        "\nDoes the server speak the protocol of --url there? WebSocket and plain TCP have ports of their own"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_brings_the_option_that_helps() {
        for (refusal, option) in [
            ("client 1 could not connect: Connection refused (os error 111)", "--url"),
            ("client 1 could not connect: 3500 invalid token", "--secret"),
            ("client 1 cannot recover channel 2: the server does not keep its messages", "channel_prefix=chat:"),
            ("client 1: 108: not available: nothing is received at least once in the channel", "channel_prefix=inbox:"),
            ("message 0 of client 1 was refused: 103: permission denied", "channel_prefix=NAMESPACE:"),
        ] {
            assert!(advice(refusal).contains(option), "{refusal}: {}", advice(refusal));
        }
        assert_eq!(advice("client 3 heard nothing"), "");
    }
}
