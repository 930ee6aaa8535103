
-- Whose an entry of presence or a session is.
local function owned(bucket, rest)
  return struct.pack('>BI6', bucket.slot, bucket.incarnation) .. rest
end

local function user_of(entry)
  return (struct.unpack('Bc0', entry, 8))
end

local function forget_presence(head, channel, client, entry)
  local slot, user = string.byte(entry), user_of(entry)
  redis.call('HDEL', head .. ':p:' .. channel, client)
  if redis.call('HINCRBY', head .. ':u:' .. channel, user, -1) <= 0 then redis.call('HDEL', head .. ':u:' .. channel, user) end
  if redis.call('HINCRBY', head .. ':q:' .. channel, slot, -1) <= 0 then
    redis.call('HDEL', head .. ':q:' .. channel, slot)
    redis.call('SREM', head .. ':i' .. slot, 'p' .. channel)
  end
end

local function live_on(head, channel, ttl)
  redis.call('PEXPIRE', head .. ':u:' .. channel, ttl)
  redis.call('PEXPIRE', head .. ':q:' .. channel, ttl)
  return redis.call('PEXPIRE', head .. ':p:' .. channel, ttl)
end

-- ARGV[2]: ttl; then three each: channel, client, and the user (with a byte for its length) and what is told of it.
local function presence_add(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local head = bucket.head
  for at = 3, #args, 3 do
    local channel, client, rest = args[at], args[at + 1], args[at + 2]
    local key, entry = head .. ':p:' .. channel, owned(bucket, rest)
    local before = redis.call('HGET', key, client)
    if before and (string.byte(before) ~= bucket.slot or user_of(before) ~= user_of(entry)) then
      forget_presence(head, channel, client, before)
      before = false
    end
    redis.call('HSET', key, client, entry)
    if not before then
      redis.call('HINCRBY', head .. ':u:' .. channel, user_of(entry), 1)
      if redis.call('HINCRBY', head .. ':q:' .. channel, bucket.slot, 1) == 1 then
        redis.call('SADD', head .. ':i' .. bucket.slot, 'p' .. channel)
      end
    end
    live_on(head, channel, args[2])
  end
  finish(bucket, '')
  return stand(bucket)
end

-- ARGV[2…], two each: channel and client. Only what is this incarnation's goes.
local function presence_remove(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  for at = 2, #args, 2 do
    local entry = redis.call('HGET', bucket.head .. ':p:' .. args[at], args[at + 1])
    if entry and string.sub(entry, 1, 7) == owned(bucket, '') then
      forget_presence(bucket.head, args[at], args[at + 1], entry)
    end
  end
  finish(bucket, '')
  return stand(bucket)
end

-- ARGV: ttl, channels. Answers a letter each: 1 lives on, 0 is no more and is to be added anew.
local function presence_renew(keys, args)
  local lives = {}
  for at = 2, #args do lives[at - 1] = live_on(keys[1], args[at], args[1]) end
  return table.concat(lives)
end

-- ARGV: channel, cursor, count. Answers the next cursor, and clients and entries by turns.
local function presence_page(keys, args)
  return redis.call('HSCAN', keys[1] .. ':p:' .. args[1], args[2], 'COUNT', args[3])
end

-- ARGV: channel. Answers how many users there are, and slots and their clients by turns.
local function presence_stats(keys, args)
  return { redis.call('HLEN', keys[1] .. ':u:' .. args[1]), redis.call('HGETALL', keys[1] .. ':q:' .. args[1]) }
end
