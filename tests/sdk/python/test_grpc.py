"""The gRPC API, by stubs that gRPC's own compiler makes of the files in proto/."""

import importlib
import json
import os
import pathlib
import sys
import uuid

import grpc
import pytest
from clients import API_KEY, backend, channel, Guest, until
from cent import HistoryRequest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc

TARGET = f"127.0.0.1:{os.environ['SDK_TEST_GRPC_PORT']}"
PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
KEY = [("authorization", f"apikey {API_KEY}")]
CENTRIFUGO = "centrifugal.centrifugo.api.CentrifugoApi"
RINGPOST = "ringpost.api.v1.RingpostApi"


@pytest.fixture(scope="module")
def stubs(tmp_path_factory):
    """Modules of messages and of calls, by file."""
    folder = tmp_path_factory.mktemp("stubs")
    for file in ("api.proto", "ringpost.proto"):
        to = [f"--python_out={folder}", f"--grpc_python_out={folder}"]
        assert protoc.main(["protoc", f"-I{PROTO}", *to, file]) == 0
    sys.path.insert(0, str(folder))
    names = ("api_pb2", "api_pb2_grpc", "ringpost_pb2", "ringpost_pb2_grpc")
    yield {name: importlib.import_module(name) for name in names}
    sys.path.remove(str(folder))


@pytest.fixture
def link():
    with grpc.insecure_channel(TARGET) as link:
        yield link


@pytest.fixture
def api(stubs, link):
    """Messages and calls of Centrifugo's service."""
    return stubs["api_pb2"], stubs["api_pb2_grpc"].CentrifugoApiStub(link)


@pytest.fixture
def own(stubs, link):
    """Messages and calls of the node's own service."""
    return stubs["ringpost_pb2"], stubs["ringpost_pb2_grpc"].RingpostApiStub(link)


def test_what_is_published_is_in_the_history_of_both_ways(api):
    pb, stub = api
    room = channel("chat")
    for n in range(1, 4):
        request = pb.PublishRequest(channel=room, data=json.dumps({"n": n}).encode(), tags={"k": "v"})
        answer = stub.Publish(request, metadata=KEY)
        assert not answer.HasField("error") and answer.result.offset == n and answer.result.epoch
    page = stub.History(pb.HistoryRequest(channel=room, limit=2, reverse=True), metadata=KEY).result
    assert [json.loads(one.data)["n"] for one in page.publications] == [3, 2]
    assert page.offset == 3 and dict(page.publications[0].tags) == {"k": "v"}
    since = pb.StreamPosition(offset=1, epoch=page.epoch)
    page = stub.History(pb.HistoryRequest(channel=room, limit=-1, since=since), metadata=KEY).result
    assert [one.offset for one in page.publications] == [2, 3]
    by_http = backend().history(HistoryRequest(channel=room, limit=10))
    assert [one.data for one in by_http.publications] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_bytes_come_back_as_they_were_published(api):
    pb, stub = api
    room = channel("chat")
    for data in (b"\x00\xff", "grüße".encode(), b"[1,2]"):
        assert stub.Publish(pb.PublishRequest(channel=room, data=data), metadata=KEY).result.offset
    page = stub.History(pb.HistoryRequest(channel=room, limit=-1), metadata=KEY).result
    assert [one.data for one in page.publications] == [b"\x00\xff", "grüße".encode(), b"[1,2]"]


@pytest.mark.parametrize("protobuf", [False, True], ids=["json", "protobuf"])
async def test_clients_are_reached_and_seen(api, protobuf):
    pb, stub = api
    room, user = channel("chat"), f"grpc-{uuid.uuid4()}"
    async with Guest(protobuf, user) as guest:
        await guest.ready()
        subscription = await guest.subscribe(room)
        stub.Publish(pb.PublishRequest(channel=room, data=b'{"a":1}'), metadata=KEY)
        await until(lambda: guest.data(subscription), "the publication")
        assert guest.data(subscription) == [{"a": 1}]
        present = stub.Presence(pb.PresenceRequest(channel=room), metadata=KEY).result.presence
        assert [one.user for one in present.values()] == [user]
        stats = stub.PresenceStats(pb.PresenceStatsRequest(channel=room), metadata=KEY).result
        assert (stats.num_clients, stats.num_users) == (1, 1)
        sessions = stub.Connections(pb.ConnectionsRequest(user=user), metadata=KEY).result.connections
        (session,) = sessions.values()
        assert session.protocol == ("protobuf" if protobuf else "json") and room in session.state.channels
        assert room in stub.Channels(pb.ChannelsRequest(pattern=room), metadata=KEY).result.channels
        gone = pb.Disconnect(code=4501, reason="go")
        assert not stub.Disconnect(pb.DisconnectRequest(user=user, disconnect=gone), metadata=KEY).HasField("error")
        await until(lambda: guest.client.state.value == "disconnected", "the end")


