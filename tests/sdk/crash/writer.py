"""A writer of a crash trial: writer.py json|protobuf USER ROOM.

Subscribes and publishes one message after the other, again where it was not answered. Tells each message by a line of JSON:
`sent again` and `acknowledged`. At a line with an offset it stops, waits until it has heard that offset, and tells all that it
heard.
"""

import asyncio
import json
import sys

from centrifuge import CentrifugeError
from clients import Guest, until


def tell(**fact) -> None:
    print(json.dumps(fact), flush=True)


async def publish(guest, subscription, message: str) -> None:
    while True:
        try:
            await subscription.publish(guest.write({"id": message}))
            return tell(acknowledged=message)
        except CentrifugeError:
            tell(again=message)
            await asyncio.sleep(0.02)


async def main(encoding: str, user: str, room: str) -> None:
    async with Guest(encoding == "protobuf", user) as guest:
        subscription = await guest.subscribe(room)
        tell(ready=True)
        asked = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        number = 0
        while not asked.done():
            await publish(guest, subscription, f"{user}-{number}")
            number += 1
            await asyncio.sleep(0.005)
        tell(stopped=True)
        # All writers have stopped, and the room stands there.
        top = int(await asyncio.to_thread(sys.stdin.readline))
        heard = subscription.heard
        await until(lambda: heard.of("publication")[-1].pub.offset >= top, f"offset {top}")
        recoveries = [context.recovered for context in heard.of("subscribed") if context.was_recovering]
        publications = [[context.pub.offset, guest.read(context.pub.data)["id"]] for context in heard.of("publication")]
        tell(heard=publications, recoveries=recoveries)


asyncio.run(main(*sys.argv[1:4]))
