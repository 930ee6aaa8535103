
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

-- When the next of a bucket is due; 0 where nothing is to come. What is no id is due at once, and goes away then.
local function next_due(head)
  local first = redis.call('ZRANGE', head .. ':e', 0, 0)[1]
  return first and (#first < 6 and 1 or struct.unpack('>I6', first)) or 0
end

-- Tells all nodes when the next is due.
local function tell_due(bucket, now)
  bucket.count = bucket.count + 1
  send(bucket, { all = { '', item(17, '', 0, next_due(bucket.head), now, '') } }, { 'all' })
end

-- One that is to come: its options and its body, if it is there and can be read.
local function read_scheduled(head, id)
  local value = redis.call('HGET', head .. ':o', id)
  if not value then return nil end
  local can_be_read, options, at = pcall(struct.unpack, '>I2c0', value)
  if not can_be_read or not pcall(named, options) then return nil end
  return options, string.sub(value, at)
end

-- Takes one out; no foreign key keeps it there.
local function forget_scheduled(head, id, options)
  local bytes = redis.call('HSTRLEN', head .. ':o', id)
  redis.call('HDEL', head .. ':o', id)
  redis.call('ZREM', head .. ':e', id)
  if not options then return end
  is_foreign(redis.pcall('HINCRBY', head .. ':o', '', -bytes))
  local channel, name = named(options)
  is_foreign(redis.pcall('ZREM', head .. ':v:' .. channel, id))
  if name then is_foreign(redis.pcall('HDEL', head .. ':f', name)) end
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
    -- Where it is gone, it holds its key no longer.
    waits = waits and redis.call('HEXISTS', head .. ':o', waits) == 1 and waits
    local published = not waits and remembered(bucket, now, { [window] = { name } })[name]
    if published == UNKNOWN then return redis.error_reply('FOREIGN ' .. head .. ':k' .. window) end
    answer = waits and '\0' .. waits or published and '\1' .. published
  end
  local value = struct.pack('>I2', #options) .. options .. args[4]
  local bytes = tonumber(redis.call('HGET', head .. ':o', '') or 0)
  if not answer and (redis.call('ZCARD', head .. ':e') >= SCHEDULED_MAX or bytes + #value > SCHEDULED_BYTES_MAX) then
    answer = '\2'
  end
  ours('ZCARD', head .. ':v:' .. channel)
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
  if ours('ZSCORE', bucket.head .. ':v:' .. args[2], args[3]) then
    local options = read_scheduled(bucket.head, args[3])
    forget_scheduled(bucket.head, args[3], options)
    redis.call('ZREM', bucket.head .. ':v:' .. args[2], args[3])
    if options then answer = '\1' end
  end
  return finish(bucket, answer)
end

-- ARGV: channel, count, bytes. Answers two each: id and body of those that come next.
local function schedule_list(keys, args)
  local ids = ours('ZRANGE', keys[1] .. ':v:' .. args[1], 0, args[2] - 1)
  local bytes, answer = tonumber(args[3]), {}
  for at = 1, #ids do
    local options, body = read_scheduled(keys[1], ids[at])
    if options then
      bytes = bytes - #options - #body
      if bytes < 0 and #answer > 0 then break end
      answer[#answer + 1], answer[#answer + 2] = ids[at], body
    end
  end
  return answer
end

-- Answers what time it is, and when the next of the bucket is due; 0: nothing is to come.
local function schedule_next(keys)
  return struct.pack('>I6I6', now_ms(), next_due(keys[1]))
end

-- Publishes what is due, in the order of its times, each once whoever calls. All nodes are told when the next is due. Answers how many
-- were published, what time it is, when the next is due, and how many of them were refused, since something foreign lies in their channels.
local function schedule_due(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  local head, now, pairs_due, options = bucket.head, now_ms(), { '' }, {}
  local ids = redis.call('ZRANGEBYSCORE', head .. ':e', '-inf', now, 'LIMIT', 0, DUE_AT_ONCE)
  for at = 1, #ids do
    local body
    options[at], body = read_scheduled(head, ids[at])
    if options[at] then pairs_due[#pairs_due + 1], pairs_due[#pairs_due + 2] = options[at], body end
  end
  local verdicts = #pairs_due > 1 and publish_args(bucket, pairs_due) or ''
  -- Behind what may find something foreign: what has not been published stays.
  local refused = 0
  for at = 1, #ids do forget_scheduled(head, ids[at], options[at]) end
  for at = 1, #verdicts, 21 do
    if string.byte(verdicts, at) == 5 then refused = refused + 1 end
  end
  if #ids > 0 then tell_due(bucket, now) end
  local answer = struct.pack('>I4I6I6I4', #ids, now, next_due(head), refused)
  return finish(bucket, answer)
end
