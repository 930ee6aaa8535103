//! What is kept of users in Redis: how much each has unread, by channel (the badge), what each has muted, and of which channels
//! something was told that may have to be withdrawn.
//!
//! Keys begin with the prefix of the cluster and `:notify:`, and lie in the bucket of the user. Nothing that nodes read is
//! written, and nothing over what somebody else has put there: that is refused, with the key, to its user alone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use redis::{Cmd, FromRedisValue, Value};

use super::gathering::Item;
use crate::cluster::redis::fault::Fault;
use crate::cluster::redis::link::Link;
use crate::config::RedisConfig;
use crate::limits::{NOTIFY_BADGE_CHANNELS_MAX, NOTIFY_BADGE_TTL_MS, NOTIFY_MUTES_MAX};
use crate::model::bucket_of;

/// A script for Redis that changes nothing where something foreign lies in place of what it looks at by `ours` and `number_at`, and
/// answers with the key instead.
macro_rules! guarded {
    ($script:literal) => {
        concat!(
            r"
local function foreign(key) return redis.error_reply('FOREIGN ' .. key) end
local function ours(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err then
    error(string.find(answer.err, 'WRONGTYPE', 1, true) and foreign(key) or answer)
  end
  return answer
end
local function number_of(key, value)
  if not string.find(value, '^%d+$') then error(foreign(key)) end
  return tonumber(value)
end
local function number_at(key, field)
  local value = ours('HGET', key, field)
  return value and number_of(key, value)
end
local is_done, answer = pcall(function()
",
            $script,
            r"
end)
if is_done then return answer end
return redis.error_reply(type(answer) == 'table' and answer.err or tostring(answer))
"
        )
    };
}

/// Sets what is unread in some channels, and says the total, and of each channel whether it is muted and whether something of it
/// was told and not withdrawn. Fields of the badge: `t` the total, `c` and a channel; of mutes: `a` all, `c` and a channel. All is looked
/// at before anything is changed.
const JUDGE: &str = guarded!(
    r"
local badge, mute, told = KEYS[1], KEYS[2], KEYS[3]
local now, ttl, channels_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local function is_muted(field)
  local till = number_at(mute, field)
  return till and (till == 0 or till > now)
end
local is_all_muted, total, channels = is_muted('a'), number_at(badge, 't') or 0, {}
ours('HLEN', told)
for at = 4, #ARGV, 3 do
  local field = 'c' .. ARGV[at]
  channels[#channels + 1] = {
    name = ARGV[at], field = field, unread = tonumber(ARGV[at + 1]), is_told = ARGV[at + 2] == '1',
    before = number_at(badge, field) or 0, is_muted = is_muted(field) or is_all_muted,
  }
end
local answer = {0}
for _, channel in ipairs(channels) do
  if channel.unread == 0 then
    redis.call('HDEL', badge, channel.field)
    total = total - channel.before
  elseif channel.before > 0 or redis.call('HLEN', badge) <= channels_max then
    redis.call('HSET', badge, channel.field, channel.unread)
    total = total + channel.unread - channel.before
  end
  local has_room = redis.call('HLEN', told) < channels_max
  local was_told = redis.call('HEXISTS', told, channel.name) == 1 or not has_room
  if channel.is_told and not channel.is_muted and has_room then
    redis.call('HSET', told, channel.name, '1')
    redis.call('PEXPIRE', told, ttl)
  end
  answer[#answer + 1] = channel.is_muted and 1 or 0
  answer[#answer + 1] = was_told and 1 or 0
end
answer[1] = total
if total > 0 then
  redis.call('HSET', badge, 't', string.format('%.0f', total))
  redis.call('PEXPIRE', badge, ttl)
else
  redis.call('DEL', badge)
end
return answer
"
);

/// Forgets what is unread in a channel and says the total.
const RESET_CHANNEL: &str = guarded!(
    r"
local before = number_at(KEYS[1], 'c' .. ARGV[1]) or 0
local total = (number_at(KEYS[1], 't') or 0) - before
redis.call('HDEL', KEYS[1], 'c' .. ARGV[1])
if total > 0 then
  redis.call('HSET', KEYS[1], 't', string.format('%.0f', total))
else
  redis.call('DEL', KEYS[1])
end
return total
"
);

/// Mutes until a time, 0 for ever; says 0 where there are too many.
const MUTE: &str = guarded!(
    r"
local key, field, now, most = KEYS[1], ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
if ours('HEXISTS', key, field) == 0 and ours('HLEN', key) >= most then
  local mutes, over = ours('HGETALL', key), {}
  for at = 1, #mutes, 2 do
    local till = number_of(key, mutes[at + 1])
    if till ~= 0 and till <= now then over[#over + 1] = mutes[at] end
  end
  for _, one in ipairs(over) do redis.call('HDEL', key, one) end
  if redis.call('HLEN', key) >= most then return 0 end
end
redis.call('HSET', key, field, ARGV[2])
return 1
"
);

/// What may be told to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What is unread in all channels: the number on the user's app. `None` where that is not known.
    pub(super) badge: Option<u64>,
    /// Of each channel, in the order in which they were asked for.
    pub(super) channels: Vec<Judged>,
}

/// What may be told of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// Whether the user has muted it, or all.
    pub(super) is_muted: bool,
    /// Whether something of it was told, or may have been, and not withdrawn.
    pub(super) was_told: bool,
}

impl Verdict {
    /// Of an item of which Redis cannot say: no badge, and all is told.
    pub(super) fn unknown(item: &Item) -> Self {
        Self { badge: None, channels: vec![Judged { is_muted: false, was_told: true }; item.unread.len()] }
    }
}

/// What a user has muted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mute {
    /// Which channel; `None` is all.
    pub channel: Option<String>,
    /// Until when; `None` is for ever.
    pub until_unix_ms: Option<i64>,
}

/// See the module. Clones share a connection.
#[derive(Clone)]
pub struct Standing {
    link: Arc<Link>,
    prefix: Arc<str>,
    buckets: u16,
}

impl Standing {
    /// Prepares the way to Redis; nothing is connected yet.
    ///
    /// # Errors
    /// Files of certificates that cannot be read or are none.
    pub fn new(config: &RedisConfig) -> anyhow::Result<Self> {
        let link = Arc::new(Link::new(config, None)?);
        Ok(Self { link, prefix: Arc::from(config.prefix.as_str()), buckets: config.buckets })
    }

    fn key(&self, kind: &str, user: &str) -> String {
        format!("{}:notify:{{b{}}}:{kind}:{user}", self.prefix, bucket_of(user, self.buckets))
    }

    fn badge_key(&self, user: &str) -> String {
        self.key("badge", user)
    }

    fn mute_key(&self, user: &str) -> String {
        self.key("mute", user)
    }

    /// Takes up what an item says is unread, says what may be told of it, and notes that it is.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) async fn judge(&self, item: &Item, now_unix_ms: i64) -> Result<Verdict, Fault> {
        let keys = ["badge", "mute", "told"].map(|kind| self.key(kind, &item.user));
        let mut command = script(JUDGE, &keys);
        command.arg(now_unix_ms).arg(NOTIFY_BADGE_TTL_MS).arg(NOTIFY_BADGE_CHANNELS_MAX);
        for (channel, unread) in &item.unread {
            command.arg(&**channel).arg(*unread).arg(u8::from(item.tells_of(channel)));
        }
        let answer: Vec<i64> = self.ask(&command).await?;
        let (badge, channels) = answer.split_first().ok_or(Fault::Garbled)?;
        let judged = |channel: &[i64]| Judged { is_muted: channel[0] == 1, was_told: channel[1] == 1 };
        if channels.len() != 2 * item.unread.len() {
            return Err(Fault::Garbled);
        }
        Ok(Verdict { badge: Some((*badge).max(0) as u64), channels: channels.chunks_exact(2).map(judged).collect() })
    }

    /// Nothing of these channels is told any more: it was withdrawn, and the application knows.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) async fn withdrawn(&self, user: &str, channels: &[Arc<str>]) -> Result<(), Fault> {
        let (key, mut command) = (self.key("told", user), redis::cmd("HDEL"));
        command.arg(&key);
        for channel in channels {
            command.arg(&**channel);
        }
        self.ask_of::<i64>(&command, &key).await.map(drop)
    }

    /// What is unread, in all channels and by channel.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn badge(&self, user: &str) -> Result<(u64, BTreeMap<String, u64>), Fault> {
        let key = self.badge_key(user);
        let fields: BTreeMap<String, u64> = self.ask_of(redis::cmd("HGETALL").arg(&key), &key).await?;
        let total = fields.get("t").copied().unwrap_or_default();
        let channel = |(field, unread): (String, u64)| Some((field.strip_prefix('c')?.to_owned(), unread));
        Ok((total, fields.into_iter().filter_map(channel).collect()))
    }

    /// Forgets what is unread, in one channel or in all; says what is left. With all goes what somebody else has put in its place.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn reset_badge(&self, user: &str, channel: Option<&str>) -> Result<u64, Fault> {
        let key = self.badge_key(user);
        match channel {
            Some(channel) => {
                self.ask::<i64>(script(RESET_CHANNEL, &[key]).arg(channel)).await.map(|left| left.max(0) as u64)
            }
            None => self.ask::<i64>(redis::cmd("DEL").arg(key)).await.map(|_| 0),
        }
    }

    /// Mutes a user, or a channel for the user, until a time or for ever. False where too much is muted already.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn mute(&self, user: &str, mute: &Mute, now_unix_ms: i64) -> Result<bool, Fault> {
        let mut command = script(MUTE, &[self.mute_key(user)]);
        command.arg(field(mute.channel.as_deref())).arg(mute.until_unix_ms.unwrap_or_default());
        command.arg(now_unix_ms).arg(NOTIFY_MUTES_MAX);
        self.ask::<i64>(&command).await.map(|taken| taken == 1)
    }

    /// Takes a mute away; false where there was none.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn unmute(&self, user: &str, channel: Option<&str>) -> Result<bool, Fault> {
        let key = self.mute_key(user);
        self.ask_of::<i64>(redis::cmd("HDEL").arg(&key).arg(field(channel)), &key).await.map(|gone| gone == 1)
    }

    /// What a user has muted now, by channel; all first.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn mutes(&self, user: &str, now_unix_ms: i64) -> Result<Vec<Mute>, Fault> {
        let key = self.mute_key(user);
        let fields: BTreeMap<String, i64> = self.ask_of(redis::cmd("HGETALL").arg(&key), &key).await?;
        let in_force = fields.into_iter().filter(|(_, until)| *until == 0 || *until > now_unix_ms);
        let mute = |(field, until): (String, i64)| Mute {
            channel: field.strip_prefix('c').map(str::to_owned),
            until_unix_ms: (until != 0).then_some(until),
        };
        Ok(in_force.map(mute).collect())
    }

    /// Asks for what is at a key, by a command of Redis' own.
    async fn ask_of<T: FromRedisValue>(&self, command: &Cmd, key: &str) -> Result<T, Fault> {
        let foreign = || Fault::Foreign(key.to_owned());
        match self.link.call(command).await {
            Ok(answer) => T::from_redis_value(answer).map_err(|_| foreign()),
            Err(Fault::Other(said)) if said.starts_with("WRONGTYPE") => Err(foreign()),
            Err(fault) => Err(fault),
        }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        let answer: Value = self.link.call(command).await?;
        T::from_redis_value(answer).map_err(|_| Fault::Garbled)
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Standing({})", self.prefix)
    }
}

fn field(channel: Option<&str>) -> String {
    channel.map_or("a".into(), |channel| format!("c{channel}"))
}

fn script(source: &str, keys: &[String]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(source).arg(keys.len());
    for key in keys {
        command.arg(key.as_str());
    }
    command
}
