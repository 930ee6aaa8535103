"""The backend of the conversation: backend.py USER ROOM COUNT. Waits for a line, then publishes with `cent`."""

import sys

from cent import PublishRequest

from clients import backend

user, room, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for n in range(count):
    backend().publish(PublishRequest(channel=room, data={"text": f"{user} {n}", "user": user}))
