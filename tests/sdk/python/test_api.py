"""The backend's library `cent`, unmodified, against the API: every method, and what backends rely on."""

import base64

import cent
import pytest
from cent import (
    AsyncClient,
    BatchRequest,
    BroadcastRequest,
    ChannelsRequest,
    ConnectionsRequest,
    DisconnectRequest,
    HistoryRemoveRequest,
    HistoryRequest,
    InfoRequest,
    PresenceRequest,
    PresenceStatsRequest,
    PublishRequest,
    RefreshRequest,
    StreamPosition,
    SubscribeRequest,
    UnsubscribeRequest,
)

from clients import API, API_KEY, Guest, backend, channel, until


@pytest.fixture
def api():
    return backend()


def test_publish_gives_the_place_in_the_stream(api):
    room = channel("chat")
    first = api.publish(PublishRequest(channel=room, data={"n": 1}))
    second = api.publish(PublishRequest(channel=room, data={"n": 2}))
    assert (first.offset, second.offset) == (1, 2)
    assert first.epoch == second.epoch != ""


def test_publish_takes_bytes_in_base64(api):
    room = channel("chat")
    api.publish(PublishRequest(channel=room, data=None, b64data=base64.b64encode(b'{"raw":true}').decode()))
    assert api.history(HistoryRequest(channel=room, limit=1)).publications[0].data == {"raw": True}


def test_skip_history_keeps_a_message_out_of_it(api):
    room = channel("chat")
    api.publish(PublishRequest(channel=room, data=1, skip_history=True))
    assert api.history(HistoryRequest(channel=room, limit=-1)).publications == []


def test_an_idempotency_key_publishes_once(api):
    room = channel("chat")
    request = PublishRequest(channel=room, data={"pay": 10}, idempotency_key="order-1")
    results = [api.publish(request) for _ in range(3)]
    assert {(result.offset, result.epoch) for result in results} == {(1, results[0].epoch)}
    assert len(api.history(HistoryRequest(channel=room, limit=-1)).publications) == 1
    api.publish(PublishRequest(channel=channel("chat"), data=1, idempotency_key="order-1"))


def test_broadcast_answers_for_each_channel(api):
    rooms = [channel("chat"), channel("nowhere"), channel("flow")]
    result = api.broadcast(BroadcastRequest(channels=rooms, data={}, idempotency_key="broadcast"))
    kept, unknown, flowing = result.responses
    assert kept.result.offset == 1
    assert unknown.error.code == 102
    assert flowing.error is None and flowing.result.offset == 0


def test_history_pages_and_removal(api):
    room = channel("chat")
    for n in range(6):
        api.publish(PublishRequest(channel=room, data=n, tags={"parity": str(n % 2)}))
    page = api.history(HistoryRequest(channel=room, limit=2))
    assert [publication.data for publication in page.publications] == [0, 1]
    assert page.publications[1].tags == {"parity": "1"}
    since = StreamPosition(offset=2, epoch=page.epoch)
    assert [p.data for p in api.history(HistoryRequest(channel=room, limit=2, since=since)).publications] == [2, 3]
    assert [p.data for p in api.history(HistoryRequest(channel=room, limit=2, reverse=True)).publications] == [5, 4]
    assert api.history(HistoryRequest(channel=room, limit=0)).offset == 6
    api.history_remove(HistoryRemoveRequest(channel=room))
    assert api.history(HistoryRequest(channel=room, limit=-1)).publications == []
    with pytest.raises(cent.CentApiResponseError) as lost:
        api.history(HistoryRequest(channel=room, limit=2, since=StreamPosition(offset=1, epoch="other")))
    assert lost.value.code == 112


