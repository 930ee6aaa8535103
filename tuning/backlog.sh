#!/bin/sh
# Queues of connections that are not accepted yet, and of packets that are not looked at yet.
#
# Symptom: after a restart of a node or a network, clients take 1, 3, 7 s to connect (repeated SYNs), and
#          `nstat -az TcpExtListenOverflows TcpExtListenDrops` grows. Under load over loopback or with rps.sh,
#          single messages 200 ms late, and the second column of /proc/net/softnet_stat grows: dropped packets.
# Does:    net.core.somaxconn bounds what `http_server.backlog` asks for, per shard; net.ipv4.tcp_max_syn_backlog
#          bounds handshakes under way; net.core.netdev_max_backlog bounds the packets that wait for a core, which
#          only loopback and RPS use.
# Apply:   BACKLOG=16384 ./backlog.sh apply     (4096 if it is not given, the default of `http_server.backlog`;
#          never lowers). The node must be restarted: a listener takes its bound when it is opened.
# Undo:    ./backlog.sh undo
# Risk:    with SYN cookies off, a flood of SYNs takes more memory (about 300 bytes each) before it is refused.
# Gain:    of 4,000 clients that came while the node was held for half a second (SIGSTOP, SIGCONT), 3,742 were late by
#          a second or more with somaxconn = tcp_max_syn_backlog = 128 and two shards, and none with 4096. Measured
#          here twice each, in turn, in a network namespace; the counts were the same both times. What
#          netdev_max_backlog gains: not measured here.

. "$(dirname "$0")/common.sh"

settings() {
    backlog=${BACKLOG:-4096}
    at_least /proc/sys/net/core/somaxconn "$backlog"
    at_least /proc/sys/net/ipv4/tcp_max_syn_backlog "$backlog"
    at_least /proc/sys/net/core/netdev_max_backlog 16384
}

facts() {
    dropped=0
    while read -r _ drops _; do dropped=$((dropped + 0x$drops)); done </proc/net/softnet_stat
    echo "packets dropped for want of room since boot: $dropped"
    echo "SYN cookies: $(current /proc/sys/net/ipv4/tcp_syncookies)"
}

knob "$@"
