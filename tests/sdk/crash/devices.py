"""Devices of a crash trial: devices.py DEVICE ROOM USER…

The same as device.mjs, one of that name for each user, in one process. Tells by lines of JSON what was acknowledged, and in the
end all that each has heard. The first line of its input has it send, the second stop, the third is the offset to wait for.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack

from centrifuge import CentrifugeError, SubscriptionEventHandler
from clients import Guest, until


def tell(**fact) -> None:
    print(json.dumps(fact), flush=True)


class Events(SubscriptionEventHandler):
    """Hands on what a device hears, when it hears it."""

    async def on_subscribed(self, context):
        self.device.begins(context)

    async def on_subscribing(self, context):
        # A word that waits for the next connection would be answered beside the floor that the next subscription begins at.
        self.device.sent = 0

    async def on_publication(self, context):
        self.device.hears(context.pub.offset, self.device.guest.read(context.pub.data)["id"])


class Device:
    def __init__(self, guest, user: str, name: str, room: str):
        self.guest, self.room, self.id = guest, room, f"{user}-{name}"
        self.first = None
        self.have = self.said = self.answered = self.sent = self.duplicates = 0
        self.heard, self.wrong, self.stopped, self.saying = {}, [], False, None

    async def subscribe(self):
        events = Events()
        events.device = self
        subscription = self.guest.client.new_subscription(self.room, events=events, min_resubscribe_delay=0.02)
        await subscription.subscribe()
        await subscription.ready(15)

    def begins(self, context):
        floor = context.stream_position.offset
        if self.first is None:
            self.first = self.have = self.said = self.answered = floor
        else:
            if not context.recovered:
                self.wrong.append(f"was told that it lacks something, behind {floor}")
            if not self.answered <= floor <= self.said:
                self.wrong.append(f"a floor of {floor}, where {self.answered} was answered and {self.said} was said")
        self.answered = max(self.answered, floor)
        self.sent = floor

    def hears(self, offset: int, message: str):
        if self.heard.get(offset, message) != message:
            self.wrong.append(f"offset {offset} is of two messages")
        if offset <= self.answered:
            self.wrong.append(f"offset {offset} came again, and {self.answered} was answered")
        if offset != self.sent + 1:
            self.wrong.append(f"offset {offset} came after {self.sent}")
        self.duplicates += offset in self.heard
        self.heard[offset] = message
        self.sent = offset
        while self.have + 1 in self.heard:
            self.have += 1
        if self.saying is None or self.saying.done():
            self.saying = asyncio.create_task(self.say())

    async def inbox(self, method: str, **data):
        await self.guest.client.rpc(f"inbox.{method}", self.guest.write({"channel": self.room, **data}))

    def next_word(self) -> int:
        """Up to where it can say that it has received: what it has, and was sent on this connection."""
        return min(self.have, self.sent)

    async def say(self):
        while (offset := self.next_word()) > self.answered:
            self.said = max(self.said, offset)
            try:
                await self.inbox("received", offset=offset)
                self.answered = max(self.answered, offset)
            except CentrifugeError:
                await asyncio.sleep(0.02)

    async def send(self):
        number = 0
        while not self.stopped:
            message = f"{self.id}-{number}"
            try:
                await self.inbox("send", id=message, data={"id": message})
                tell(acknowledged=message)
                number += 1
            except CentrifugeError:
                tell(again=message)
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.005)


async def line() -> str:
    return await asyncio.to_thread(sys.stdin.readline)


async def main(name: str, room: str, *users: str) -> None:
    async with AsyncExitStack() as stack:
        devices = []
        for number, user in enumerate(users):
            guest = await stack.enter_async_context(Guest(number % 2 == 1, user, {"device": name}))
            devices.append(Device(guest, user, name, room))
            await devices[-1].subscribe()
        tell(ready=True)
        await line()
        sending = [asyncio.create_task(device.send()) for device in devices]
        await line()
        for device in devices:
            device.stopped = True
        await asyncio.gather(*sending)
        tell(stopped=True)
        top = int(await line())
        try:
            await until(lambda: all(device.answered >= top for device in devices), f"all to have received {top}", 50)
        except AssertionError as error:
            raise AssertionError([vars(device) | {"heard": len(device.heard)} for device in devices]) from error
        for device in devices:
            tell(
                device=device.id,
                first=device.first,
                heard=sorted(device.heard.items()),
                duplicates=device.duplicates,
                wrong=device.wrong,
            )
        tell(done=True)


asyncio.run(main(*sys.argv[1:]))
