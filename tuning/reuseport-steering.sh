#!/bin/sh
# Which shard gets a new connection: the one on the core where its first packet came in.
#
# Symptom: with a queue per shard (irq-affinity.sh) many interrupts between cores (`RES` and `CAL` in
#          /proc/interrupts): a packet comes in on one core and its shard runs on another.
# Does:    every shard has listeners of its own on the same port (SO_REUSEPORT), and the kernel chooses by a hash of
#          the addresses, which spreads evenly. This attaches a classic BPF program (SO_ATTACH_REUSEPORT_CBPF) to the
#          ports of the running node, which chooses the shard whose core runs it. Cores without a shard go on by the
#          hash. SO_INCOMING_CPU would do the same by a number on each listener; the node sets neither itself, so
#          both have to come from outside: the script borrows the listeners by pidfd_getfd(2).
# Apply:   PORTS=8000,8001 ./reuseport-steering.sh apply     (the ports if they are not given; python3 and Linux 5.6
#          are needed). It lasts as long as the node: apply again after a restart, for connections that come then.
# Undo:    ./reuseport-steering.sh undo     (or restart the node)
# Risk:    shards get what their cores receive. With fewer queues than shards some get nothing, so only with a queue
#          per shard; over loopback, all connections of a client on one core land on the shard of that core.
# Gain:    measured here, two shards, 400 connections from a client on core 0: 400 to the shard of core 0, where the
#          hash gave 200 to each; from core 1 likewise. What that saves in CPU needs a real device: not measured here.

. "$(dirname "$0")/common.sh"

steer() {
    command -v python3 >/dev/null || fail "python3 is needed"
    PORTS=${PORTS:-8000,8001} python3 - "$1" <<'PYTHON'
import ctypes, glob, os, socket, struct, sys

SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF, PIDFD_GETFD = 51, 68, 438
LOAD_WORD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
CORE = 0xFFFFF000 + 36  # SKF_AD_OFF + SKF_AD_CPU
HASH = 0xFFFFFFFF  # no listener has this number: the kernel takes the hash

def read(path):
    with open(path) as file:
        return file.read()

def nodes():
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            if read(path).strip() == "ringpost":
                yield int(path.split("/")[2])
        except OSError:
            pass  # it has ended meanwhile

def cores_of(node):
    """The core of each shard, by number, which is the order of its listeners in the kernel."""
    cores = {}
    for task in glob.glob(f"/proc/{node}/task/[0-9]*"):
        name = read(f"{task}/comm").strip()
        allowed = next(line.split()[1] for line in read(f"{task}/status").splitlines() if line.startswith("Cpus_allowed_list"))
        # glommio's helper threads carry the shard's name and core too.
        if name.startswith("shard-") and allowed.isdigit():
            cores[int(name.removeprefix("shard-"))] = int(allowed)
    return [cores[shard] for shard in sorted(cores)]

def listeners(node, ports):
    """A listener of each port: the program belongs to all that share the port."""
    libc, pidfd, found = ctypes.CDLL(None, use_errno=True), os.pidfd_open(node), {}
    for descriptor in map(int, os.listdir(f"/proc/{node}/fd")):
        try:
            if not os.readlink(f"/proc/{node}/fd/{descriptor}").startswith("socket:"):
                continue
        except OSError:
            continue
        borrowed = libc.syscall(PIDFD_GETFD, pidfd, descriptor, 0)
        if borrowed < 0:
            continue
        borrowed = socket.socket(fileno=borrowed)
        if borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and borrowed.getsockname()[1] in ports:
            found.setdefault(borrowed.getsockname()[1], borrowed)
    return found

def program(cores):
    code = [(LOAD_WORD, 0, 0, CORE)]
    for shard, core in enumerate(cores):
        code += [(JUMP_EQUAL, 0, 1, core), (RETURN, 0, 0, shard)]
    code.append((RETURN, 0, 0, HASH))
    return b"".join(struct.pack("HBBI", *step) for step in code), len(code)

verb, ports, done = sys.argv[1], [int(port) for port in os.environ["PORTS"].split(",")], False
for node in nodes():
    cores = cores_of(node)
    for port, listener in listeners(node, ports).items():
        done = True
        if verb == "show":
            print(f"node {node}, port {port}: shards on cores {cores}")
        elif verb == "apply":
            code, steps = program(cores)
            buffer = ctypes.create_string_buffer(code)
            value = struct.pack("HxxxxxxP", steps, ctypes.addressof(buffer))
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, value)
            print(f"node {node}, port {port}: steered to the shards on cores {cores}")
        else:
            try:
                listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0)
                print(f"node {node}, port {port}: by hash")
            except FileNotFoundError:
                print(f"node {node}, port {port}: by hash already")
if not done:
    print("no node that listens on these ports can be seen from here")
    sys.exit(verb == "apply")
PYTHON
}

show() { steer show; }

apply() {
    require_root apply
    steer apply
}

undo() {
    require_root undo
    steer undo
}

knob "$@"
