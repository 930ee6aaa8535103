#!lua name=ringpost_state_1
-- What the role `state` keeps of users, layout 1. docs/decisions/state.md has the keys and each Function's contract.
--
-- KEYS[1] is the head of a bucket of this role, KEYS[2] that of the same bucket of the nodes. Both are in one slot. The nodes'
-- keys are read, never written.
--
-- Of a user: a hash with `t` (1 online, 0 offline: as it was told last), `s` since when it is so, `l` when the user was seen last,
-- `q` the sequence of what was told last; `+` and a client is a session: its owner (slot.incarnation), since when, its device;
-- `-` and a client is a session that has ended: its owner, when; `?` and a client is a session that the nodes' register did not have:
-- when that was seen first.

local REVISION = 7
-- How long it is remembered that a session has ended, milliseconds: so late may be told that it began.
local ENDED_TTL = 600000
-- And of so many sessions of a user at the most: whoever comes and goes all day costs no more than that.
local ENDED_MAX = 256
-- Transitions that one call gives back; who gets as many asks again.
local PENDING_MAX = 1000
-- One is shorter, bytes: a name has 1,024 at the most, of which JSON may take six for each.
local TRANSITION_BYTES_MAX = 8192
-- Below this JSON has whole numbers as they are.
local WHOLE_MAX = 1e14
local CAUSES = { login = true, logout = true, node_lost = true, rebuilt = true }
-- All that UTF-8 has beside ASCII.
local LETTERS = {
  '^[\194-\223][\128-\191]', '^\224[\160-\191][\128-\191]', '^[\225-\236\238\239][\128-\191][\128-\191]',
  '^\237[\128-\159][\128-\191]', '^\240[\144-\191][\128-\191][\128-\191]',
  '^[\241-\243][\128-\191][\128-\191][\128-\191]', '^\244[\128-\143][\128-\191][\128-\191]',
}

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function owner_of(value)
  return string.match(value, '^%S+')
end

local function is_whole(number)
  return type(number) == 'number' and number >= 0 and number < WHOLE_MAX and number % 1 == 0
end

