//! What goes wrong with Redis, by what is to be done about it.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a call was not answered, or was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection, or it broke. A call that was on its way may have been done.
    #[error("Redis cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time. The call may have been done.
    #[error("Redis did not answer within `cluster.redis.timeout`")]
    Late,
    /// It reads its data from disk.
    #[error("Redis is loading its data")]
    Loading,
    /// It is a replica, or has become one.
    #[error("Redis is a replica: no writes here")]
    ReadOnly,
    /// The bucket's slot is on its way to another node of the Cluster.
    #[error("the slot is moving to another node of the Cluster")]
    Moving,
    /// The Cluster has no node for the slot, or the primary is away.
    #[error("no node of Redis serves the slot")]
    Down,
    /// Somebody's script runs and does not end.
    #[error("Redis is busy with a script")]
    Busy,
    /// It has as much as `maxmemory` allows.
    #[error("Redis' memory is full")]
    Full,
    /// It cannot write its data to disk, and therefore takes none.
    #[error("Redis cannot persist, and refuses writes: {0}")]
    Unpersisted(String),
    /// Fewer replicas than `min-replicas-to-write` are there.
    #[error("Redis has too few replicas, and refuses writes")]
    FewReplicas,
    /// Too few replicas have what was written, in the time for which a publish waits for them. The primary has it.
    #[error("fewer than `cluster.redis.wait_replicas` have got it within `cluster.redis.wait_timeout`")]
    Uncopied,
    /// The Functions are not there: Redis was emptied, or replaced.
    #[error("Ringpost's Functions are not in Redis")]
    NoLibrary,
    /// User, password or ACL.
    #[error("Redis refuses the node's user: {0}")]
    Forbidden(String),
    /// This incarnation has lost its lease; it is never taken back.
    #[error("this incarnation of the node has lost its lease")]
    Dead,
    /// A later call of this incarnation was answered already.
    #[error("a later call of this node was answered already")]
    Stale,
    /// Another node of this name lives, or one has gone without a word less than a lease ago.
    #[error("a node of this name is here")]
    Taken,
    /// Refused for what is asked: another number of buckets, no place left.
    #[error("{0}")]
    Refused(String),
    /// An answer that no Function gives.
    #[error("Redis gave an answer that cannot be read")]
    Garbled,
    /// More waits for Redis than may.
    #[error("too much waits for Redis")]
    Crowded,
    /// Anything else that Redis says.
    #[error("Redis says: {0}")]
    Other(String),
}

/// What to do after a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Ask the same again, after a moment; numbered calls change nothing the second time.
    Again,
    /// As [`Remedy::Again`], by a new connection.
    Reconnect,
    /// Refuse the caller for now: it passes only when somebody makes room.
    Refuse,
    /// Give the incarnation up.
    Die,
    /// Refuse the caller for good.
    Fail,
}

impl Fault {
    /// What to do.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Late | Self::Loading | Self::Moving | Self::Down | Self::Busy | Self::NoLibrary => Remedy::Again,
            Self::Unreachable(_) | Self::ReadOnly => Remedy::Reconnect,
            Self::Full | Self::Unpersisted(_) | Self::FewReplicas | Self::Uncopied | Self::Crowded => Remedy::Refuse,
            Self::Dead | Self::Stale => Remedy::Die,
            Self::Forbidden(_) | Self::Taken | Self::Refused(_) | Self::Garbled | Self::Other(_) => Remedy::Fail,
        }
    }

    /// One word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Late => "late",
            Self::Loading => "loading",
            Self::ReadOnly => "read_only",
            Self::Moving => "moving",
            Self::Down => "down",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Unpersisted(_) => "unpersisted",
            Self::FewReplicas => "few_replicas",
            Self::Uncopied => "uncopied",
            Self::NoLibrary => "no_library",
            Self::Forbidden(_) => "forbidden",
            Self::Dead => "dead",
            Self::Stale => "stale",
            Self::Taken => "taken",
            Self::Refused(_) => "refused",
            Self::Garbled => "garbled",
            Self::Crowded => "crowded",
            Self::Other(_) => "other",
        }
    }

    /// Whether the call may have been done although it was not answered.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Late | Self::Uncopied)
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Late;
        }
        let text = || error.detail().unwrap_or(error.category()).to_owned();
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::BusyLoading) => Self::Loading,
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly,
            ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain) => {
                Self::Moving
            }
            ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown)
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel => Self::Down,
            ErrorKind::Server(ServerErrorKind::NoPerm) | ErrorKind::AuthenticationFailed => Self::Forbidden(text()),
            ErrorKind::Server(ServerErrorKind::ResponseError) if text().contains("Function not found") => {
                Self::NoLibrary
            }
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => Self::Garbled,
            ErrorKind::Io => Self::Unreachable(error.to_string()),
            _ => Self::of_code(error.code().unwrap_or_default(), text()),
        }
    }
}

impl Fault {
    /// By the first word of what Redis, or a Function, says.
    fn of_code(code: &str, text: String) -> Self {
        match code {
            "BUSY" => Self::Busy,
            "OOM" => Self::Full,
            "MISCONF" => Self::Unpersisted(text),
            "NOREPLICAS" => Self::FewReplicas,
            "NOAUTH" | "WRONGPASS" => Self::Forbidden(text),
            "DEAD" => Self::Dead,
            "STALE" => Self::Stale,
            "TAKEN" => Self::Taken,
            "BUCKETS" | "FULL" => Self::Refused(text),
            "" => Self::Unreachable(text),
            _ => Self::Other(format!("{code} {text}")),
        }
    }
}
