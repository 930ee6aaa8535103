#!/bin/sh
# Transparent huge pages: only for memory that asks for them.
#
# Symptom: resident memory of a node with few connections is far above what it uses, and does not fall after a
#          wave of clients; or ticks of milliseconds (`ringpost_tick_duration_seconds`) while khugepaged or
#          compaction is at work (`perf top`: compact_zone, clear_huge_page).
# Does:    enabled and defrag to madvise. With `always`, the kernel backs a slab of which a page is used with 2 MiB,
#          and may stop a shard to make such a page by moving others.
# Apply:   ./huge-pages.sh apply     (restart the node: pages that it holds stay as they are)
# Undo:    ./huge-pages.sh undo
# Risk:    other programs of the host that live from `always` (some databases, JVMs without the option) lose some
#          per cent of speed.
# Gain:    not measured here: the setting is the host's, and others work on it. madvise is what it came with.

. "$(dirname "$0")/common.sh"

settings() {
    echo "/sys/kernel/mm/transparent_hugepage/enabled madvise"
    echo "/sys/kernel/mm/transparent_hugepage/defrag madvise"
}

facts() {
    echo "in use now: $(awk '/^AnonHugePages:/ { print $2, $3 }' /proc/meminfo)"
}

knob "$@"
