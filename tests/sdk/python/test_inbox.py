"""At least once, with the Python SDK as it is: what is received, read, sent again, and kept for who is away."""

import pytest
from cent import PublishRequest
from centrifuge.exceptions import ReplyError

from clients import Guest, backend, call_api, channel


@pytest.fixture(params=[False, True], ids=["json", "protobuf"])
def protobuf(request):
    return request.param


def publish(room: str, *numbers: int) -> None:
    for n in numbers:
        backend().publish(PublishRequest(channel=room, data=n))


async def inbox(guest: Guest, method: str, **data):
    answer = await guest.client.rpc(f"inbox.{method}", guest.write(data))
    return guest.read(answer.data)


PHONE = {"device": "phone"}


async def test_who_was_away_gets_what_was_not_received(protobuf):
    room = channel("inbox")
    async with Guest(protobuf, claims=PHONE) as ada:
        subscription = await ada.subscribe(room)
        publish(room, 1, 2)
        await subscription.heard.at("publication", 1)
        assert await inbox(ada, "received", channel=room, offset=1) == {}
    publish(room, 3)
    async with Guest(protobuf, claims=PHONE) as ada:
        subscription = await ada.subscribe(room)
        await subscription.heard.at("publication", 1)
        assert ada.data(subscription) == [2, 3]
        await inbox(ada, "received", channel=room, offset=3)
        assert (await inbox(ada, "unread", channel=room))["unread"] == 3
        await inbox(ada, "read", channel=room, offset=3)
        assert (await inbox(ada, "unread", channel=room))["unread"] == 0


async def test_silence_has_it_sent_again_with_the_number_of_the_attempt(protobuf):
    room = channel("inbox")
    async with Guest(protobuf, claims=PHONE) as ada:
        subscription = await ada.subscribe(room)
        publish(room, 1)
        again = (await subscription.heard.at("publication", 1)).pub
        assert (again.offset, again.tags) == (1, {"attempt": "2"})
        await inbox(ada, "received", channel=room, offset=1)


async def test_a_message_with_an_id_is_published_once(protobuf):
    room = channel("inbox")
    async with Guest(protobuf, claims=PHONE) as ada:
        subscription = await ada.subscribe(room)
        first = await inbox(ada, "send", channel=room, id="m-1", data={"text": "hi"})
        ada.cut()
        await subscription.heard.at("subscribed", 1)
        assert await inbox(ada, "send", channel=room, id="m-1", data={"text": "hi"}) == first
        assert first["offset"] == 1
        await inbox(ada, "received", channel=room, offset=1)


async def test_in_a_large_room_the_sender_asks_how_many_have_received_and_read(protobuf):
    room = channel("inbox")
    call_api("members_add", channel=room, users=[f"member-{number}" for number in range(100)])
    async with Guest(protobuf, claims=PHONE) as ada, Guest(protobuf, user="bob", claims=PHONE) as bob:
        await ada.subscribe(room)
        heard = (await bob.subscribe(room)).heard
        offset = (await inbox(ada, "send", channel=room, id="m-1", data="hi"))["offset"]
        await heard.at("publication", 0)
        await inbox(bob, "received", channel=room, offset=offset)
        await inbox(bob, "read", channel=room, offset=offset)
        # This SDK has no event for messages.
        positions = await inbox(ada, "positions", channel=room)
        assert positions["receipts"] == [{"offset": offset, "received": 1, "read": 1, "members": 101}]


async def test_what_was_not_sent_cannot_be_received(protobuf):
    room = channel("inbox")
    async with Guest(protobuf, claims=PHONE) as ada:
        await ada.subscribe(room)
        with pytest.raises(ReplyError) as refused:
            await inbox(ada, "received", channel=room, offset=1)
        assert refused.value.code == 107
