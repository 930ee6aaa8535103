#!/bin/sh
# Receive packet steering: software spreads packets over cores where the device cannot, each to the core that
# reads its connection.
#
# Symptom: as for irq-affinity.sh, on a device with fewer queues than shards: cloud VMs often have one.
# Does:    rps_cpus of every receive queue to CORES, and receive flow steering (RFS): the kernel remembers on which
#          core a connection was read last, and takes its packets there. A shard is pinned and reads through its
#          ring on its own core, so this core is the shard's.
# Apply:   DEVICE=eth0 CORES=0-3 ./rps.sh apply     (the device of the default route and all cores, if not given)
# Undo:    ./rps.sh undo
# Risk:    an interrupt between cores per batch of packets: worse than hardware queues, which irq-affinity.sh sets.
#          Not both: with a queue per shard leave this off. FLOWS (32768) should be at least the connections that
#          are active at the same time; the table takes 4 bytes each.
# Gain:    not measured here: loopback packets stay on the core of the sender.

. "$(dirname "$0")/common.sh"

# The mask of CORES as the kernel reads it: words of 32 cores, the highest first.
mask() {
    high=0
    for core in $(cores); do [ $((core / 32)) -le $high ] || high=$((core / 32)); done
    list=
    word=$high
    while [ $word -ge 0 ]; do
        bits=0
        for core in $(cores); do
            [ $((core / 32)) -ne $word ] || bits=$((bits | 1 << core % 32))
        done
        if [ -z "$list" ]; then list=$(printf %x $bits); else list=$list,$(printf %08x $bits); fi
        word=$((word - 1))
    done
    echo "$list"
}

settings() {
    net=/sys/class/net/$(device) || exit 1
    flows=${FLOWS:-32768}
    queues=$(find "$net/queues/" -maxdepth 1 -name 'rx-*' | wc -l)
    echo "/proc/sys/net/core/rps_sock_flow_entries $flows"
    for queue in "$net"/queues/rx-*; do
        echo "$queue/rps_cpus $(mask)"
        echo "$queue/rps_flow_cnt $((flows / queues))"
    done
}

knob "$@"
