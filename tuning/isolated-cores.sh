#!/bin/sh
# Isolated cores: shards run on cores that nothing else runs on.
#
# Symptom: p99.9 is far above p99 at moderate load; `ringpost_tick_duration_seconds` has ticks of milliseconds;
#          /proc/PID/task/TID/status of a shard shows many nonvoluntary_ctxt_switches (`show` prints them).
# Does:    keeps systemd's other slices (system, user, init) off CORES; ringpost.service runs in ringpost.slice,
#          which is not touched. The kernel's own threads and timer stay; where that still shows, boot with
#          isolcpus=managed_irq,domain,CORES nohz_full=CORES rcu_nocbs=CORES instead of this knob.
# Apply:   CORES=2-7 ./isolated-cores.sh apply, then in ringpost.service CPUAffinity=2-7 and in the configuration
#          shards.cores = "2-7". Leave a core or two out: the kernel, the control plane and this script need one.
#          With isolcpus the affinity must be given: `all` would be the cores that are not isolated.
# Undo:    ./isolated-cores.sh undo
# Risk:    everything else on the host shares the cores that remain.
# Gain:    not measured here: with two cores none can be spared.

. "$(dirname "$0")/common.sh"

slices="system.slice user.slice init.scope"

# The cores of the host that CORES leaves out.
others() {
    for core in $(numbers_of "$(cat /sys/devices/system/cpu/online)"); do
        cores | grep -qx "$core" || echo "$core"
    done | paste -sd, -
}

require_systemd() {
    [ -d /run/systemd/system ] || fail "this host is not run by systemd: use the boot parameters, or cgroups of your own"
}

show() {
    isolated=$(cat /sys/devices/system/cpu/isolated)
    echo "isolated at boot: ${isolated:-none}"
    if [ -d /run/systemd/system ]; then
        for slice in $slices; do systemctl show --property AllowedCPUs "$slice" | sed "s/^/$slice /"; done
    else
        echo "no systemd here: only the boot parameters can isolate cores"
    fi
    for thread in /proc/[0-9]*/task/[0-9]*; do
        name=$(cat "$thread/comm" 2>/dev/null) || continue
        case $name in shard-*)
            echo "$name: cores $(awk '/^Cpus_allowed_list/ { print $2 }' "$thread/status")," \
                "pushed off $(awk '/^nonvoluntary/ { print $2 }' "$thread/status") times"
            ;;
        esac
    done
}

apply() {
    require_root apply
    require_systemd
    [ -n "${CORES:-}" ] || fail "name the cores of the shards, as CORES=2-7"
    rest=$(others)
    [ -n "$rest" ] || fail "CORES=$CORES leaves no core to the host"
    for slice in $slices; do
        systemctl set-property --runtime "$slice" AllowedCPUs="$rest" && echo "$slice runs on $rest"
    done
}

undo() {
    require_root undo
    require_systemd
    for slice in $slices; do
        systemctl set-property --runtime "$slice" AllowedCPUs= && echo "$slice runs on every core"
    done
}

knob "$@"
