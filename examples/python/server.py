"""A backend for Ringpost in Python: signs tokens, publishes, lists who is present, serves a page."""

import os
import time
from pathlib import Path

import cent
import jwt
from aiohttp import web

PORT = int(os.environ.get("PORT", "3000"))
WEBSOCKET_URL = os.environ.get("WEBSOCKET_URL", "ws://127.0.0.1:8000/connection/websocket")
API_URL = os.environ.get("API_URL", "http://127.0.0.1:8000/api")
API_KEY = os.environ.get("API_KEY", "dev")
TOKEN_SECRET = os.environ.get("TOKEN_SECRET", "ringpost-development-secret-not-for-production")
CHANNEL = "$chat:team"
PAGE = Path(__file__).parent.parent / "page.html"
API = web.AppKey("api", cent.AsyncClient)

routes = web.RouteTableDef()


def sign(user: str, channel: str | None) -> str:
    """With a channel a subscription token, without one a connection token. Short: the SDK asks for the next in time."""
    claims = {"sub": user, "channel": channel} if channel else {"sub": user, "info": {"name": user}}
    return jwt.encode({"exp": int(time.time()) + 600, **claims}, TOKEN_SECRET, algorithm="HS256")


def may(user: str, channel: str) -> bool:
    """What your application knows: who may read which channel."""
    return user != "mallory" and channel == CHANNEL


@routes.get("/")
async def page(_: web.Request) -> web.Response:
    html = PAGE.read_text(encoding="utf-8").replace("WEBSOCKET_URL", WEBSOCKET_URL)
    return web.Response(text=html, content_type="text/html")


@routes.get("/token")
async def token(request: web.Request) -> web.Response:
    # In your application the user is who is logged in, not who it says.
    user, channel = request.query.get("user"), request.query.get("channel")
    if not user or (channel and not may(user, channel)):
        raise web.HTTPForbidden
    return web.json_response({"token": sign(user, channel)})


@routes.post("/announce")
async def announce(request: web.Request) -> web.Response:
    text = (await request.json())["text"]
    published = await request.app[API].publish(cent.PublishRequest(channel=CHANNEL, data={"text": text}))
    return web.json_response({"offset": published.offset})


@routes.get("/presence")
async def presence(request: web.Request) -> web.Response:
    present = await request.app[API].presence(cent.PresenceRequest(channel=CHANNEL))
    return web.json_response({"users": sorted({info.user for info in present.presence.values()})})


async def with_api(app: web.Application):
    async with cent.AsyncClient(API_URL, API_KEY) as client:
        app[API] = client
        yield


app = web.Application()
app.add_routes(routes)
app.cleanup_ctx.append(with_api)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=PORT)
