#!/bin/sh
# Descriptors: how many files and sockets a process, and the host, may hold.
#
# Symptom: `ringpost_accept_pauses_total` grows, the log says "no connection can be accepted", new clients wait
#          while old ones work. Or LimitNOFILE of the unit is refused, because it is above fs.nr_open.
# Does:    raises fs.nr_open, the most that a process may be given, and fs.file-max, the most of the host.
#          The process's own limit is set where it is started: ringpost.service, limits.conf for a shell, or
#          `--ulimit nofile=1048576` for a container. A node raises its soft limit to the hard one by itself.
# Apply:   DESCRIPTORS=2000000 ./descriptors.sh apply     (1048576 if it is not given; never lowers)
# Undo:    ./descriptors.sh undo
# Risk:    none by itself: a descriptor costs memory only once it is open.
# Gain:    a bound, not a speed. One connection takes one descriptor; a node keeps 900 to 3,700 for itself.

. "$(dirname "$0")/common.sh"

settings() {
    wanted=${DESCRIPTORS:-1048576}
    at_least /proc/sys/fs/nr_open "$wanted"
    at_least /proc/sys/fs/file-max "$wanted"
}

facts() {
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2>/dev/null)" = ringpost ] || continue
        limit=$(awk '/^Max open files/ { print $5 }' "$process/limits")
        # shellcheck disable=SC2012 # names of descriptors are numbers
        echo "node ${process#/proc/}: $(ls "$process/fd" 2>/dev/null | wc -l) open, hard limit $limit"
    done
}

knob "$@"