async def test_presence_channels_and_info_see_clients(api):
    room = channel("asked")
    async with Guest(False, "pia", claims={"info": {"name": "Pia"}}) as pia, Guest(True, "quinn") as quinn:
        for guest in (pia, quinn):
            await guest.subscribe(room)
        present = api.presence(PresenceRequest(channel=room)).presence
        assert {info.user: info.conn_info for info in present.values()} == {"pia": {"name": "Pia"}, "quinn": None}
        stats = api.presence_stats(PresenceStatsRequest(channel=room))
        assert (stats.num_clients, stats.num_users) == (2, 2)
        channels = api.channels(ChannelsRequest(pattern=f"{room[:-1]}*")).channels
        assert channels[room].num_clients == 2
        assert room in api.channels(ChannelsRequest()).channels
        (node,) = api.info(InfoRequest()).nodes
        assert node.name == "sdk"
        assert node.num_clients >= 2 and node.num_users >= 2 and node.num_subs >= 2 and node.num_channels >= 1


async def test_connections_of_a_user_are_listed(api):
    async with Guest(False, "uma") as uma, Guest(True, "uma") as twin:
        await uma.ready()
        await twin.ready()
        connections = api.connections(ConnectionsRequest(user="uma", expression="")).connections
        assert [connection.user for connection in connections.values()] == ["uma", "uma"]


async def test_a_backend_leads_a_users_session(api):
    room = channel("asked")
    async with Guest(False, "zoe") as zoe:
        await zoe.ready()
        api.publish(PublishRequest(channel=room, data=1))
        position = api.history(HistoryRequest(channel=room, limit=0))
        api.publish(PublishRequest(channel=room, data=2))
        api.subscribe(
            SubscribeRequest(
                user="zoe",
                channel=room,
                info={"seat": 1},
                data={"welcome": True},
                recover_since=StreamPosition(offset=position.offset, epoch=position.epoch),
                override=cent.ChannelOptionsOverride(force_recovery=cent.BoolValue(value=True)),
            )
        )
        subscribed = await until(lambda: [c for c in zoe.heard.of("subscribed") if c.channel == room], "the subscription")
        assert subscribed[0].data == {"welcome": True}
        assert [c.pub.data for c in await until(lambda: zoe.heard.of("publication"), "what was missed")] == [2]
        (info,) = api.presence(PresenceRequest(channel=room)).presence.values()
        assert info.chan_info == {"seat": 1}
        api.unsubscribe(UnsubscribeRequest(user="zoe", channel=room))
        await zoe.heard.at("unsubscribed", 0)
        api.refresh(RefreshRequest(user="zoe", expired=True))
        assert (await until(lambda: zoe.heard.of("connecting")[1:], "the end by refresh"))[0].code == 3005
        await zoe.ready()
        api.disconnect(DisconnectRequest(user="zoe", disconnect=cent.Disconnect(code=4502, reason="enough")))
        ended = await zoe.heard.at("disconnected", 0)
        assert (ended.code, ended.reason) == (4502, "enough")


@pytest.mark.parametrize("parallel", [False, True])
def test_a_batch_answers_each_request_in_its_place(api, parallel):
    rooms = [channel("chat") for _ in range(3)]
    requests = [PublishRequest(channel=room, data=n) for n, room in enumerate(rooms)]
    batch = BatchRequest(requests=[*requests, HistoryRequest(channel=channel("chat"), limit=1)], parallel=parallel)
    *published, history = api.batch(batch).replies
    assert [result.offset for result in published] == [1, 1, 1]
    assert history.publications == []


def test_errors_come_as_the_library_expects(api):
    for request, code in (
        (PublishRequest(channel="nowhere:1", data={}), 102),
        (PublishRequest(channel="", data={}), 107),
        (PresenceRequest(channel=channel("flow")), 108),
        (HistoryRequest(channel=channel("flow"), limit=1), 108),
    ):
        with pytest.raises(cent.CentApiResponseError) as refused:
            api._send(request)
        assert refused.value.code == code, request
    with pytest.raises(cent.CentUnauthorizedError):
        backend("wrong").info(InfoRequest())


async def test_the_asynchronous_client_works_too():
    room = channel("chat")
    async with AsyncClient(API, API_KEY) as api:
        assert (await api.publish(PublishRequest(channel=room, data={}))).offset == 1
        assert (await api.info(InfoRequest())).nodes
