#!/bin/sh
# Memory of TCP sockets in the kernel: of all together, and of each.
#
# Symptom: the node's resident memory is small and the host runs out all the same (`sockstat` below: mem);
#          the kernel logs "TCP: out of memory", or `nstat -az TcpExtTCPMemoryPressures` grows, and every connection
#          of the host becomes slow. Or slow readers are noticed (3008) late, long after they stopped to read.
# Does:    net.ipv4.tcp_mem, in pages: the bound of all sockets together to a third of the host's memory, pressure
#          at a quarter. net.ipv4.tcp_wmem and tcp_rmem, in bytes: the most of one socket. A client that does not
#          read fills the kernel's send buffer first and `client.queue_max_size` after it, so a node's worst case
#          is clients x (SEND + queue_max_size); with the kernel's default of 4 MiB that is 40 GiB for 10,000.
# Apply:   SEND=1048576 RECEIVE=2097152 ./tcp-memory.sh apply     (262144 and 1048576 if they are not given)
#          Connections that are open keep the bounds that they were born with.
# Undo:    ./tcp-memory.sh undo
# Risk:    holds for the whole host. One connection moves at most SEND per round trip: 256 KiB over 100 ms is
#          2.6 MB/s, far above a chat and far below a file server. Don't, where files are served too.
# Gain:    a client that does not read takes 252 KiB of the kernel's memory instead of 3,857 KiB, and the node notices
#          after 0.4 MB instead of 4. Measured here with a node and 50 such clients, twice each, in turn, in a network
#          namespace, to the same KiB: the number after w in `ss -tm 'sport = :8001'`, when the first was told 3008.
#          The effect of tcp_mem: not measured here.

. "$(dirname "$0")/common.sh"

settings() {
    kib=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
    pages=$((kib * 1024 / $(getconf PAGESIZE)))
    echo "/proc/sys/net/ipv4/tcp_mem $((pages / 8)) $((pages / 4)) $((pages / 3))"
    echo "/proc/sys/net/ipv4/tcp_wmem 4096 16384 ${SEND:-262144}"
    echo "/proc/sys/net/ipv4/tcp_rmem 4096 131072 ${RECEIVE:-1048576}"
}

facts() {
    echo "in use now, mem in pages: $(grep '^TCP:' /proc/net/sockstat)"
}

knob "$@"
