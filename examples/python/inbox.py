"""An inbox on the command line: inbox.py USER. Each line of standard input is sent; what others send is shown, also what came
while this user was away. It is kept as received by this device, and as read by the user.
"""

import asyncio
import contextlib
import os
import sys
import time
import uuid

import jwt
from centrifuge import CentrifugeError, Client, ReplyError, SubscriptionEventHandler

WEBSOCKET_URL = os.environ.get("WEBSOCKET_URL", "ws://127.0.0.1:8000/connection/websocket")
TOKEN_SECRET = os.environ.get("TOKEN_SECRET", "ringpost-development-secret-not-for-production")
CHANNEL = os.environ.get("CHANNEL", "inbox:letters")
DEVICE = os.environ.get("DEVICE", "terminal")
USER = sys.argv[1] if len(sys.argv) > 1 else "ada"
# So often, in seconds, it is said at the most what was received: what is said of an offset holds for all before it.
SAY_EVERY = 0.5
# But when so many are unsaid: half of the namespace's max_unacked, beyond which the node waits to be told.
SAY_AT = 32


def say(text: str) -> None:
    print(text, flush=True)


async def get_token() -> str:
    """Your backend does this. A device that is named keeps its place: it gets what it has not received, once."""
    return jwt.encode({"sub": USER, "device": DEVICE, "exp": int(time.time()) + 600}, TOKEN_SECRET, algorithm="HS256")


class Inbox(SubscriptionEventHandler):
    def __init__(self):
        # What is not received in time comes again: each offset is shown once.
        self.shown = set()
        self.positions = {}
        self.unsaid = set()
        self.furthest = 0
        self.said_up_to = 0
        self.said_at = 0.0
        self.saying = None

    async def call(self, method: str, **data):
        return (await self.client.rpc(f"inbox.{method}", {"channel": CHANNEL, **data})).data

    async def tell(self, method: str, offset: int) -> None:
        """What is lost with a connection is said again after the next publication."""
        try:
            await self.call(method, offset=offset)
        except CentrifugeError as error:
            print(f"{method} {offset}: {error}", file=sys.stderr)

    def taken(self, offset: int) -> None:
        """Says it with the publication, or later with those that come meanwhile. What comes again is said by itself."""
        if offset > self.furthest:
            self.unsaid.discard(self.furthest)
            self.furthest = offset
        self.unsaid.add(offset)
        # A handler must not wait for a reply: what comes next would wait behind it.
        if self.furthest - self.said_up_to >= SAY_AT:
            self.said_up_to = self.furthest
            asyncio.create_task(self.say_taken())
        elif not self.saying:
            self.saying = asyncio.create_task(self.say_later())

    async def say_later(self) -> None:
        await asyncio.sleep(max(0.0, self.said_at + SAY_EVERY - time.monotonic()))
        self.saying = None
        await self.say_taken()

    async def say_taken(self) -> None:
        offsets, self.unsaid = sorted(self.unsaid), set()
        self.said_at, self.said_up_to = time.monotonic(), self.furthest
        for offset in offsets:
            await self.tell("received", offset)
            await self.tell("read", offset)

    async def on_publication(self, context):
        publication = context.pub
        user = publication.info.user if publication.info else ""
        if user != USER and publication.offset not in self.shown:
            say(f"{user}: {publication.data['text']}")
        self.shown.add(publication.offset)
        # Where messages are kept, they are kept before this.
        self.taken(publication.offset)

    async def on_subscribed(self, context):
        if context.was_recovering and not context.recovered:
            say("(some messages are no longer kept)")
        asyncio.create_task(self.greet())

    async def greet(self):
        say(f"here as {USER}, {(await self.call('unread'))['unread']} unread")

    async def watch(self) -> None:
        """How far the others have come. The node tells it, but this SDK does not hear messages without a channel: so it asks."""
        while True:
            with contextlib.suppress(CentrifugeError):
                for one in (await self.call("positions"))["users"]:
                    position = f"received {one['received']}, read {one['read']}"
                    if one["user"] != USER and self.positions.get(one["user"]) != position:
                        say(f"({one['user']}: {position})")
                    self.positions[one["user"]] = position
            await asyncio.sleep(1)

    async def send(self, text: str) -> None:
        """Sends until it is answered. The id stays the same: however often it is sent, it is there once."""
        message = str(uuid.uuid4())
        while True:
            try:
                sent = await self.call("send", id=message, data={"text": text})
                return say(f"(sent as {sent['offset']})")
            except ReplyError as error:
                # The node has refused, for good unless it says that this will pass.
                if not error.temporary:
                    return say(f"(not sent: {error})")
            except CentrifugeError:
                pass
            await asyncio.sleep(0.5)


async def main() -> None:
    inbox = Inbox()
    inbox.client = Client(WEBSOCKET_URL, get_token=get_token)
    letters = inbox.client.new_subscription(CHANNEL, events=inbox)
    await letters.subscribe()
    await inbox.client.connect()
    watching = asyncio.create_task(inbox.watch())
    while line := await asyncio.to_thread(sys.stdin.readline):
        await inbox.send(line.rstrip("\n"))
    watching.cancel()
    # What is unsaid would come again.
    await inbox.say_taken()
    await inbox.client.disconnect()


asyncio.run(main())
