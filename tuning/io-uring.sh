#!/bin/sh
# The switch of io_uring: on for the node, and at your choice for nobody else.
#
# Symptom: `ringpost doctor` fails at io_uring and names kernel.io_uring_disabled. In a container it may be the
#          seccomp profile instead: seccomp.json.
# Does:    kernel.io_uring_disabled to 0, which allows rings to all. With GROUP to 1, which allows them to root and to
#          the members of that group (kernel.io_uring_group), and to nobody else on the host.
# Apply:   GROUP=ringpost ./io-uring.sh apply     (0, if no group is given)
# Undo:    ./io-uring.sh undo
# Risk:    io_uring has been a frequent source of kernel vulnerabilities: keep the kernel current, give GROUP on hosts
#          that run the code of others. Programs that have a ring keep it.
# Gain:    a node does not run without.

. "$(dirname "$0")/common.sh"

settings() {
    if [ -z "${GROUP:-}" ]; then
        echo "/proc/sys/kernel/io_uring_disabled 0"
        return
    fi
    number=$(getent group "$GROUP" | cut -d: -f3)
    [ -n "$number" ] || fail "no group $GROUP here"
    echo "/proc/sys/kernel/io_uring_group $number"
    echo "/proc/sys/kernel/io_uring_disabled 1"
}

knob "$@"
