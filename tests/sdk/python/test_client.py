"""The Python SDK against the node, in JSON and in Protobuf."""

import asyncio

import pytest
from cent import DisconnectRequest, PublishRequest, SubscribeRequest, UnsubscribeRequest
from centrifuge import CentrifugeError
from centrifuge.exceptions import ReplyError
from centrifuge.filter import Filter

from clients import Guest, backend, channel, connection_token, subscription_token, until


@pytest.fixture(params=[False, True], ids=["json", "protobuf"])
def protobuf(request):
    return request.param


async def test_subscribers_see_what_others_publish_in_order(protobuf):
    room = channel("asked")
    async with Guest(protobuf) as ada, Guest(protobuf, "bob") as bob:
        hers, his = await ada.subscribe(room), await bob.subscribe(room)
        for n in range(20):
            await hers.publish(ada.write({"n": n}))
        for guest, subscription in ((ada, hers), (bob, his)):
            await subscription.heard.at("publication", 19)
            assert [data["n"] for data in guest.data(subscription)] == list(range(20))
        first = his.heard.of("publication")[0].pub
        assert (first.offset, first.info.user) == (1, "ada")


async def test_presence_and_its_stats_count_who_is_there(protobuf):
    room = channel("asked")
    async with Guest(protobuf) as ada, Guest(protobuf) as twin, Guest(protobuf, "bob") as bob:
        subscriptions = [await guest.subscribe(room) for guest in (ada, twin, bob)]
        present = await subscriptions[0].presence()
        assert sorted(info.user for info in present.clients.values()) == ["ada", "ada", "bob"]
        stats = await subscriptions[0].presence_stats()
        assert (stats.num_clients, stats.num_users) == (3, 2)


async def test_who_comes_and_goes_is_told(protobuf):
    room = channel("chat")
    async with Guest(protobuf) as ada:
        hears = await ada.subscribe(room)
        async with Guest(protobuf, "bob") as bob:
            await bob.subscribe(room)
            await until(lambda: "bob" in [join.info.user for join in hears.heard.of("join")], "bob's coming")
        await until(lambda: "bob" in [leave.info.user for leave in hears.heard.of("leave")], "bob's going")


async def test_history_comes_in_pages(protobuf):
    room = channel("asked")
    async with Guest(protobuf) as ada:
        subscription = await ada.subscribe(room)
        for n in range(5):
            await subscription.publish(ada.write(n))
        page = await subscription.history(limit=2)
        assert [ada.read(publication.data) for publication in page.publications] == [0, 1]
        assert page.offset == 5
        page = await subscription.history(limit=2, reverse=True)
        assert [ada.read(publication.data) for publication in page.publications] == [4, 3]


async def test_a_filter_over_tags_holds_live_and_after_being_away(protobuf):
    room = channel("tags")

    def tick(*numbers):
        for n in numbers:
            backend().publish(PublishRequest(channel=room, data=n, tags={"n": str(n), "parity": str(n % 2)}))

    async with Guest(protobuf) as ada:
        tags_filter = Filter.all(Filter.eq("parity", "0"), Filter.negate(Filter.is_in("n", ["4", "44"])))
        subscription = await ada.subscribe(room, tags_filter=tags_filter)
        tick(1, 2, 3, 4, 5)
        ada.cut()
        tick(6, 7, 8)
        await subscription.heard.at("subscribed", 1)
        tick(9, 10)
        await subscription.heard.at("publication", 3)
        assert ada.data(subscription) == [2, 6, 8, 10]
        assert subscription.heard.of("subscribed")[1].recovered


async def test_a_client_that_was_cut_off_recovers_what_it_missed(protobuf):
    room = channel("chat")
    async with Guest(protobuf) as ada:
        subscription = await ada.subscribe(room)
        for n in range(40):
            backend().publish(PublishRequest(channel=room, data=n))
            if n % 10 == 5:
                await subscription.heard.at("publication", n)
                ada.cut()
                await asyncio.sleep(0)
        await subscription.heard.at("publication", 39)
        assert ada.data(subscription) == list(range(40))
        recoveries = subscription.heard.of("subscribed")[1:]
        assert recoveries and all(context.recovered for context in recoveries)


async def test_an_expired_token_is_replaced(protobuf):
    tokens = [connection_token("ada", ttl_s=-5), connection_token("ada")]

    async def get_token():
        return tokens.pop(0)

    async with Guest(protobuf, get_token=get_token) as ada:
        await ada.ready()
        assert tokens == []
        assert ada.heard.of("error")[0].error.code == 109


async def test_connection_and_subscription_are_renewed(protobuf):
    room = f"${channel('asked')}"
    asked = {"connection": 0, "subscription": 0}

    async def get_token():
        asked["connection"] += 1
        return connection_token("ada", ttl_s=2 if asked["connection"] == 1 else 3600)

    async def get_subscription_token(_channel):
        asked["subscription"] += 1
        return subscription_token("ada", room, ttl_s=2 if asked["subscription"] == 1 else 3600)

    async with Guest(protobuf, get_token=get_token) as ada:
        subscription = await ada.subscribe(room, get_token=get_subscription_token)
        # Longer than a token of two seconds and what the node waits for the next one.
        await asyncio.sleep(7.5)
        assert asked == {"connection": 2, "subscription": 2}
        assert len(ada.heard.of("connected")) == len(subscription.heard.of("subscribed")) == 1


async def test_a_wrong_token_ends_the_connection(protobuf):
    async def get_token():
        return "not.a.token"

    async with Guest(protobuf, get_token=get_token) as ada:
        ended = await ada.heard.at("disconnected", 0)
        assert (ended.code, ended.reason) == (3500, "invalid token")


async def test_a_forbidden_channel_is_refused(protobuf):
    async with Guest(protobuf) as ada:
        subscription = await ada.subscribe(channel("locked"), wait=False)
        assert (await subscription.heard.at("unsubscribed", 0)).code == 103
        with pytest.raises(CentrifugeError):
            await subscription.publish(ada.write(1))


async def test_rpc_is_not_available(protobuf):
    async with Guest(protobuf) as ada:
        await ada.ready()
        with pytest.raises(ReplyError) as refused:
            await ada.client.rpc("any", ada.write({}))
        assert refused.value.code == 108


async def test_a_backend_subscribes_publishes_unsubscribes_disconnects(protobuf):
    room, user = channel("asked"), f"led-{protobuf}"
    async with Guest(protobuf, user) as guest:
        await guest.ready()
        api = backend()
        api.subscribe(SubscribeRequest(user=user, channel=room))
        await until(lambda: room in [context.channel for context in guest.heard.of("subscribed")], "the subscription")
        api.publish(PublishRequest(channel=room, data={"n": 1}))
        publication = await guest.heard.at("publication", 0)
        assert (publication.channel, guest.read(publication.pub.data)) == (room, {"n": 1})
        api.unsubscribe(UnsubscribeRequest(user=user, channel=room))
        assert (await guest.heard.at("unsubscribed", 0)).channel == room
        api.disconnect(DisconnectRequest(user=user))
        assert (await guest.heard.at("disconnected", 0)).code == 3503


async def test_a_message_beyond_the_limit_ends_the_connection(protobuf):
    room = channel("flow")
    async with Guest(protobuf) as ada:
        subscription = await ada.subscribe(room)
        await subscription.publish(ada.write("x" * 65_000))
        assert len(ada.read((await subscription.heard.at("publication", 0)).pub.data)) == 65_000
        with pytest.raises(CentrifugeError):
            await subscription.publish(ada.write("x" * 70_000))
