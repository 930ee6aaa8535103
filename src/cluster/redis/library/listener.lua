
-- The offset of the first publication from one on that has not expired. By halves: all of a long list may have expired, and a read takes
-- none of it away.
local function first_living(list, oldest, from, top, now)
  local middle = from
  while from <= top do
    local kept = redis.call('LRANGE', list, middle - oldest, middle - oldest)[1]
    if struct.unpack('>I6', kept) > now then top = middle - 1 else from = middle + 1 end
    middle = math.floor((from + top) / 2)
  end
  return from
end

-- A part of a stream, in order or backwards, from an offset on, while bytes are left. Gives publications, as they lie in the
-- list, and the offset of the first. What has expired is passed over where the list begins.
local function part(list, top, from, count, bytes, is_reverse, now)
  local oldest = top - redis.call('LLEN', list) + 1
  local items, first = {}, 0
  local step = is_reverse and -1 or 1
  from = is_reverse and math.min(from, top) or first_living(list, oldest, math.max(from, oldest), top, now)
  while from >= oldest and from <= top and count > 0 and bytes > 0 do
    local ahead = math.min(READ_AT_ONCE, count) - 1
    local low = is_reverse and math.max(from - ahead, oldest) or from
    local read = redis.call('LRANGE', list, low - oldest, (is_reverse and from or from + ahead) - oldest)
    for at = 1, #read do
      local kept = read[is_reverse and #read + 1 - at or at]
      -- What has expired behind one that has not is given: offsets go by the place. It comes to be where histories are kept for less
      -- time than before.
      if not is_reverse or struct.unpack('>I6', kept) > now then
        if #items > 0 and #kept > bytes then return items, first end
        if #items == 0 then first = from end
        items[#items + 1] = kept
        bytes, count = bytes - #kept, count - 1
      else
        return items, first
      end
      from = from + step
    end
    if #read == 0 then break end
  end
  return items, first
end

-- Where a stream stands, the offset of the first publication that comes with it, and what time it is, where that is of use.
local function place_of(generation, meta, first, now)
  local place = struct.pack('>c8I6I6I6', generation, meta.created, meta.top, first)
  return now and place .. struct.pack('>I6', now) or place
end

-- ARGV[2…], two each: options and channel. Options are: whether it has a stream (2: and somebody there who reads only), the
-- stream's ttl, generation, creation and offset after which to read, and bytes to read at most (0: none). Answers an array: the
-- stand, then two each: place, publications.
local function join(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local answer = { stand(bucket) }
  local now = now_ms()
  for at = 2, #args, 2 do
    local has_stream, ttl, generation, created, offset, bytes = struct.unpack('>BI6c8I6I6I4', args[at])
    local channel = args[at + 1]
    local byte = string.char(bucket.slot)
    local heard = redis.call('HGET', bucket.head .. ':l', channel) or ''
    local meta, items, first = { created = 0, top = 0 }, {}, 0
    if has_stream > 0 then
      local list, key = bucket.head .. ':h:' .. channel, bucket.head .. ':m:' .. channel
      meta = read_meta(bucket, ours('GET', key), key)
      -- Anybody may read of names that nobody ever uses: their epochs hold for a while.
      local lives = has_stream == 2 and (not meta or meta.top == 0) and math.min(ttl, READ_TTL) or ttl
      if not meta or bytes > 0 then ours('LLEN', list) end
      if not meta then
        bucket.count = bucket.count + 1
        meta = new_meta(bucket, list)
        write_meta(bucket, key, meta, lives)
      elseif lives < ttl then
        redis.call('PEXPIRE', key, lives, 'GT')
      else
        write_meta(bucket, key, meta, ttl)
      end
      if bytes > 0 and generation == bucket.generation and created == meta.created then
        items, first = part(list, meta.top, offset + 1, math.huge, bytes, false, now)
      end
    end
    if not string.find(heard, byte, 1, true) then redis.call('HSET', bucket.head .. ':l', channel, heard .. byte) end
    answer[#answer + 1], answer[#answer + 2] = place_of(bucket.generation, meta, first, now), items
  end
  answer[1] = finish(bucket, '')
  return answer
end

local function leave_listeners(head, channel, slot)
  local heard = redis.call('HGET', head .. ':l', channel)
  if not heard then return end
  local left = string.gsub(heard, '.', function(byte) if string.byte(byte) == slot then return '' end end)
  if left == '' then
    redis.call('HDEL', head .. ':l', channel)
  elseif left ~= heard then
    redis.call('HSET', head .. ':l', channel, left)
  end
end

-- ARGV[2…]: channels.
local function leave(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  for at = 2, #args do leave_listeners(bucket.head, args[at], bucket.slot) end
  return finish(bucket, '')
end

-- ARGV: channel, from, count, bytes, backwards (1). Answers place and publications; a creation of 0 says that there is no stream.
local function read(keys, args)
  local head, channel = keys[1], args[1]
  local generation, now = redis.call('HGET', head, 'g') or string.rep('\0', 8), now_ms()
  local key = head .. ':m:' .. channel
  local meta = read_meta({ generation = generation }, ours('GET', key), key)
  if not meta then return { place_of(generation, { created = 0, top = 0 }, 0, now), {} } end
  local from, count, bytes = tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  ours('LLEN', head .. ':h:' .. channel)
  local items, first = part(head .. ':h:' .. channel, meta.top, from, count, bytes, args[5] == '1', now)
  return { place_of(generation, meta, first, now), items }
end

-- ARGV: ttl of the streams, channels. Answers a place each, and lets the streams live on.
local function position(keys, args)
  local generation = redis.call('HGET', keys[1], 'g') or string.rep('\0', 8)
  local places = {}
  for at = 2, #args do
    local key = keys[1] .. ':m:' .. args[at]
    local meta = read_meta({ generation = generation }, ours('GET', key), key)
    if meta then redis.call('PEXPIRE', key, args[1]) end
    places[at - 1] = place_of(generation, meta or { created = 0, top = 0 }, 0)
  end
  return table.concat(places)
end

-- ARGV[2]: channel. Its publications go, and whatever else is in their place; its offsets go on; who listens is told up to which offset
-- they went, and so is who asked, behind the stand.
local function remove(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  -- Not again: what was published since stays.
  if bucket.answer then return stand(bucket) .. bucket.answer end
  local head, channel = bucket.head, args[2]
  local key = head .. ':m:' .. channel
  local meta = read_meta(bucket, ours('GET', key), key)
  redis.call('UNLINK', head .. ':h:' .. channel)
  local heard = meta and redis.call('HGET', head .. ':l', channel)
  if heard then
    bucket.count = bucket.count + 1
    local groups = {}
    address(groups, heard, item(5, channel, meta.created, meta.top, now_ms(), ''))
    send(bucket, sort_out(groups, bucket.nodes))
  end
  local answer = struct.pack('>I6', meta and meta.top or 0)
  return finish(bucket, answer)
end

-- ARGV[2]: a generation that was seen to have lost writes, or none. Answers the stand, the counts of the last messages to this
-- node and to all, that of the last one to it by Kafka if the caller knows of these, the number of the last call of this node that was
-- done, and the fresh generation of the question, so that no other question's answer is taken for this one's.
local function compare(keys, args, knows_kafka)
  local bucket, refusal = begin(keys, args, 'compares')
  if not bucket then return refusal end
  if args[2] == bucket.generation then
    bucket.generation = string.sub(args[1], 28, 35)
    redis.call('HSET', bucket.head, 'g', bucket.generation)
  end
  local sent = struct.pack('>I6I6', tonumber(bucket.told[5]) or 0, tonumber(bucket.told[6]) or 0)
  if knows_kafka then sent = sent .. struct.pack('>I6', tonumber(bucket.told[7]) or 0) end
  return stand(bucket) .. sent .. struct.pack('>I6', bucket.last_number) .. string.sub(args[1], 28, 35)
end

-- As `compare`, of all ways on which this node is told.
local function compare_ways(keys, args)
  return compare(keys, args, true)
end

-- KEYS: two of each bucket. ARGV: the header of a call of each. Answers for each what `compare_ways` does; nothing for one that
-- refuses it, which is to be asked alone.
local function compare_many(keys, args)
  local answers = {}
  for at = 1, #args do
    local is_done, answer = pcall(compare, { keys[2 * at - 1] }, { args[at] }, true)
    answers[at] = is_done and type(answer) == 'string' and answer or ''
  end
  return answers
end

-- KEYS: two of the first bucket. ARGV, two each: the first key of a bucket, and the header of a call of it. As `compare_many`, where
-- each bucket has a slot of its own in a Cluster; nothing for one that this server does not have, or has no longer.
local function compare_slots(keys, args)
  local answers = {}
  for at = 1, #args, 2 do
    local is_here, answer = pcall(compare, { args[at] }, { args[at + 1] }, true)
    answers[#answers + 1] = is_here and type(answer) == 'string' and answer or ''
  end
  return answers
end

-- Writes something that says nothing: a replica that has it has all that was written before.
local function touch(keys)
  redis.call('HSET', keys[1], 'w', '')
  return 0
end
