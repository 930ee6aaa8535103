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
    /// Something that is not Ringpost's, or cannot be read, lies where a Function looks, which has changed nothing: the key, or what
    /// Redis says of it. A person is to take it away.
    #[error("Redis holds what is not Ringpost's: {0}")]
    Foreign(String),
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
            Self::Forbidden(_) | Self::Taken | Self::Refused(_) | Self::Foreign(_) | Self::Garbled | Self::Other(_) => {
                Remedy::Fail
            }
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
            Self::Foreign(_) => "foreign",
            Self::Garbled => "garbled",
            Self::Crowded => "crowded",
            Self::Other(_) => "other",
        }
    }

    /// Whether the call may have been done although it was not answered, or not so that it could be read.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Late | Self::Uncopied | Self::Garbled | Self::Other(_))
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
            "FOREIGN" => Self::Foreign(text),
            // It becomes a replica while a call waits for others, and closes the connection.
            "" | "UNBLOCKED" => Self::Unreachable(text),
            _ => Self::Other(format!("{code} {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(said: &str) -> Fault {
        let said = redis::parse_redis_value(format!("-{said}\r\n").as_bytes()).expect("it is an answer");
        said.extract_error().expect_err("it is an error").into()
    }

    #[test]
    fn what_redis_says_is_known_by_what_is_to_be_done_about_it() {
        for (said, remedy, is_open) in [
            ("LOADING Redis is loading the dataset in memory", Remedy::Again, false),
            ("BUSY Redis is busy running a script.", Remedy::Again, false),
            ("MOVED 17 127.0.0.1:6379", Remedy::Again, false),
            ("ASK 17 127.0.0.1:6379", Remedy::Again, false),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Remedy::Again, false),
            ("CLUSTERDOWN The cluster is down", Remedy::Again, false),
            ("MASTERDOWN Link with MASTER is down", Remedy::Again, false),
            ("ERR Function not found", Remedy::Again, false),
            ("READONLY You can't write against a read only replica.", Remedy::Reconnect, false),
            ("UNBLOCKED force unblock from blocking operation, instance state changed", Remedy::Reconnect, true),
            ("OOM command not allowed when used memory > 'maxmemory'.", Remedy::Refuse, false),
            ("MISCONF Redis is configured to save RDB snapshots", Remedy::Refuse, false),
            ("NOREPLICAS Not enough good replicas to write.", Remedy::Refuse, false),
            ("DEAD this incarnation has lost its lease", Remedy::Die, false),
            ("FOREIGN ringpost:1:{b3}:h:room", Remedy::Fail, false),
            ("NOPERM this user has no permissions to run the 'fcall' command", Remedy::Fail, false),
            ("ERR user_function:1: attempt to index a nil value script: ringpost_1_append", Remedy::Fail, true),
        ] {
            let fault = fault(said);
            assert_eq!((fault.remedy(), fault.is_open()), (remedy, is_open), "{said}: {fault:?}");
        }
    }
}
