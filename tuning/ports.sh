#!/bin/sh
# Ports for outgoing connections: many for a load generator, and never those that a node listens on.
#
# Symptom: a load test stops at about 28,000 connections with EADDRNOTAVAIL ("Cannot assign requested address");
#          or a node does not start because its port is taken by an outgoing connection.
# Does:    net.ipv4.ip_local_port_range to RANGE, net.ipv4.tcp_tw_reuse to 1 so that ports in TIME-WAIT are taken
#          again, and net.ipv4.ip_local_reserved_ports to what is there and PORTS.
# Apply:   RANGE="1024 65535" PORTS=8000,8001 ./ports.sh apply     (the values if they are not given)
#          On the host of a node that opens few connections of its own, RANGE="32768 60999" keeps the default.
# Undo:    ./ports.sh undo
# Risk:    other services that listen on ports from 1024 on may lose theirs to an outgoing connection before they
#          start: name them in PORTS too.
# Gain:    64,512 connections per pair of addresses instead of 28,232, by arithmetic. More addresses of loopback
#          (127.0.0.2 and on) give as many again each, without this knob.

. "$(dirname "$0")/common.sh"

reserved=/proc/sys/net/ipv4/ip_local_reserved_ports

# What is reserved and what shall be, as the kernel writes it back: sorted, runs as ranges.
reserve() {
    { numbers_of "$1"; numbers_of "$(current $reserved)"; } | sort -nu | awk '
        NR > 1 && $1 == last + 1 { last = $1; next }
        NR > 1 { run() }
        { first = last = $1 }
        END { run(); print list }
        function run() { list = list (list == "" ? "" : ",") (first == last ? first : first "-" last) }'
}

settings() {
    echo "/proc/sys/net/ipv4/ip_local_port_range ${RANGE:-1024 65535}"
    echo "/proc/sys/net/ipv4/tcp_tw_reuse 1"
    echo "$reserved $(reserve "${PORTS:-8000,8001}")"
}

knob "$@"
