
-- Added to the window of a key that says who has sent it, and how many such a sender may have remembered in a window.
local OF_SENDER, SHARE_MAX = 2147483648, 10000

-- A channel's stream. What a generation that was lost has left of it counts as nothing.
local function read_meta(bucket, value)
  if not value then return nil end
  local generation, created, top, first_expires, list_expires, high, low, at =
    struct.unpack('>c8I6I6I6I6I4I4', value)
  if generation ~= bucket.generation then return nil end
  return {
    created = created, top = top, first_expires = first_expires, list_expires = list_expires,
    high = high, low = low, version_epoch = string.sub(value, at),
  }
end

local function new_meta(bucket, list)
  redis.call('UNLINK', list)
  return { created = bucket.count, top = 0, first_expires = 0, list_expires = 0, high = 0, low = 0, version_epoch = '' }
end

local function write_meta(bucket, key, meta, ttl)
  local value = struct.pack('>c8I6I6I6I6I4I4', bucket.generation, meta.created, meta.top, meta.first_expires,
    meta.list_expires, meta.high, meta.low) .. meta.version_epoch
  redis.call('SET', key, value, 'PX', ttl)
end

-- Takes away what has expired at the beginning of a list; `length` is what it has.
local function trim_expired(list, meta, now, length)
  if length == 0 or meta.first_expires > now then return end
  local first = redis.call('LRANGE', list, 0, EXPIRED_AT_ONCE - 1)
  local gone = 0
  meta.first_expires = 0
  for at = 1, #first do
    local expires = struct.unpack('>I6', first[at])
    if expires > now then
      meta.first_expires = expires
      break
    end
    gone = at
  end
  if gone > 0 then redis.call('LTRIM', list, gone, -1) end
end

local function is_passed(meta, high, low, epoch)
  return (epoch == '' or epoch == meta.version_epoch)
    and (high < meta.high or (high == meta.high and low <= meta.low))
end

-- Pushes what an append has for a channel, and lets go what it keeps no longer.
local function push(list, meta, pushed, now, size, ttl)
  local length = redis.call('RPUSH', list, unpack(pushed))
  if length == #pushed then
    meta.first_expires, meta.list_expires = now + ttl, 0
  end
  -- In steps: a trim costs as much as a push.
  if length > size + math.min(math.floor(size / 8), 64) then
    redis.call('LTRIM', list, -size, -1)
    length = size
  end
  trim_expired(list, meta, now, length)
  if now + ttl > meta.list_expires then
    meta.list_expires = now + ttl + math.max(math.floor(ttl / 4), 1000)
    redis.call('PEXPIREAT', list, meta.list_expires)
  end
end

-- What was published with these names before. Results are kept in hashes, each for the time of one window: a name is
-- looked for in that of now and the one before, and so remembered for one window at least, for two at the most.
-- Gives the results by name, and per window the hash that new ones go into.
local function remembered(head, now, by_window)
  local results, slices = {}, {}
  for window, names in pairs(by_window) do
    local slice = math.floor(now / window)
    local prefix = head .. ':k' .. window .. ':'
    slices[window] = { key = prefix .. slice, lives_until = (slice + 2) * window }
    for back = 0, 1 do
      local found = redis.call('HMGET', prefix .. (slice - back), unpack(names))
      for at = 1, #names do results[names[at]] = results[names[at]] or found[at] end
    end
  end
  return results, slices
end

local function remember(slice)
  -- The expiry is set with the first: a hash as long as what was put into it is new.
  if #slice > 0 and redis.call('HSET', slice.key, unpack(slice)) == redis.call('HLEN', slice.key) then
    redis.call('PEXPIREAT', slice.key, slice.lives_until)
  end
end

-- Whether a sender may have one more id remembered; it is counted. Counts are kept in hashes as the results are.
local function may_send(head, now, window, sender)
  local slice = math.floor(now / window)
  local prefix = head .. ':j' .. window .. ':'
  local before = redis.call('HGET', prefix .. (slice - 1), sender)
  local count = redis.call('HINCRBY', prefix .. slice, sender, 1)
  redis.call('PEXPIREAT', prefix .. slice, (slice + 2) * window)
  if count + tonumber(before or 0) <= SHARE_MAX then return true end
  redis.call('HINCRBY', prefix .. slice, sender, -1)
  return false
end

