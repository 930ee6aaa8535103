
-- How long a result is: generation, creation, offset.
local RESULT_BYTES = 20

-- In place of a result that cannot be looked up.
local UNKNOWN = {}

-- What was published with these names before. Results are kept in hashes, each for the time of one window: a name is
-- looked for in that of now and the one before, and so remembered for one window at least, for two at the most.
-- Gives the results by name (UNKNOWN where something foreign is in place of one of the hashes), and per window the hash that new ones go
-- into. What was published into another generation counts as nothing, as all of it does: a name that outlived it in a replica would keep
-- out of the new streams what was acknowledged.
local function remembered(bucket, now, by_window)
  local results, slices = {}, {}
  for window, names in pairs(by_window) do
    local slice = math.floor(now / window)
    local prefix = bucket.head .. ':k' .. window .. ':'
    slices[window] = { key = prefix .. slice, lives_until = (slice + 2) * window }
    for back = 0, 1 do
      local found = redis.pcall('HMGET', prefix .. (slice - back), unpack(names))
      local is_unknown = is_foreign(found)
      for at = 1, #names do
        local name, result = names[at], found[at]
        if is_unknown then
          results[name] = UNKNOWN
        elseif result and not results[name] and (#result ~= RESULT_BYTES or string.sub(result, 1, 8) == bucket.generation) then
          results[name] = result
        end
      end
    end
  end
  return results, slices
end

-- What is to be published together: begun with the time, and then gathered. A plan is what publications of a channel have in common,
-- by their options; a name is a channel and a key, each behind its length.
local gather = {}
-- Publishes what was gathered. Gives of each in turn its verdict and its result, which `append` explains. Who listens is told here,
-- unless the caller tells them: `told` gets by number the offset of each that was published, and of these no result is given where they
-- have no name; a stream says `is_told` then.
local publish_all
-- Publishes all that stands from args[2] on, two each: options and body. Gives what became of each, as `append` answers.
local publish_args
do
  -- Added to the window of a key that says who has sent it, and how many such a sender may have remembered in a window.
  local OF_SENDER, SHARE_MAX = 2147483648, 10000
  -- Where something foreign lies by which a publication is refused, as an answer says it: in place of where the stream stands, of its
  -- list, of the results of keys, of how many a sender has sent.
  local FOREIGN = { meta = 1, list = 2, results = 3, senders = 4 }
  -- Where the length of the channel stands in options.
  local CHANNEL_AT = 29

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

  local function remember(slice)
    -- The expiry is set with the first: a hash as long as what was put into it is new.
    if #slice > 0 and redis.call('HSET', slice.key, unpack(slice)) == redis.call('HLEN', slice.key) then
      redis.call('PEXPIREAT', slice.key, slice.lives_until)
    end
  end

  -- Whether a sender may have one more id remembered, which is counted then; nil where that cannot be told. Counts are kept in hashes as
  -- the results are.
  local function may_send(head, now, window, sender)
    local slice = math.floor(now / window)
    local prefix = head .. ':j' .. window .. ':'
    local before = redis.pcall('HGET', prefix .. (slice - 1), sender)
    local count = redis.pcall('HINCRBY', prefix .. slice, sender, 1)
    if is_foreign(before) or is_foreign(count) then return nil end
    redis.call('PEXPIREAT', prefix .. slice, (slice + 2) * window)
    if count + (tonumber(before) or 0) <= SHARE_MAX then return true end
    redis.call('HINCRBY', prefix .. slice, sender, -1)
    return false
  end

  -- Whether something foreign lies where a stream keeps what it has, and where. Nothing is written over it.
  local function foreign_of(stream, known, meta_key)
    if known and #known < META_BYTES then return FOREIGN.meta end
    -- MGET does not tell what is of another type from what is not there.
    if not known and is_foreign(redis.pcall('GET', meta_key)) then return FOREIGN.meta end
    if is_foreign(redis.pcall('LLEN', stream.list)) then return FOREIGN.list end
  end

  gather.begin = function(now)
    return {
      now = now, by_channel = {}, streams = {}, channels = {}, meta_keys = false, count = 0,
      -- By publication; and by window the names that are to be looked up.
      plans = false, names = false, epochs = false, bodies = false, by_window = false,
    }
  end

  -- What the options of publications say, the epoch of the version only where there is no key.
  gather.plan = function(call, options)
    local size, ttl, meta_ttl, window, high, low, channel = struct.unpack('>I4I6I6I4I4I4Bc0', options)
    local now, by_sender, stream = call.now, window >= OF_SENDER, call.by_channel[channel]
    if by_sender then window = window - OF_SENDER end
    if not stream then
      -- All that is said of it later has its place from the beginning: Lua makes a table larger in steps.
      stream = {
        channel = channel, is_kept = false, list = false, listeners = false, foreign = false, meta = false, items = false,
        life = false, before_offset = false, length = false, after_offset = false, last = false, pushed = {}, is_told = false,
      }
      call.by_channel[channel] = stream
      call.streams[#call.streams + 1], call.channels[#call.channels + 1] = stream, channel
    end
    local is_versioned = high > 0 or low > 0
    stream.is_kept = stream.is_kept or size > 0 or is_versioned
    return {
      stream = stream, size = size, ttl = ttl, meta_ttl = meta_ttl, window = window, by_sender = by_sender, high = high,
      low = low, is_versioned = is_versioned, stamp = struct.pack('>I6I6', now + ttl, now),
      epoch = is_versioned and string.sub(options, CHANNEL_AT + #channel + 2),
    }
  end

  -- The name of a key in a plan's channel.
  gather.name = function(plan, key)
    local channel = plan.stream.channel
    return string.char(#channel) .. channel .. string.char(#key) .. key
  end

  -- The options of a publication as a plan without its key, and the key.
  gather.split = function(options)
    local before_key = CHANNEL_AT + string.byte(options, CHANNEL_AT)
    local from = before_key + 2
    local behind = from + string.byte(options, from - 1)
    return string.sub(options, 1, before_key) .. '\0' .. string.sub(options, behind), string.sub(options, from, behind - 1)
  end

  -- Adds a publication; its name is false without a key, and the epoch is that of its version.
  gather.add = function(call, plan, name, epoch, body)
    local number = call.count + 1
    if number == 1 then call.plans, call.names, call.epochs, call.bodies, call.by_window = {}, {}, {}, {}, {} end
    call.count, call.plans[number], call.names[number], call.bodies[number] = number, plan, name, body
    if plan.is_versioned then call.epochs[number] = epoch end
    if name then
      local of_window = call.by_window[plan.window]
      if of_window then of_window[#of_window + 1] = name else call.by_window[plan.window] = { name } end
    end
  end

  -- All of a call, before anything is looked up. Publications of a channel mostly differ in their keys and bodies only, so that
  -- what stands before the key is read once.
  local function read_call(args)
    local call, read, sub, byte = gather.begin(now_ms()), {}, string.sub, string.byte
    for at = 2, #args, 2 do
      local options = args[at]
      local before_key = CHANNEL_AT + byte(options, CHANNEL_AT)
      local text = sub(options, 1, before_key)
      local plan = read[text]
      if not plan then
        plan = gather.plan(call, options)
        read[text] = plan
      end
      local length = byte(options, before_key + 1)
      local name = length > 0 and plan.window > 0 and sub(options, CHANNEL_AT, before_key + 1 + length)
      gather.add(call, plan, name, plan.is_versioned and sub(options, before_key + 2 + length), args[at + 1])
    end
    return call
  end

  -- Who has sent a message whose key says so.
  local function sender_of(stream, name)
    local from = #stream.channel + 3
    return string.sub(name, from, from + 15)
  end

  -- What stands in each item of a stream before the offset, and in each result.
  local function begin_items(bucket, stream)
    local created = struct.pack('>I6', stream.meta.created)
    stream.life = bucket.generation .. created
    stream.before_offset = struct.pack('>BB', 0, #stream.channel) .. created
  end

  -- Adds an item to those of a group, in pieces. What stands between offset and body is the same for bodies of one length.
  local function add_item(items, stream, offset, now, body)
    if stream.length ~= #body then
      stream.length, stream.after_offset = #body, struct.pack('>I6I4', now, #body) .. stream.channel
    end
    local at = #items
    items[at + 1], items[at + 2], items[at + 3], items[at + 4] = stream.before_offset, offset, stream.after_offset, body
  end

  local function refused_by(bucket, what) return struct.pack('>c8I6I6', bucket.generation, 0, what) end

  -- What is known of the streams of a call, and who listens to their channels.
  gather.look_up = function(bucket, call)
    local head, streams, meta_keys = bucket.head, call.streams, {}
    for at = 1, #streams do meta_keys[at] = head .. ':m:' .. streams[at].channel end
    call.meta_keys = meta_keys
    local known = redis.call('MGET', unpack(meta_keys))
    local listeners = redis.call('HMGET', head .. ':l', unpack(call.channels))
    for at = 1, #streams do
      local stream, heard = streams[at], listeners[at]
      stream.listeners = heard and string.sub(heard, 1, SLOTS_MAX)
      if stream.is_kept then
        stream.list = head .. ':h:' .. stream.channel
        local foreign = foreign_of(stream, known[at], meta_keys[at])
        stream.foreign = foreign and refused_by(bucket, foreign)
      end
      if not stream.foreign then stream.meta = read_meta(bucket, known[at], meta_keys[at]) or false end
    end
  end

  -- Writes what streams of a call have got.
  gather.write = function(bucket, call)
    local streams, now = call.streams, call.now
    for at = 1, #streams do
      local stream = streams[at]
      local last = stream.last
      if last then
        if #stream.pushed > 0 then push(stream.list, stream.meta, stream.pushed, now, last.size, last.ttl) end
        write_meta(bucket, call.meta_keys[at], stream.meta, last.meta_ttl)
      end
    end
  end

  publish_all = function(bucket, call, told)
    bucket.count = bucket.count + 1
    gather.look_up(bucket, call)
    local head, now, pack = bucket.head, call.now, struct.pack
    local plans, names, bodies = call.plans, call.names, call.bodies
    local results, slices = remembered(bucket, now, call.by_window)
    local nowhere, answers, groups = struct.pack('>c8I6I6', bucket.generation, 0, 0), {}, {}
    local plan, stream, meta, items, is_kept, is_versioned, foreign
    for at = 1, #plans do
      local name = names[at]
      if plans[at] ~= plan then
        plan = plans[at]
        stream, is_kept, is_versioned = plan.stream, plan.size > 0, plan.is_versioned
        meta, items = stream.meta, stream.items
        foreign = (is_kept or is_versioned) and stream.foreign
      end
      local before, verdict, result = name and results[name], nil, nowhere
      if foreign then
        verdict, result = '\5', foreign
      elseif before == UNKNOWN or before and #before ~= RESULT_BYTES then
        verdict, result = '\5', refused_by(bucket, FOREIGN.results)
      elseif before then
        verdict, result = '\1', before
      elseif is_versioned and meta and is_passed(meta, plan.high, plan.low, call.epochs[at]) then
        verdict, result = '\2', struct.pack('>c8I6I6', bucket.generation, meta.created, meta.top)
      elseif name and plan.by_sender then
        local may = may_send(head, now, plan.window, sender_of(stream, name))
        if may == nil then
          verdict, result = '\5', refused_by(bucket, FOREIGN.senders)
        elseif not may then
          verdict = '\3'
        end
      end
      if not verdict then
        verdict = '\0'
        local body = bodies[at]
        if told then
          stream.is_told, told[at] = true, 0
        elseif not items and stream.listeners then
          items = group_of(groups, stream.listeners)
          stream.items = items
        end
        if not meta and (is_kept or is_versioned) then
          meta = new_meta(bucket, stream.list)
          stream.meta = meta
        end
        if is_versioned then
          meta.high, meta.low, meta.version_epoch = plan.high, plan.low, call.epochs[at]
          stream.last = stream.last or plan
        end
        if is_kept then
          meta.top = meta.top + 1
          stream.last = plan
          local pushed = stream.pushed
          pushed[#pushed + 1] = plan.stamp .. body
          if told then told[at] = meta.top end
          if name or not told then
            if not stream.life then begin_items(bucket, stream) end
            local offset = pack('>I6', meta.top)
            result = stream.life .. offset
            if items then add_item(items, stream, offset, now, body) end
          end
        elseif items then
          items[#items + 1] = item(0, stream.channel, 0, 0, now, body)
        end
        if name then
          local slice = slices[plan.window]
          local count = #slice
          slice[count + 1], slice[count + 2] = name, result
          results[name] = result
        end
      end
      answers[2 * at - 1], answers[2 * at] = verdict, result
    end
    gather.write(bucket, call)
    for _, slice in pairs(slices) do remember(slice) end
    if not told then send(bucket, sort_out(groups, bucket.nodes)) end
    return answers
  end

  publish_args = function(bucket, args)
    return table.concat(publish_all(bucket, read_call(args)))
  end
end

do

-- ARGV[2…], two each: options and body. Options are: history size, its ttl, that of the stream, window of the key (with its highest
-- bit where the first 16 bytes of the key say who has sent it), version (two halves), channel, key, epoch of the version. Answers
-- 21 bytes each: 0 published, 1 was published with this key, 2 is an old version, 3 its sender has sent too many, 5 something foreign
-- lies where it would be kept or looked up; generation, creation, offset (of 5: what, as FOREIGN numbers it).
local function append(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  return finish(bucket, publish_args(bucket, args))
end

-- ARGV: how many nodes live; a message of items, as it is sent; how many bytes of it each channel has, in their order, 4 bytes each;
-- the channels. Nothing is kept, nothing is counted. Answers 1 where one message to all nodes has reached who listens.
local function tell_listeners(keys, args)
  local nodes, message = tonumber(args[1]), args[2]
  local listeners = redis.call('HMGET', keys[1] .. ':l', unpack(args, 4))
  local first, is_one, are_crowds = listeners[1], true, true
  for at = 1, #listeners do
    is_one = is_one and listeners[at] == first
    are_crowds = are_crowds and listeners[at] and is_crowd(listeners[at], nodes)
  end
  -- As it came: a part of it would be copied, and hashed.
  if are_crowds then
    redis.call('SPUBLISH', keys[1] .. ':all', message)
    return 1
  end
  if is_one then
    local targets = first and targets_of(first, nodes) or {}
    for at = 1, #targets do redis.call('SPUBLISH', keys[1] .. ':' .. targets[at], message) end
    return 0
  end
  local groups, from = {}, 2
  for at = 1, #listeners do
    local length = struct.unpack('>I4', args[3], 4 * at - 3)
    address(groups, listeners[at], string.sub(message, from, from + length - 1))
    from = from + length
  end
  local parts, targets = sort_out(groups, nodes)
  for at = 1, #targets do
    local pieces = parts[targets[at]]
    pieces[1] = '\0'
    redis.call('SPUBLISH', keys[1] .. ':' .. targets[at], table.concat(pieces))
  end
  return 0
end

-- As `tell_listeners`, for nodes of revision 10 and before. ARGV: how many nodes live, channels, and then as many times the items of
-- one of them.
local function fleeting(keys, args)
  local channels, lengths = (#args - 1) / 2, {}
  for at = 1, channels do lengths[at] = struct.pack('>I4', #args[channels + 1 + at]) end
  local message = '\0' .. table.concat(args, '', channels + 2)
  return tell_listeners(keys, { args[1], message, table.concat(lengths), unpack(args, 2, channels + 1) })
end

register('append', append)
register('tell_listeners', tell_listeners, 'allow-oom')
register('fleeting', fleeting, 'allow-oom')

end