def test_errors_are_told_in_replies_or_by_status(api):
    pb, stub = api
    unknown = pb.PublishRequest(channel="nowhere:x", data=b"1")
    assert stub.Publish(unknown, metadata=KEY).error.code == 102
    with pytest.raises(grpc.RpcError) as refused:
        stub.Publish(unknown, metadata=[*KEY, ("x-centrifugo-error-mode", "transport")])
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
    assert b"centrifugal.centrifugo.api.Error" in details


def test_a_batch_and_a_broadcast_answer_for_each(api):
    pb, stub = api
    room = channel("chat")
    commands = [
        pb.Command(publish=pb.PublishRequest(channel=room, data=b"1")),
        pb.Command(presence_stats=pb.PresenceStatsRequest(channel="nowhere:x")),
        pb.Command(info=pb.InfoRequest()),
        pb.Command(),
    ]
    for parallel in (False, True):
        replies = stub.Batch(pb.BatchRequest(commands=commands, parallel=parallel), metadata=KEY).replies
        assert replies[0].publish.offset and replies[1].error.code == 102
        assert replies[2].info.nodes[0].name == "sdk" and replies[3].error.code == 104
    rooms = [channel("chat"), "nowhere:x"]
    answer = stub.Broadcast(pb.BroadcastRequest(channels=rooms, data=b"2"), metadata=KEY).result.responses
    assert answer[0].result.offset == 1 and answer[1].error.code == 102


def test_who_has_no_key_is_refused(api):
    pb, stub = api
    for metadata in ([], [("authorization", "apikey wrong")], [("authorization", API_KEY)]):
        with pytest.raises(grpc.RpcError) as refused:
            stub.Info(pb.InfoRequest(), metadata=metadata)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_what_the_node_has_beyond_is_in_its_own_service(own):
    pb, stub = own
    room, user = channel("inbox"), f"grpc-{uuid.uuid4()}"
    assert not stub.MembersAdd(pb.MembersAddRequest(channel=room, users=[user]), metadata=KEY).HasField("error")
    assert stub.Publish(pb.PublishRequest(channel=room, data=b"1", ttl="1h"), metadata=KEY).result.offset == 1
    members = stub.MembersList(pb.MembersListRequest(channel=room), metadata=KEY).result.members
    assert [(one.user, one.received) for one in members] == [(user, 0)]
    assert stub.InboxUnread(pb.InboxUnreadRequest(channel=room, user=user), metadata=KEY).result.unread == 1
    events = stub.Trace(pb.TraceRequest(channel=room, offset=1), metadata=KEY).result.events
    assert events[0].what == "published" and not events[0].HasField("user")
    later = stub.Publish(pb.PublishRequest(channel=room, data=b"\xff", delay="1h"), metadata=KEY).result.scheduled
    scheduled = stub.ScheduledList(pb.ScheduledListRequest(channel=room), metadata=KEY).result.scheduled
    assert [(one.id, one.data) for one in scheduled] == [(later, b"\xff")]
    cancelled = stub.ScheduledCancel(pb.ScheduledCancelRequest(channel=room, id=later), metadata=KEY)
    assert not cancelled.HasField("error")
    status = stub.UsersStatus(pb.UsersStatusRequest(users=[user]), metadata=KEY).result.users
    assert not status[user].online


def test_health_is_told_without_a_key(link):
    stub = health_pb2_grpc.HealthStub(link)
    for service in ("", CENTRIFUGO, RINGPOST):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_describes_what_the_files_say(stubs, link):
    class WithKey(grpc.StreamStreamClientInterceptor):
        def intercept_stream_stream(self, continuation, details, requests):
            return continuation(details._replace(metadata=KEY), requests)

    database = ProtoReflectionDescriptorDatabase(grpc.intercept_channel(link, WithKey()))
    assert {CENTRIFUGO, RINGPOST} <= set(database.get_services())
    pool = DescriptorPool(database)
    for module, name in (("api_pb2", CENTRIFUGO), ("ringpost_pb2", RINGPOST)):
        known = stubs[module].DESCRIPTOR.services_by_name[name.rsplit(".", 1)[1]]
        assert [one.name for one in pool.FindServiceByName(name).methods] == [one.name for one in known.methods]


def test_a_message_that_is_too_long_is_refused(api):
    pb, stub = api
    with pytest.raises(grpc.RpcError) as refused:
        stub.Publish(pb.PublishRequest(channel="chat:x", data=b"1" * (9 << 20)), metadata=KEY)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub.Info(pb.InfoRequest(), metadata=KEY).result.nodes
