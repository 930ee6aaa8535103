"""Clients of the Python SDK and the backend's API client, against the node that `run` started."""

import asyncio
import itertools
import json
import os
import time
import urllib.request

import jwt
from cent import Client as Backend
from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

HTTP_PORT = os.environ["SDK_TEST_HTTP_PORT"]
WEBSOCKET = f"ws://127.0.0.1:{HTTP_PORT}/connection/websocket"
API = f"http://127.0.0.1:{HTTP_PORT}/api"
API_KEY = "sdk-key"
SECRET = "sdk-secret-of-at-least-thirty-two-bytes"
PATIENCE_S = 15

_channels = itertools.count(1)


def channel(namespace: str) -> str:
    """A channel that no other test uses."""
    return f"{namespace}:py-{os.getpid()}-{next(_channels)}"


def backend(key: str = API_KEY) -> Backend:
    return Backend(API, key)


def call_api(method: str, **params) -> None:
    """Calls a method that the backend's client does not know."""
    body = json.dumps(params).encode()
    headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{API}/{method}", body, headers)) as response:
        assert "error" not in json.load(response)


def connection_token(user: str, ttl_s: int = 3600, **claims) -> str:
    return jwt.encode({"sub": user, "exp": int(time.time()) + ttl_s, **claims}, SECRET)


def subscription_token(user: str, channel: str, ttl_s: int = 3600, **claims) -> str:
    return jwt.encode({"sub": user, "channel": channel, "exp": int(time.time()) + ttl_s, **claims}, SECRET)


async def until(probe, what: str, patience_s: float = PATIENCE_S):
    """Calls `probe` until it gives something true, and gives that."""
    end = time.monotonic() + patience_s
    while not (value := probe()):
        assert time.monotonic() < end, f"in vain waited for {what}"
        await asyncio.sleep(0.02)
    return value


class Heard:
    """Everything that happened, as `(name, context)`; a handler for clients and for subscriptions."""

    def __init__(self):
        self.all = []

    def of(self, name: str) -> list:
        return [context for kind, context in self.all if kind == name]

    async def at(self, name: str, place: int):
        return await until(lambda: (self.of(name)[place:] or [None])[0], f"{name} number {place + 1} in {self.all}")


def _collecting(handler):
    """A handler that notes every event that its base has."""

    def note(name):
        async def event(self, context):
            self.heard.all.append((name, context))

        return event

    names = [name for name in vars(handler) if name.startswith("on_")]
    return type("Collecting", (handler,), {name: note(name.removeprefix("on_")) for name in names})


ClientEvents = _collecting(ClientEventHandler)
SubscriptionEvents = _collecting(SubscriptionEventHandler)


class Guest:
    """A client with what it heard. Payloads are JSON in both encodings; in Protobuf they travel as bytes."""

    def __init__(self, protobuf: bool, user: str = "ada", claims: dict | None = None, **options):
        self.protobuf = protobuf
        events = ClientEvents()
        events.heard = self.heard = Heard()
        if "get_token" not in options:
            options["token"] = connection_token(user, **(claims or {}))
        self.client = Client(
            WEBSOCKET, events=events, use_protobuf=protobuf, min_reconnect_delay=0.02, max_reconnect_delay=0.2, **options
        )

    async def __aenter__(self):
        await self.client.connect()
        return self

    async def __aexit__(self, *_):
        await self.client.disconnect()

    async def ready(self):
        await self.client.ready(PATIENCE_S)
        return self

    def write(self, value):
        return json.dumps(value).encode() if self.protobuf else value

    def read(self, data):
        return json.loads(data) if self.protobuf else data

    async def subscribe(self, channel: str, wait: bool = True, **options):
        events = SubscriptionEvents()
        events.heard = Heard()
        subscription = self.client.new_subscription(channel, events=events, min_resubscribe_delay=0.02, **options)
        subscription.heard = events.heard
        await subscription.subscribe()
        if wait:
            await subscription.ready(PATIENCE_S)
        return subscription

    def cut(self):
        """Destroys the socket, as a lost network does."""
        self.client._conn.transport.abort()

    def data(self, subscription) -> list:
        return [self.read(context.pub.data) for context in subscription.heard.of("publication")]
