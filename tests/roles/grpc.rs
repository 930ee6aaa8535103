//! Processes without the edge by gRPC: their own methods are answered there as well, and all others refused with the role that they
//! need.

use std::collections::HashMap;

use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;

use crate::harness::{KEY, Process, Session, World, wait};

/// Messages of `proto/ringpost.proto`, as far as these tests ask: written by hand.
#[derive(Clone, PartialEq, Message)]
struct Users {
    #[prost(string, repeated, tag = "1")]
    users: Vec<String>,
}

/// The answer to `UsersState`; those of other calls begin with an error as well.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    error: Option<Refusal>,
    #[prost(message, optional, tag = "2")]
    result: Option<States>,
}

#[derive(Clone, PartialEq, Message)]
struct Refusal {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct States {
    #[prost(map = "string, message", tag = "1")]
    users: HashMap<String, StateOfUser>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct StateOfUser {
    #[prost(bool, tag = "1")]
    online: bool,
    #[prost(int64, optional, tag = "2")]
    since_unix_ms: Option<i64>,
    #[prost(int64, optional, tag = "3")]
    last_seen_unix_ms: Option<i64>,
    #[prost(uint32, tag = "4")]
    devices: u32,
}

/// A caller with the key, or with another one.
struct Caller {
    runtime: tokio::runtime::Runtime,
    channel: Channel,
    key: &'static str,
}

impl Caller {
    fn of(process: &Process, key: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is one");
        let address = process.grpc.expect("it serves gRPC");
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("it is an address");
        let channel = runtime.block_on(endpoint.connect()).expect("it accepts");
        Self { runtime, channel, key }
    }

    fn call<M: Message + 'static>(&self, method: &str, request: M) -> Result<Answer, Status> {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        let mut request = Request::new(request);
        let key = format!("apikey {}", self.key).parse().expect("it is text");
        request.metadata_mut().insert("authorization", key);
        let path = format!("/ringpost.api.v1.RingpostApi/{method}").parse().expect("it is a path");
        self.runtime.block_on(async {
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            Ok(grpc.unary(request, path, ProstCodec::<M, Answer>::default()).await?.into_inner())
        })
    }

    fn state(&self, user: &str) -> StateOfUser {
        let answer = self.call("UsersState", Users { users: vec![user.into()] }).expect("it answers");
        answer.result.unwrap_or_else(|| panic!("{:?}", answer.error)).users[user]
    }
}

#[test]
fn who_is_online_is_told_by_grpc_where_no_client_connects() {
    let world = World::new(1);
    let mut process = world.start("state-1", r#""state""#);
    assert!(process.tcp.is_none());
    let caller = Caller::of(&process, KEY);
    assert_eq!(caller.state("ann"), StateOfUser::default());
    let session = Session::of("ann");
    world.tell("connected", &session);
    wait("ann is online", || caller.state("ann").online);
    let state = caller.state("ann");
    assert!(state.devices == 1 && state.since_unix_ms.is_some() && state.since_unix_ms == state.last_seen_unix_ms);
    world.tell("disconnected", &session);
    wait("ann is offline", || !caller.state("ann").online);
    assert!(caller.state("ann").since_unix_ms > state.since_unix_ms);
    let users = Users { users: (0..1_001).map(|user| user.to_string()).collect() };
    let many = caller.call("UsersState", users).unwrap();
    assert_eq!(many.error.expect("they are too many").code, 106);
    assert!(process.end().success(), "it drains");
}

#[test]
fn what_a_process_has_no_role_for_is_refused_with_the_role_and_who_has_no_key_is_not_answered() {
    let world = World::new(1);
    let process = world.start("state-1", r#""state""#);
    let caller = Caller::of(&process, KEY);
    // Of each the first field is a name.
    let name = Users { users: vec!["chat:x".into()] };
    for (method, role) in [("Publish", "edge"), ("PresenceStats", "edge"), ("Channels", "edge"), ("BadgeGet", "notify")]
    {
        let refused = caller.call(method, name.clone()).unwrap();
        let refused = refused.error.unwrap_or_else(|| panic!("{method} is answered"));
        assert_eq!(refused.code, 108, "{method}");
        assert!(refused.message.contains(&format!("role `{role}`")), "{method}: {}", refused.message);
    }
    let stranger = Caller::of(&process, "other").call("UsersState", Users { users: vec![] });
    assert_eq!(stranger.unwrap_err().code(), Code::Unauthenticated);
}

#[test]
fn health_is_told_by_grpc_until_the_process_drains() {
    let world = World::new(1);
    let mut process = world.start("state-1", r#""state""#);
    let Caller { runtime, channel, .. } = Caller::of(&process, KEY);
    let mut health = HealthClient::new(channel);
    let request = HealthCheckRequest { service: "ringpost.api.v1.RingpostApi".into() };
    runtime.block_on(async {
        let status = health.check(request.clone()).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    });
    std::thread::scope(|scope| {
        let mut watched = runtime.block_on(health.watch(request)).unwrap().into_inner();
        let mut told = || runtime.block_on(watched.message());
        assert_eq!(told().unwrap().expect("the first").status(), ServingStatus::Serving);
        let ended = scope.spawn(|| process.end());
        // It may be gone before it has told.
        if let Ok(Some(told)) = told() {
            assert_eq!(told.status(), ServingStatus::NotServing);
        }
        assert!(ended.join().expect("it ends").success());
    });
}
