# shellcheck shell=sh
# What the knobs share: the verbs, and a note of what was there before.
#
# A knob says what it wants through `settings`, which prints one "path value" a line, and ends with `knob "$@"`.
# The verbs do the rest:
#   show    what is set, and what `apply` would set; reads only
#   apply   sets it until the next boot, and notes in $STATE_DIR what was there before
#   undo    puts back what was noted
# Applying twice notes nothing twice. ringpost-tuning.service applies at every boot.

knob_name=$(basename "$0" .sh)
state_dir=${STATE_DIR:-/run/ringpost-tuning}
saved=$state_dir/$knob_name

fail() {
    echo "$knob_name: $*" >&2
    exit 1
}

require_root() {
    [ "$(id -u)" -eq 0 ] || fail "$1 needs root: sudo $0 $1"
}

# The value of a file of /proc or /sys. Of "always [madvise] never" it is the word in brackets.
current() {
    sed -n '1{s/.*\[\(.*\)\].*/\1/;s/[[:space:]]\{1,\}/ /g;s/ $//;p;}' "$1" 2>/dev/null
}

# A setting that only ever raises: what is there, if it is more.
at_least() {
    [ -e "$1" ] || return 0
    there=$(current "$1")
    if [ "${there:-0}" -gt "$2" ]; then echo "$1 $there"; else echo "$1 $2"; fi
}

# The numbers of a list such as 0-3,6.
numbers_of() {
    echo "$1" | tr ',' '\n' | while IFS=- read -r first last; do
        [ -z "$first" ] || seq "$first" "${last:-$first}"
    done
}

# The cores that a knob is for: $CORES, a list such as 0-3,6, or else all.
cores() {
    numbers_of "${CORES:-$(cat /sys/devices/system/cpu/online)}"
}

# The network device that a knob is for: $DEVICE, or else that of the default route.
device() {
    found=${DEVICE:-$(awk '$2 == "00000000" { print $1; exit }' /proc/net/route)}
    [ -n "$found" ] || fail "no default route: name a device, as DEVICE=eth0"
    [ -d "/sys/class/net/$found" ] || fail "no network device $found here"
    echo "$found"
}

# More that `show` tells; a knob may replace it.
facts() { :; }

show() {
    wanted=$(settings) || exit 1
    [ -n "$wanted" ] || echo "this host has nothing of it"
    printf '%s\n' "$wanted" | while read -r path value; do
        [ -n "$path" ] || continue
        there=$(current "$path")
        if [ ! -e "$path" ]; then
            echo "$path is not on this host"
        elif [ "$there" = "$value" ]; then
            echo "$path = $there"
        else
            echo "$path = $there, apply sets $value"
        fi
    done
    facts
}

apply() {
    require_root apply
    wanted=$(settings) || exit 1
    mkdir -p "$state_dir"
    touch "$saved"
    printf '%s\n' "$wanted" | {
        refused=0
        while read -r path value; do
            [ -e "$path" ] || continue
            set_one "$path" "$value" || refused=1
        done
        exit $refused
    }
}

set_one() {
    there=$(current "$1")
    if [ "$there" = "$2" ]; then
        echo "$1 = $there already"
        return 0
    fi
    grep -q "^$1 " "$saved" || echo "$1 $there" >>"$saved"
    write "$1" "$2" && echo "$1 = $2, was $there"
}

write() {
    { echo "$2" >"$1"; } 2>/dev/null || {
        echo "$knob_name: the kernel refuses $1 = $2" >&2
        return 1
    }
}

undo() {
    require_root undo
    if [ ! -s "$saved" ]; then
        rm -f "$saved"
        echo "nothing to undo"
        return 0
    fi
    refused=0
    while read -r path value; do
        if write "$path" "$value"; then echo "$path = $value"; else refused=1; fi
    done <"$saved"
    [ $refused -eq 0 ] || exit 1
    rm -f "$saved"
}

# The comment that a knob opens with.
describe() {
    sed -n '2,${/^#/!q;s/^# \{0,1\}//;p;}' "$0"
}

knob() {
    case "${1:-}" in
    show | apply | undo) "$1" ;;
    *)
        describe
        echo
        echo "usage: $0 show|apply|undo"
        exit 2
        ;;
    esac
}
