
-- Publications that are to come. A sorted set of the bucket has their ids, by when they are due; a hash has each as it will be
-- published, under its id, and under the empty name how many bytes they are; a sorted set a channel has the ids of its own; a hash
-- has the ids by idempotency key. An id is: when it is due, the bucket's count when it was asked for, and the beginning of the
-- generation. None of it ends by itself.
local SCHEDULED_MAX, SCHEDULED_BYTES_MAX = 10000, 4194304
-- What is due and published by one call.
local DUE_AT_ONCE = 64

-- The channel of a publication's options, and what its key is known by (false: it has none), with its window.
local function named(options)
  local window, _, _, channel, key, from = struct.unpack('>I4I4I4Bc0Bc0', options, 17)
  if window == 0 or key == '' then return channel, false end
  return channel, string.sub(options, 29, from - 1), window
end

-- When the next of a bucket is due; 0 where nothing is to come.
local function next_due(head)
  local first = redis.call('ZRANGE', head .. ':e', 0, 0)[1]
  return first and struct.unpack('>I6', first) or 0
end

-- Tells all nodes when the next is due.
local function tell_due(bucket, now)
  bucket.count = bucket.count + 1
  send(bucket, { all = { '', item(17, '', 0, next_due(bucket.head), now, '') } }, { 'all' })
end

-- Takes one out: its options and its body, if it is there.
local function take_scheduled(head, id)
  local value = redis.call('HGET', head .. ':o', id)
  if not value then return nil end
  local options, at = struct.unpack('>I2c0', value)
  local channel, name = named(options)
  redis.call('HDEL', head .. ':o', id)
  redis.call('HINCRBY', head .. ':o', '', -#value)
  redis.call('ZREM', head .. ':e', id)
  redis.call('ZREM', head .. ':v:' .. channel, id)
  if name then redis.call('HDEL', head .. ':f', name) end
  return options, string.sub(value, at)
end

-- ARGV[2…]: delay, options as of append, body. Answers what became of it (0: it waits, 1: it was published with this key before, 2: too
-- much waits), and behind it the id, or generation, creation and offset.
local function schedule_add(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  local head, now, options = bucket.head, now_ms(), args[3]
  local channel, name, window = named(options)
  local answer
  if name then
    local waits = redis.call('HGET', head .. ':f', name)
    local published = not waits and remembered(head, now, { [window] = { name } })[name]
    answer = waits and '\0' .. waits or published and '\1' .. published
  end
  local value = struct.pack('>I2', #options) .. options .. args[4]
  local bytes = tonumber(redis.call('HGET', head .. ':o', '') or 0)
  if not answer and (redis.call('ZCARD', head .. ':e') >= SCHEDULED_MAX or bytes + #value > SCHEDULED_BYTES_MAX) then
    answer = '\2'
  end
  if not answer then
    bucket.count = bucket.count + 1
    local due = now + args[2]
    local id, before = struct.pack('>I6I6c4', due, bucket.count, bucket.generation), next_due(head)
    redis.call('HSET', head .. ':o', id, value)
    redis.call('HINCRBY', head .. ':o', '', #value)
    redis.call('ZADD', head .. ':e', due, id)
    redis.call('ZADD', head .. ':v:' .. channel, due, id)
    if name then redis.call('HSET', head .. ':f', name, id) end
    if before == 0 or due < before then tell_due(bucket, now) end
    answer = '\0' .. id
  end
  return finish(bucket, answer)
end

-- ARGV[2…]: channel, id. Answers 1, or 0 where it does not wait there.
local function schedule_cancel(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  local answer = '\0'
  if redis.call('ZSCORE', bucket.head .. ':v:' .. args[2], args[3]) then
    take_scheduled(bucket.head, args[3])
    answer = '\1'
  end
  return finish(bucket, answer)
end

-- ARGV: channel, count, bytes. Answers two each: id and body of those that come next.
local function schedule_list(keys, args)
  local ids = redis.call('ZRANGE', keys[1] .. ':v:' .. args[1], 0, args[2] - 1)
  local bytes, answer = tonumber(args[3]), {}
  for at = 1, #ids do
    local value = redis.call('HGET', keys[1] .. ':o', ids[at])
    bytes = bytes - #value
    if bytes < 0 and at > 1 then break end
    local _, from = struct.unpack('>I2c0', value)
    answer[#answer + 1], answer[#answer + 2] = ids[at], string.sub(value, from)
  end
  return answer
end

-- Answers what time it is, and when the next of the bucket is due; 0: nothing is to come.
local function schedule_next(keys)
  return struct.pack('>I6I6', now_ms(), next_due(keys[1]))
end

-- Publishes what is due, in the order of its times, each once whoever calls. All nodes are told when the next is due. Answers how many
-- were published, what time it is, and when the next is due.
local function schedule_due(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  local head, now, pairs_due = bucket.head, now_ms(), { '' }
  local ids = redis.call('ZRANGEBYSCORE', head .. ':e', '-inf', now, 'LIMIT', 0, DUE_AT_ONCE)
  for at = 1, #ids do
    pairs_due[#pairs_due + 1], pairs_due[#pairs_due + 2] = take_scheduled(head, ids[at])
  end
  if #pairs_due > 1 then publish_all(bucket, pairs_due) end
  if #ids > 0 then tell_due(bucket, now) end
  local answer = struct.pack('>I4I6I6', #ids, now, next_due(head))
  return finish(bucket, answer)
end
