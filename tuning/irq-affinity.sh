#!/bin/sh
# Interrupts of the network device: one queue, one core.
#
# Symptom: one core at 100 % in softirq (`mpstat -P ALL 1`, %soft) while others idle; /proc/interrupts shows all
#          queues of the device on it.
# Does:    gives the interrupt of queue q to the core number (q modulo cores) of CORES. With one queue per shard and
#          CORES the list of `shards.cores`, packets come in on the cores that run shards; reuseport-steering.sh
#          then brings connections to the very core. With fewer queues than shards, rps.sh spreads the rest.
# Apply:   DEVICE=eth0 CORES=0-3 ./irq-affinity.sh apply     (the device of the default route and all cores, if not
#          given). More queues first, where the device has them: ethtool -L eth0 combined 4
# Undo:    ./irq-affinity.sh undo
# Risk:    irqbalance moves interrupts back: stop it, or ban them in its settings. Devices that the kernel manages
#          (NVMe-like "managed" interrupts) refuse.
# Gain:    not measured here: the traffic of the measurements is on loopback, which has no interrupts.

. "$(dirname "$0")/common.sh"

settings() {
    net=/sys/class/net/$(device) || exit 1
    for folder in "$net/device/msi_irqs" "$net/device/../msi_irqs"; do
        [ -d "$folder" ] && irqs=$(ls "$folder") && break
    done
    chosen=$(cores)
    count=$(echo "$chosen" | wc -l)
    for irq in ${irqs:-}; do
        queue=$(queue_of "$irq")
        [ -n "$queue" ] || continue
        core=$(echo "$chosen" | sed -n "$((queue % count + 1))p")
        echo "/proc/irq/$irq/smp_affinity_list $core"
    done
}

# The number at the end of the interrupt's name: eth0-TxRx-3, virtio2-input.0, mlx5_comp3@pci:0000:01:00.0. Those
# of a device's administration have none, or are named below.
queue_of() {
    sed -n '/async\|config\|control\|mgmnt\|pages/d;s/@.*//;s/.*[^0-9]\([0-9]\{1,\}\)$/\1/p' \
        "/sys/kernel/irq/$1/actions" 2>/dev/null
}

facts() {
    for process in /proc/[0-9]*/comm; do
        [ "$(cat "$process" 2>/dev/null)" != irqbalance ] || echo "irqbalance runs: it will move them back"
    done
}

knob "$@"