-- The number that a field has. Ends with an error where it is none that is ours.
local function whole(value)
  assert(#value < 15 and string.find(value, '^%d+$'))
  return tonumber(value)
end

-- The offset that a field has; nothing where it is none.
local function offset_of(value)
  return value and #value < 16 and string.find(value, '^%-?%d+$') and tonumber(value)
end

local function is_text(value)
  local at = string.find(value, '[\128-\255]')
  while at do
    local last
    for index = 1, #LETTERS do
      if not last then last = select(2, string.find(value, LETTERS[index], at)) end
    end
    if not last then return false end
    at = string.find(value, '[\128-\255]', last + 1)
  end
  return true
end

-- What is answered of a key without which nothing can be done. Ends with an error where something of another type lies there.
local function needed(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  error(string.find(answer.err, 'WRONGTYPE', 1, true) and 'FOREIGN ' .. key or answer.err, 0)
end

-- How many sessions there are, in all and of each owner, is counted as they come and go: a user may have thousands.
local function count_session(user, owner, by)
  user.count = user.count + by
  user.count_of[owner] = (user.count_of[owner] or 0) + by
end

-- Ends with an error where something is not the name of a session.
local function assert_client(client)
  assert(#client == 36 and not string.find(client, '[^%x-]'))
end

-- What the entries of a user say. Ends with an error where one is not ours.
local function parse_user(user, entries)
  for at = 1, #entries, 2 do
    local field, value = entries[at], entries[at + 1]
    local mark, client = string.sub(field, 1, 1), string.sub(field, 2)
    if mark == '+' then
      assert_client(client)
      assert(string.find(value, '^%d+%.%d+ %d+ '))
      user.sessions[client] = value
      count_session(user, owner_of(value), 1)
    elseif mark == '-' then
      assert(string.find(value, '^%d+%.%d+ %d+$'))
      user.ended[client] = value
      user.ended_at[client] = whole(string.match(value, '%d+$'))
    elseif mark == '?' then user.missed[client] = whole(value)
    elseif field == 't' then user.told = value
    elseif field == 's' then user.since = whole(value)
    elseif field == 'l' then user.seen = whole(value)
    elseif field == 'q' then user.sequence = whole(value) end
  end
  return user
end

-- One of whom nothing is known.
local function new_user(bucket, name)
  return {
    key = bucket.head .. ':u:' .. name, name = name, sessions = {}, count = 0, count_of = {}, ended = {}, ended_at = {}, missed = {},
    since = 0, seen = 0, sequence = 0,
  }
end

-- Something that is not ours lies here: whoever asks is told the key, once a call.
local function note_foreign(bucket, key)
  if not bucket.is_foreign[key] then bucket.foreign[#bucket.foreign + 1] = key end
  bucket.is_foreign[key] = true
end

-- What was answered of a key. Nothing where something of another type lies there, and the bucket has the key.
local function unless_foreign(bucket, key, answer)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if not string.find(answer.err, 'WRONGTYPE', 1, true) then error(answer.err) end
  note_foreign(bucket, key)
end

-- What is known of a user. Nothing, where something that is not ours is in its place: nothing is written over that, whoever asks passes
-- the user over, and the bucket has the key.
local function read_user(bucket, name)
  local user = new_user(bucket, name)
  local entries = redis.pcall('HGETALL', user.key)
  if not entries.err and pcall(parse_user, user, entries) then return user end
  if not bucket.passes_over or entries.err and not string.find(entries.err, 'WRONGTYPE', 1, true) then
    error(entries.err or 'FOREIGN ' .. user.key, 0)
  end
  note_foreign(bucket, user.key)
end

local function is_online(user)
  return user.count > 0
end

-- Devices that are connected: sessions without a name of a device are one each.
local function devices_of(user)
  local count, known = 0, {}
  for _, value in pairs(user.sessions) do
    local device = string.match(value, '^%S+ %d+ (.*)$')
    if device == '' or not known[device] then count = count + 1 end
    known[device] = true
  end
  return count
end

local function incarnation_of(owner)
  return tonumber(string.match(owner, '%.(%d+)$'))
end

-- Ends with an error where something is in place of what a bucket has for all users of an owner that is not ours. Before a session is
-- put: else it could be nobody's to end.
local function look_at_index(bucket, owner)
  if bucket.is_index[owner] then return end
  needed('SCARD', bucket.head .. ':i:' .. owner)
  bucket.is_index[owner] = true
end

-- Node 0.0 has no lease: it cannot be seen to die.
local function enter_index(bucket, user, owner)
  if owner == '0.0' then return end
  redis.call('SADD', bucket.head .. ':i', owner)
  redis.call('SADD', bucket.head .. ':i:' .. owner, user.name)
end

local function leave_index(bucket, user, owner)
  if (user.count_of[owner] or 0) > 0 then return end
  local key = bucket.head .. ':i:' .. owner
  unless_foreign(bucket, key, redis.pcall('SREM', key, user.name))
end

local function put_session(bucket, user, client, owner, since, device)
  look_at_index(bucket, owner)
  local before = user.sessions[client]
  local value = owner .. ' ' .. string.format('%.0f', since) .. ' ' .. device
  user.sessions[client] = value
  if before then count_session(user, owner_of(before), -1) end
  count_session(user, owner, 1)
  redis.call('HSET', user.key, '+' .. client, value)
  enter_index(bucket, user, owner)
  if before and owner_of(before) ~= owner then leave_index(bucket, user, owner_of(before)) end
end

local function end_session(bucket, user, client, owner)
  local before = user.sessions[client]
  if before then count_session(user, owner_of(before), -1) end
  user.sessions[client] = nil
  local value = owner .. ' ' .. string.format('%.0f', bucket.now)
  user.ended[client], user.ended_at[client] = value, bucket.now
  redis.call('HDEL', user.key, '+' .. client, '?' .. client)
  redis.call('HSET', user.key, '-' .. client, value)
  leave_index(bucket, user, owner)
end

local function forget_ended(user, client)
  user.ended[client], user.ended_at[client] = nil, nil
  redis.call('HDEL', user.key, '-' .. client)
end

-- Forgets what ended long ago, and of too many the one that ended first.
local function prune(bucket, user)
  local count, first, first_at = 0, nil, nil
  for client, at in pairs(user.ended_at) do
    if at + ENDED_TTL < bucket.now then
      forget_ended(user, client)
    else
      count = count + 1
      if not first_at or at < first_at then first, first_at = client, at end
    end
  end
  if count >= ENDED_MAX then forget_ended(user, first) end
end

local function begin(keys, keep)
  return {
    head = keys[1], nodes = keys[2], now = now_ms(), keep = keep, passes_over = true, foreign = {}, is_foreign = {}, is_index = {},
  }
end

-- Before a bucket is changed: where something is in place of what it has for all its users that is not ours, this ends with an error
-- while nothing is written yet. Else it could be noted of a user what nobody is ever told.
local function begin_change(keys, keep)
  local bucket = begin(keys, keep)
  needed('LLEN', bucket.head .. ':o')
  needed('LLEN', bucket.head .. ':f')
  needed('SCARD', bucket.head .. ':i')
  local number = needed('HGET', bucket.head, 'n')
  if number and not pcall(whole, number) then error('FOREIGN ' .. bucket.head, 0) end
  return bucket
end

-- Tells whether a user is online, if that is another than was told last. Of one of whom nothing was told yet it is told that it is
-- offline only where all that is known is to be told.
local function tell(bucket, user, cause, is_all_told)
  local online = is_online(user) and '1' or '0'
  if user.told == online or not user.told and online == '0' and not is_all_told then return end
  user.told = online
  user.sequence = math.max(user.sequence + 1, bucket.now)
  redis.call('HSET', user.key, 't', online, 'q', string.format('%.0f', user.sequence))
  local number = redis.call('HINCRBY', bucket.head, 'n', 1)
  redis.call('RPUSH', bucket.head .. ':o', cjson.encode({
    number = number, user = user.name, online = online == '1', at_unix_ms = user.since, last_seen_unix_ms = user.seen,
    devices = devices_of(user), sequence = user.sequence, cause = cause,
  }))
end

-- After a change: since when it is as it is, when the user was seen, how long it is known.
local function settle_user(bucket, user, was_online, at, seen)
  if is_online(user) ~= was_online or user.since == 0 then user.since = at end
  user.seen = math.max(user.seen, seen)
  redis.call('HSET', user.key, 's', string.format('%.0f', user.since), 'l', string.format('%.0f', user.seen))
  if is_online(user) then redis.call('PERSIST', user.key) else redis.call('PEXPIRE', user.key, bucket.keep) end
end

-- A transition, as it was put among what is to be told. Nothing, where it is none.
local function read_transition(item)
  if #item > TRANSITION_BYTES_MAX then return end
  local can_be_read, of = pcall(cjson.decode, item)
  if not can_be_read or type(of) ~= 'table' then return end
  if type(of.user) ~= 'string' or of.user == '' or not is_text(of.user) or type(of.online) ~= 'boolean' then return end
  if not is_whole(of.number) or of.number == 0 or not is_whole(of.sequence) or not is_whole(of.devices) or of.devices >= 2 ^ 32 then
    return
  end
  if not is_whole(of.at_unix_ms) or not is_whole(of.last_seen_unix_ms) or not CAUSES[of.cause] then return end
  return {
    number = of.number, user = of.user, online = of.online, at_unix_ms = of.at_unix_ms, last_seen_unix_ms = of.last_seen_unix_ms,
    devices = of.devices, sequence = of.sequence, cause = of.cause,
  }
end

-- Takes the first so many of what is to be told away. What is not ours among them is kept aside.
local function take_first(bucket, items, count)
  local key = bucket.head .. ':o'
  for at = 1, count do
    if not read_transition(items[at]) then
      redis.call('RPUSH', bucket.head .. ':f', items[at])
      note_foreign(bucket, key)
    end
  end
  if count > 0 then redis.call('LTRIM', key, count, -1) end
end

local function first_pending(bucket)
  return needed('LRANGE', bucket.head .. ':o', 0, PENDING_MAX - 1)
end

-- What is told and not yet written where all can read it, the oldest first, each written anew, so that whatever reads it can. What is
-- not ours goes aside once nothing of ours is before it.
local function pending_of(bucket)
  local items, told, foreign = first_pending(bucket), {}, 0
  for at = 1, #items do
    local transition = read_transition(items[at])
    if transition then told[#told + 1] = cjson.encode(transition) elseif #told == 0 then foreign = at end
  end
  take_first(bucket, items, foreign)
  return told
end

-- What a call answers of what it has changed, to processes that say that they hear of what was passed over.
local function changed(bucket, next, count)
  return { next, count, pending_of(bucket), bucket.foreign }
end

-- A user is read once in a call, however many of its sessions come and go in it.
local function apply_event(bucket, users, event, partition, is_quiet)
  local user = users[event.user]
  if user == nil then
    user = read_user(bucket, event.user) or false
    users[event.user] = user
  end
  if not user then return end
  prune(bucket, user)
  local was_online, at = is_online(user), math.min(event.at, bucket.now)
  local known = user.sessions[event.client]
  if event.begins then
    local ended = user.ended[event.client]
    local has_ended = ended and incarnation_of(owner_of(ended)) >= incarnation_of(event.owner)
    if not has_ended and not (known and incarnation_of(owner_of(known)) >= incarnation_of(event.owner)) then
      put_session(bucket, user, event.client, event.owner, at, event.device)
    end
  else
    end_session(bucket, user, event.client, known and owner_of(known) or event.owner)
  end
  settle_user(bucket, user, was_online, at, at)
  if is_quiet then
    redis.call('SADD', bucket.head .. ':d:' .. partition, user.name)
  else
    tell(bucket, user, event.begins and 'login' or 'logout')
  end
end

-- ARGV: partition, the highest record that the caller knows to be applied here, 1 if nothing is to be told of it now, how long
-- users who are offline are kept, events, whether users in whose place something lies that is not ours are passed over: processes of the
-- edition before do not say so, and get an error. Answers 0 and nothing where the bucket has lost writes; else 1, how many were applied,
-- what is to be told, and the keys of users who were passed over, where there are some.
local function apply(keys, args)
  local bucket, partition = begin_change(keys, args[4]), args[1]
  bucket.passes_over = args[6] == '1'
  local position = offset_of(needed('HGET', bucket.head .. ':p', partition))
  if not position or position < tonumber(args[2]) then return { 0 } end
  local events, users, applied, last = cjson.decode(args[5]), {}, 0, position
  for at = 1, #events do
    if events[at].begins then look_at_index(bucket, events[at].owner) end
  end
  if args[3] == '1' then needed('SCARD', bucket.head .. ':d:' .. partition) end
  for at = 1, #events do
    local event = events[at]
    if event.offset > last then
      apply_event(bucket, users, event, partition, args[3] == '1')
      applied, last = applied + 1, event.offset
    end
  end
  if last > position then redis.call('HSET', bucket.head .. ':p', partition, string.format('%.0f', last)) end
  local answer = { 1, applied, pending_of(bucket) }
  if bucket.passes_over and #bucket.foreign > 0 then answer[4] = bucket.foreign end
  return answer
end

-- ARGV: a number, whether the caller hears of what was passed over. What was told up to the transition of this number is written where
-- all can read it; whoever was faster has taken it away. Answers what is left.
local function written(keys, args)
  local bucket, number = begin(keys), tonumber(args[1])
  local items = first_pending(bucket)
  for at = 1, #items do
    local transition = read_transition(items[at])
    if transition and transition.number == number then
      take_first(bucket, items, at)
      break
    end
  end
  local told = pending_of(bucket)
  if not args[2] then return told end
  return { told, bucket.foreign }
end

-- ARGV: partitions, and `waiting` where the caller hears whether something is to be told. Answers how far each partition was applied, and
-- the incarnations that have sessions here. What cannot be read is as good as lost.
local function look(keys, args)
  local hears = args[#args] == 'waiting'
  if hears then args[#args] = nil end
  local positions = #args > 0 and needed('HMGET', keys[1] .. ':p', unpack(args)) or {}
  for at = 1, #args do positions[at] = offset_of(positions[at]) and positions[at] or false end
  local owners = {}
  for _, owner in ipairs(needed('SMEMBERS', keys[1] .. ':i')) do
    if #owner < 32 and string.find(owner, '^%d+%.%d+$') then owners[#owners + 1] = owner end
  end
  if not hears then return { positions, owners } end
  return { positions, owners, needed('LLEN', keys[1] .. ':o') }
end

-- ARGV: partition, position, 1 if whatever is there counts for nothing. A bucket that knows nothing of a partition begins there.
local function position(keys, args)
  local key = keys[1] .. ':p'
  if args[3] == '1' or not offset_of(needed('HGET', key, args[1])) then return redis.call('HSET', key, args[1], args[2]) end
  return 0
end

-- ARGV: partition, how many users, how long they are kept, whether the caller hears of users who were passed over: processes of the
-- edition before do not say so. Tells of users whose events were applied quietly. Answers how many are left, how many were looked at,
-- and what is to be told.
local function settle(keys, args)
  local bucket, dirty = begin_change(keys, args[3]), keys[1] .. ':d:' .. args[1]
  local users = needed('SRANDMEMBER', dirty, args[2])
  for at = 1, #users do
    local user = read_user(bucket, users[at])
    if user then tell(bucket, user, 'rebuilt', true) end
    redis.call('SREM', dirty, users[at])
  end
  local left = redis.call('SCARD', dirty)
  if not args[4] then return { left, pending_of(bucket) } end
  return changed(bucket, left, #users)
end

local function uuid_of(bytes)
  local hex = string.gsub(bytes, '.', function(byte) return string.format('%02x', string.byte(byte)) end)
  return string.gsub(hex, '^(' .. string.rep('.', 8) .. ')(....)(....)(....)(.*)$', '%1-%2-%3-%4-%5')
end

local function bytes_of(uuid)
  local hex = string.gsub(uuid, '-', '')
  return (string.gsub(hex, '..', function(byte) return string.char(tonumber(byte, 16)) end))
end

-- Whose a session is by the nodes' own register: an entry begins with slot and incarnation, and since when by the clock of Redis,
-- then whether it has a place among the devices, its kind and its device.
local function registered(entry)
  local slot, incarnation, since, _, _, device = struct.unpack('>BI6I6BBc0Bc0', entry)
  return slot .. '.' .. string.format('%.0f', incarnation), since, device
end

-- What the nodes' register has of a session: its owner, since when, its device. False where it has none; nothing where something lies
-- there that is not the nodes'.
local function look_up(bucket, name, client)
  local key = bucket.nodes .. ':s:' .. name
  local entry = unless_foreign(bucket, key, redis.pcall('HGET', key, bytes_of(client)))
  if not entry then return entry end
  local can_be_read, owner = pcall(registered, entry)
  if can_be_read then return owner end
  note_foreign(bucket, key)
end

local function adopt_user(bucket, name)
  local user = read_user(bucket, name)
  if not user then return 0 end
  local was_online, adopted, newest = is_online(user), 0, 0
  local key = bucket.nodes .. ':s:' .. name
  local entries = unless_foreign(bucket, key, redis.pcall('HGETALL', key)) or {}
  for at = 1, #entries, 2 do
    local can_be_read, owner, since, device = pcall(registered, entries[at + 1])
    if can_be_read and #entries[at] == 16 then
      local client = uuid_of(entries[at])
      local known = user.sessions[client] or user.ended[client]
      if not known or incarnation_of(owner_of(known)) < incarnation_of(owner) then
        put_session(bucket, user, client, owner, since, device)
        adopted, newest = adopted + 1, math.max(newest, since)
      end
    else
      note_foreign(bucket, key)
    end
  end
  if adopted > 0 then
    settle_user(bucket, user, was_online, math.min(newest, bucket.now), math.min(newest, bucket.now))
    tell(bucket, user, 'rebuilt')
  end
  return adopted
end

-- ARGV: a node's slot, a cursor, how much to look at, how long users are kept, whether the caller hears of what was passed over. Takes up
-- sessions that the nodes' register has and of which nothing was heard. Answers the next cursor, how many were taken up, and what is to
-- be told.
local function adopt(keys, args)
  local bucket, adopted = begin_change(keys, args[4]), 0
  local index = bucket.nodes .. ':i' .. args[1]
  local page = unless_foreign(bucket, index, redis.pcall('SSCAN', index, args[2], 'COUNT', args[3])) or { '0', {} }
  for at = 1, #page[2] do
    local kind, name = string.sub(page[2][at], 1, 1), string.sub(page[2][at], 2)
    if kind == 's' then adopted = adopted + adopt_user(bucket, name) end
  end
  if not args[5] then return { page[1], adopted, pending_of(bucket) } end
  return changed(bucket, page[1], adopted)
end

-- Ends a user's sessions on a node that is dead; those that live on under another by the nodes' register are that one's. Whoever has put
-- something else there has taken away what the register had. Answers how many ended.
local function end_sessions(bucket, user, owner, seen)
  local was_online, gone = is_online(user), 0
  for client, value in pairs(user.sessions) do
    if owner_of(value) == owner then
      local now_of = look_up(bucket, user.name, client)
      if now_of and incarnation_of(now_of) > incarnation_of(owner) then
        local since, device = string.match(value, '^%S+ (%d+) (.*)$')
        put_session(bucket, user, client, now_of, tonumber(since), device)
      else
        end_session(bucket, user, client, owner)
        gone = gone + 1
      end
    end
  end
  if gone > 0 then
    settle_user(bucket, user, was_online, bucket.now, seen)
    tell(bucket, user, 'node_lost')
  end
  return gone
end

-- ARGV: an owner that is dead, when it was seen last, how many users to look at, how long they are kept, a cursor. Ends its sessions. A
-- user leaves the owner's index when its sessions there have ended, and not before. One in whose place something lies that is not ours
-- stays there: what it had may be there again. Answers the next cursor, how many sessions ended, and what is to be told. Processes of the
-- edition before have no cursor: they ask until nobody is left there, and are told how many are.
local function end_node(keys, args)
  local bucket, owner, cursor, ended = begin_change(keys, args[4]), args[1], args[5], 0
  local seen, index = math.min(tonumber(args[2]), bucket.now), keys[1] .. ':i:' .. owner
  local page
  if cursor then
    page = unless_foreign(bucket, index, redis.pcall('SSCAN', index, cursor, 'COUNT', args[3]))
    if not page then return changed(bucket, '0', 0) end
  else
    page = { nil, needed('SRANDMEMBER', index, args[3]) }
  end
  for at = 1, #page[2] do
    local user = read_user(bucket, page[2][at])
    if user then ended = ended + end_sessions(bucket, user, owner, seen) end
    if user or not cursor then redis.call('SREM', index, page[2][at]) end
  end
  local left = redis.call('SCARD', index)
  if left == 0 then redis.call('SREM', bucket.head .. ':i', owner) end
  if not cursor then return { left, ended, pending_of(bucket) } end
  return changed(bucket, page[1], ended)
end

-- Compares a user's sessions of one owner with the nodes' register. What is not there is noted; what is still not there after so long
-- has ended, and no record told of it. Where something lies there that is not the nodes', nothing can be compared.
local function check_user(bucket, name, owner, patience)
  local user, gone, missed_since = read_user(bucket, name), 0, 0
  if not user then return 0 end
  local was_online = is_online(user)
  for client, value in pairs(user.sessions) do
    if owner_of(value) == owner then
      local missed, now_of = user.missed[client], look_up(bucket, name, client)
      if now_of then
        if missed then redis.call('HDEL', user.key, '?' .. client) end
      elseif now_of == false and not missed then
        redis.call('HSET', user.key, '?' .. client, string.format('%.0f', bucket.now))
      elseif now_of == false and missed + patience <= bucket.now then
        end_session(bucket, user, client, owner)
        gone, missed_since = gone + 1, math.max(missed_since, missed)
      end
    end
  end
  if gone > 0 then
    settle_user(bucket, user, was_online, missed_since, missed_since)
    tell(bucket, user, 'rebuilt')
  end
  return gone
end

-- ARGV: an owner, a cursor, how much to look at, how long users are kept, how long a session must have been missed, bytes of the
-- longest name that the register knows, whether the caller hears of what was passed over. Answers the next cursor, how many sessions
-- ended, and what is to be told.
local function check(keys, args)
  local bucket, ended = begin_change(keys, args[4]), 0
  local page = needed('SSCAN', bucket.head .. ':i:' .. args[1], args[2], 'COUNT', args[3])
  for at = 1, #page[2] do
    local name = page[2][at]
    if #name <= tonumber(args[6]) then ended = ended + check_user(bucket, name, args[1], tonumber(args[5])) end
  end
  if not args[7] then return { page[1], ended, pending_of(bucket) } end
  return changed(bucket, page[1], ended)
end

-- ARGV: users. Answers of each by turns: 1 online, 0 not, -1 nothing is known, or something is in its place that is not ours; since
-- when; when seen last; devices.
local function read(keys, args)
  local bucket, answer = begin(keys), {}
  for at = 1, #args do
    local user = read_user(bucket, args[at]) or new_user(bucket, args[at])
    local is_known = user.since > 0
    answer[#answer + 1] = not is_known and -1 or is_online(user) and 1 or 0
    answer[#answer + 1] = user.since
    answer[#answer + 1] = user.seen
    answer[#answer + 1] = devices_of(user)
  end
  return answer
end

local function revision()
  return REVISION
end

-- Where something that is not ours is in place of what a bucket needs, the caller is told so: it can only wait.
local function guarded(callback)
  return function(keys, args)
    local is_done, answer = pcall(callback, keys, args)
    if is_done then return answer end
    local said = type(answer) == 'table' and answer.err or tostring(answer)
    if string.find(said, '^FOREIGN ') then return redis.error_reply(said) end
    if string.find(said, 'WRONGTYPE', 1, true) then
      return redis.error_reply('FOREIGN something of ' .. keys[1])
    end
    return redis.error_reply(said)
  end
end

local function register(name, callback, flag)
  redis.register_function({ function_name = 'ringpost_state_1_' .. name, callback = guarded(callback), flags = { flag } })
end
register('apply', apply)
register('written', written, 'allow-oom')
register('look', look, 'no-writes')
register('position', position)
register('settle', settle)
register('adopt', adopt)
register('end_node', end_node)
register('check', check)
register('read', read, 'no-writes')
register('revision', revision, 'no-writes')
