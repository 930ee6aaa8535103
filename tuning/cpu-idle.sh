#!/bin/sh
# Sleep of the cores (C-states): none that takes long to wake from.
#
# Symptom: single messages are 50 to 200 us late at low load and not at high load, with the clock fixed
#          (cpu-governor.sh): the core of the shard slept deeply.
# Does:    switches off the idle states whose exit takes more than LATENCY_US.
# Apply:   LATENCY_US=2 ./cpu-idle.sh apply     (10 if it is not given)
# Undo:    ./cpu-idle.sh undo
# Risk:    power, and less turbo: cores that may not sleep deeply leave less of the budget to the others.
# Gain:    not measured here: the only idle state of this VM beside polling wakes in 1 us. On such hosts the
#          guest's haltpoll decides, and is on.

. "$(dirname "$0")/common.sh"

settings() {
    for state in /sys/devices/system/cpu/cpu[0-9]*/cpuidle/state[0-9]*; do
        [ -e "$state/latency" ] || continue
        [ "$(current "$state/latency")" -le "${LATENCY_US:-10}" ] || echo "$state/disable 1"
    done
}

facts() {
    for state in /sys/devices/system/cpu/cpu0/cpuidle/state[0-9]*; do
        [ ! -e "$state/name" ] || echo "$(current "$state/name"): wakes in $(current "$state/latency") us"
    done
}

knob "$@"
