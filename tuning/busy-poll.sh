#!/bin/sh
# Interrupts of the network device, less often: the kernel looks at the queue by timer while packets come.
#
# Symptom: the cores of shards spend much of their time in interrupts at a high rate of small messages.
# Does:    napi_defer_hard_irqs and gro_flush_timeout of the device: after a look that found packets, the next looks
#          come FLUSH_NS apart without an interrupt, until two in a row find none.
#          Busy polling proper is not what it does: net.core.busy_poll and net.core.busy_read do not reach a shard,
#          because they concern poll, select, epoll and blocking reads; a ring polls only when the program
#          registers it (IORING_REGISTER_NAPI, Linux 6.9), and the node does not. `show` prints them for knowledge.
# Apply:   DEVICE=eth0 FLUSH_NS=50000 ./busy-poll.sh apply     (the device of the default route and 20000, if they
#          are not given)
# Undo:    ./busy-poll.sh undo
# Risk:    up to FLUSH_NS of latency at medium load, for less CPU at high load. Measure with your traffic.
# Gain:    not measured here: loopback has no interrupts.

. "$(dirname "$0")/common.sh"

settings() {
    net=/sys/class/net/$(device) || exit 1
    echo "$net/napi_defer_hard_irqs 2"
    echo "$net/gro_flush_timeout ${FLUSH_NS:-20000}"
}

facts() {
    for name in busy_poll busy_read; do
        [ ! -e /proc/sys/net/core/$name ] || echo "net.core.$name = $(current /proc/sys/net/core/$name), without effect"
    done
}

knob "$@"
