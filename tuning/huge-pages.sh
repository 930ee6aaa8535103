#!/bin/sh
# Transparent huge pages: only for memory that asks for them, and none for the node where memory counts most.
#
# Symptom: resident memory of a node with few connections is far above what it uses, and does not fall after a
#          wave of clients; or ticks of milliseconds (`ringpost_tick_duration_seconds`) while khugepaged or
#          compaction is at work (`perf top`: compact_zone, clear_huge_page).
# Does:    enabled and defrag to madvise. With `always`, the kernel backs a slab of which a page is used with 2 MiB,
#          and may stop a shard to make such a page by moving others. The node's allocator (mimalloc) asks for them
#          itself; MIMALLOC_ALLOW_THP=0 in the environment of the node makes it ask for none, whatever the host does.
# Apply:   ./huge-pages.sh apply     (restart the node: pages that it holds stay as they are)
#          For the node alone: Environment=MIMALLOC_ALLOW_THP=0 in ringpost.service, --env in a container.
# Undo:    ./huge-pages.sh undo
# Risk:    other programs of the host that live from `always` (some databases, JVMs without the option) lose some
#          per cent of speed.
# Gain:    measured here by anonymous memory (/proc/PID/smaps_rollup), two shards, twice each, in turn. Without
#          clients 25 MiB with the allocator's huge pages and 2.4 MiB without; with 9,000 clients, each subscribed to a
#          channel, 60 MiB and 27 MiB (`ringpost-loadgen run idle --set clients=9000 --pid PID`). madvise on the host
#          instead of always: 67 and 63 MiB resident instead of 75 and 68. What the pages gain in speed: not measured
#          here.

. "$(dirname "$0")/common.sh"

settings() {
    echo "/sys/kernel/mm/transparent_hugepage/enabled madvise"
    echo "/sys/kernel/mm/transparent_hugepage/defrag madvise"
}

facts() {
    echo "in use now: $(awk '/^AnonHugePages:/ { print $2, $3 }' /proc/meminfo)"
}

knob "$@"
