"""A guest of the conversation: guest.py json|protobuf USER ROOM COUNT TOTAL.

Subscribes, says `ready`, waits for a line, publishes COUNT messages, and when TOTAL have come prints them as JSON.
"""

import asyncio
import json
import sys

from clients import Guest


async def main(encoding: str, user: str, room: str, count: int, total: int) -> None:
    async with Guest(encoding == "protobuf", user) as guest:
        subscription = await guest.subscribe(room)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for n in range(count):
            await subscription.publish(guest.write({"text": f"{user} {n}", "user": user}))
        await subscription.heard.at("publication", total - 1)
        print(json.dumps([data["text"] for data in guest.data(subscription)]))


asyncio.run(main(*sys.argv[1:4], *map(int, sys.argv[4:6])))
