#!/bin/sh
# Transparent huge pages: only for memory that asks for them. The node takes none in any case.
#
# Symptom: ticks of milliseconds (`ringpost_tick_duration_seconds`) while khugepaged or compaction is at work for other
#          programs of the host (`perf top`: compact_zone, clear_huge_page). `ringpost doctor` says that the node may
#          not switch them off for itself: then resident memory of a node with few connections is far above what it
#          uses, and does not fall after a wave of clients.
# Does:    enabled and defrag to madvise. With `always`, the kernel backs memory of which a page is used with 2 MiB, and
#          stops programs to make such a page by moving others. The node switches them off for itself when it starts
#          (PR_SET_THP_DISABLE), since its allocator (mimalloc) asks for them.
# Apply:   ./huge-pages.sh apply
# Undo:    ./huge-pages.sh undo
# Risk:    other programs of the host that live from `always` (some databases, JVMs without the option) lose some
#          per cent of speed.
# Gain:    what the node gains by having none, measured by anonymous memory (/proc/PID/smaps_rollup), two shards, twice
#          each, in turn: without clients 25 MiB with the allocator's huge pages and 2.4 MiB without; with 9,000
#          clients, each subscribed to a channel, 60 MiB and 27 MiB (`ringpost-loadgen run idle --set clients=9000 --pid
#          PID`). CPU time per delivery and per publish did not differ beyond the noise with 1,000 clients. madvise on
#          the host instead of always: not measurable for the node, which takes none.

. "$(dirname "$0")/common.sh"

settings() {
    echo "/sys/kernel/mm/transparent_hugepage/enabled madvise"
    echo "/sys/kernel/mm/transparent_hugepage/defrag madvise"
}

facts() {
    echo "in use now: $(awk '/^AnonHugePages:/ { print $2, $3 }' /proc/meminfo)"
}

knob "$@"
