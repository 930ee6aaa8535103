#!/bin/sh
# Clock of the cores: always the highest.
#
# Symptom: latency at low load is worse than at half load; benchmarks vary from run to run. A shard that sleeps
#          often looks idle to the governor, which lowers the clock, and wakes slowly.
# Does:    the governor of every core to performance, and the processor's own preference, where it has one.
# Apply:   ./cpu-governor.sh apply
# Undo:    ./cpu-governor.sh undo
# Risk:    heat and power. On hosts whose power is capped, cores that idle fast leave less for those that work.
# Gain:    not measured here: a VM has no governor, its host decides.

. "$(dirname "$0")/common.sh"

settings() {
    for folder in /sys/devices/system/cpu/cpu[0-9]*/cpufreq; do
        [ ! -e "$folder/scaling_governor" ] || echo "$folder/scaling_governor performance"
        [ ! -e "$folder/energy_performance_preference" ] || echo "$folder/energy_performance_preference performance"
    done
}

knob "$@"