-- Publishes all that stands from args[2] on, two each: options and body. Gives what became of each. Who listens is told here, unless
-- the caller tells them: it gets the time, and by number which nodes listen to what was published.
local function publish_all(bucket, args, told)
  bucket.count = bucket.count + 1
  local head, now = bucket.head, now_ms()
  local entries, channels, meta_keys, place, by_window, is_keyed = {}, {}, {}, {}, {}, false
  for at = 2, #args, 2 do
    local options = args[at]
    local size, ttl, meta_ttl, window, high, low, channel, key, from = struct.unpack('>I4I6I6I4I4I4Bc0Bc0', options)
    local where = place[channel]
    if not where then
      where = #channels + 1
      channels[where], meta_keys[where], place[channel] = channel, head .. ':m:' .. channel, where
    end
    local name, sender = false, false
    if window >= OF_SENDER then window, sender = window - OF_SENDER, string.sub(key, 1, 16) end
    if window > 0 and key ~= '' then
      name = string.sub(options, 29, from - 1)
      local names = by_window[window]
      if names then names[#names + 1] = name else by_window[window] = { name } end
      is_keyed = true
    end
    entries[at / 2] = { where, size, ttl, meta_ttl, window, high, low, name, from, sender }
  end
  local known = redis.call('MGET', unpack(meta_keys))
  local listeners = redis.call('HMGET', head .. ':l', unpack(channels))
  local results, slices
  if is_keyed then results, slices = remembered(head, now, by_window) end
  local metas, pushed, last, answers, groups = {}, {}, {}, {}, {}
  for at = 1, #entries do
    local entry = entries[at]
    local where, size, high, low, name = entry[1], entry[2], entry[6], entry[7], entry[8]
    local is_versioned = high > 0 or low > 0
    local meta = metas[where]
    if meta == nil then
      meta = read_meta(bucket, known[where])
      metas[where] = meta or false
    end
    local version_epoch = is_versioned and string.sub(args[2 * at], entry[9])
    if name and results[name] then
      answers[at] = '\1' .. results[name]
    elseif is_versioned and meta and is_passed(meta, high, low, version_epoch) then
      answers[at] = struct.pack('>Bc8I6I6', 2, bucket.generation, meta.created, meta.top)
    elseif entry[10] and not may_send(head, now, entry[5], entry[10]) then
      answers[at] = struct.pack('>Bc8I6I6', 3, bucket.generation, 0, 0)
    else
      local channel, body, created, offset = channels[where], args[2 * at + 1], 0, 0
      if size > 0 or is_versioned then
        if not meta then
          meta = new_meta(bucket, head .. ':h:' .. channel)
          metas[where] = meta
        end
        if size > 0 or not last[where] then last[where] = entry end
        if is_versioned then meta.high, meta.low, meta.version_epoch = high, low, version_epoch end
        if size > 0 then
          meta.top = meta.top + 1
          created, offset = meta.created, meta.top
          local list = pushed[where]
          if not list then
            list = {}
            pushed[where] = list
          end
          list[#list + 1] = struct.pack('>I6I6', now + entry[3], now) .. body
        end
      end
      local result = struct.pack('>c8I6I6', bucket.generation, created, offset)
      answers[at] = '\0' .. result
      if name then
        local slice = slices[entry[5]]
        slice[#slice + 1], slice[#slice + 2] = name, result
        results[name] = result
      end
      if told then
        told[at] = listeners[where]
      else
        address(groups, listeners[where], item(0, channel, created, offset, now, body))
      end
    end
  end
  for where, entry in pairs(last) do
    local meta = metas[where]
    if pushed[where] then push(head .. ':h:' .. channels[where], meta, pushed[where], now, entry[2], entry[3]) end
    write_meta(bucket, meta_keys[where], meta, entry[4])
  end
  if is_keyed then for _, slice in pairs(slices) do remember(slice) end end
  if told then told.now = now else send(bucket, sort_out(groups, bucket.nodes)) end
  return table.concat(answers)
end

-- ARGV[2…], two each: options and body. Options are: history size, its ttl, that of the stream, window of the key (with its highest
-- bit where the first 16 bytes of the key say who has sent it), version (two halves), channel, key, epoch of the version. Answers
-- 21 bytes each: 0 published, 1 was published with this key, 2 is an old version, 3 its sender has sent too many; generation,
-- creation, offset.
local function append(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  local answer = publish_all(bucket, args)
  return finish(bucket, answer)
end

-- ARGV: how many nodes live, channels, and then as many times the items of one of them, as they are sent. Nothing is kept,
-- nothing is counted.
local function fleeting(keys, args)
  local channels = (#args - 1) / 2
  local listeners = redis.call('HMGET', keys[1] .. ':l', unpack(args, 2, channels + 1))
  local first, is_one = listeners[1], true
  for at = 2, channels do
    if listeners[at] ~= first then
      is_one = false
      break
    end
  end
  local groups = {}
  if is_one then
    if not first then return 0 end
    groups[1], groups[first] = first, { table.concat(args, '', channels + 2) }
  else
    for at = 1, channels do address(groups, listeners[at], args[channels + 1 + at]) end
  end
  local parts, targets = sort_out(groups, tonumber(args[1]))
  for at = 1, #targets do
    redis.call('SPUBLISH', keys[1] .. ':' .. targets[at], '\0' .. parts[targets[at]])
  end
  return #targets
end
