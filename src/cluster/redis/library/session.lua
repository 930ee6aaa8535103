
-- What becomes of a session that asks for its place.
local ADMITTED, REPLACED, OTHER_DEVICE, DEVICE_LIMIT, CONNECTION_LIMIT, REVOKED, SENT_AWAY = 0, 1, 2, 3, 4, 5, 6
-- When a token was issued, where there is no token.
local NO_TOKEN = 4294967295

-- A session's entry: whose it is, since when by the clock of Redis (I6), whether it has a place among the user's devices (1), the
-- device's kind and id (each with a byte for its length), and what the application says. Up to 64 bytes take little memory.
local function read_session(name, entry)
  local since, is_placed, kind, device, at = struct.unpack('>I6BBc0Bc0', entry, 8)
  return {
    name = name, owner = string.sub(entry, 1, 7), since = since, is_placed = is_placed == 1, kind = kind, device = device,
    note = string.sub(entry, at),
  }
end

local function pack_session(session)
  return session.owner .. struct.pack('>I6BB', session.since, session.is_placed and 1 or 0, #session.kind) .. session.kind
    .. struct.pack('B', #session.device) .. session.device .. session.note
end

-- Tells who listens to a user's sessions. They lie beside the listeners of channels, under a name that no channel has.
local function tell(bucket, kind, user, body)
  local name, groups = '\1' .. user, {}
  local heard = redis.call('HGET', bucket.head .. ':l', name)
  if not heard then return end
  bucket.count = bucket.count + 1
  address(groups, heard, item(kind, name, 0, 0, now_ms(), body))
  send(bucket, sort_out(groups, bucket.nodes))
end

local forget_session
do

-- How many sessions of a user are looked at when one of them ends.
local LOOKED_THROUGH_MAX = 64

-- Whether a slot may have sessions of a user. All of few are looked at; where there are many it may.
local function may_have_sessions(key, slot)
  local count = redis.call('HLEN', key)
  if count > LOOKED_THROUGH_MAX then return true end
  local entries = count > 0 and redis.call('HVALS', key) or {}
  for at = 1, #entries do
    if string.byte(entries[at]) == slot then return true end
  end
  return false
end

-- Where the node's list keeps a user of whom it has none, since many others were there, it is looked through when the node is
-- reaped, or the next of the user's sessions there ends.
function forget_session(bucket, user, session, slot)
  local key = bucket.head .. ':s:' .. user
  if redis.call('HDEL', key, session) == 0 then return end
  if not may_have_sessions(key, slot) then is_foreign(redis.pcall('SREM', bucket.head .. ':i' .. slot, 's' .. user)) end
  tell(bucket, 2, user, session)
end

end

-- Whose sessions count: `living` are incarnations, 7 bytes each, and `newest` is the highest that was given when they were
-- looked up. One above it has come since.
local function living_of(living, newest)
  local lives = {}
  for at = 1, #living, 7 do lives[string.sub(living, at, at + 6)] = true end
  return function(owner)
    return lives[owner] or struct.unpack('>I6', owner, 2) > newest
  end
end

-- Of two sessions the one that has begun later; of two that have begun at once always the same.
local function is_later(one, other)
  if one.since ~= other.since then return one.since > other.since end
  return one.name > other.name
end

-- The user's other sessions that count, the longest connected first.
local function seats_of(key, asker, is_living)
  local entries, seats = ours('HGETALL', key), {}
  for at = 1, #entries, 2 do
    local seat = read_session(entries[at], entries[at + 1])
    if seat.name ~= asker.name and is_living(seat.owner) then seats[#seats + 1] = seat end
  end
  table.sort(seats, function(one, other) return is_later(other, one) end)
  return seats
end

-- Which sessions go for one that comes, and why: those of the same device, which has come back, and those beyond the limit of
-- its kind. Or why it is refused; then nobody goes.
local function make_room(seats, asker)
  local leaving, others, is_back = {}, {}, false
  for at = 1, asker.is_placed and #seats or 0 do
    local seat = seats[at]
    if seat.is_placed and seat.device == asker.device then
      -- It has come back already, by a way that was faster.
      if is_later(seat, asker) then return nil, REPLACED end
      is_back = is_back or seat.kind == asker.kind
      leaving[#leaving + 1] = { seat, REPLACED }
    elseif seat.is_placed and seat.kind == asker.kind then
      others[#others + 1] = seat
    end
  end
  -- A device that takes its own place is not another one: nobody goes for it.
  local excess = is_back and 0 or math.max(#others + 1 - asker.device_limit, 0)
  if excess > 0 then
    if asker.oldest_stays then return nil, DEVICE_LIMIT end
    if is_later(others[excess], asker) then return nil, OTHER_DEVICE end
  end
  for at = 1, excess do leaving[#leaving + 1] = { others[at], OTHER_DEVICE } end
  if asker.limit > 0 and #seats - #leaving >= asker.limit then return nil, CONNECTION_LIMIT end
  return leaving
end

-- What was said about sessions like this one before it came: tokens that were called back, and that the user was sent away.
local function judge(bucket, user, asker, now)
  local head = bucket.head
  local away = ours('GET', head .. ':d:' .. user)
  if away then
    local said, code, reason, at = struct.unpack('>I6I2Bc0', away)
    local stays = false
    for from = at, #away, 16 do stays = stays or string.sub(away, from, from + 15) == asker.name end
    if asker.since < said and not stays then
      return SENT_AWAY, struct.pack('>I2', code) .. reason
    end
  end
  if asker.issued == NO_TOKEN then return end
  local subjects = { 'u' .. user }
  if asker.device ~= '' then subjects[2] = 'd' .. struct.pack('>I2', #user) .. user .. asker.device end
  local reaches = redis.call('HMGET', head .. ':r', unpack(subjects))
  for at = 1, #subjects do
    if reaches[at] then
      local ends, issued_before = struct.unpack('>I6I6', reaches[at])
      if ends > now and asker.issued < issued_before then return REVOKED end
    end
  end
end

-- Ends sessions that must make room, and tells their nodes: user, session, why.
local function dismiss(bucket, user, leaving)
  for at = 1, #leaving do
    local seat, why = leaving[at][1], leaving[at][2]
    local slot = string.byte(seat.owner)
    forget_session(bucket, user, seat.name, slot)
    bucket.count = bucket.count + 1
    send(bucket, { [slot] = { '', item(6, '\1' .. user, 0, 0, now_ms(), seat.name .. struct.pack('B', why)) } }, { slot })
  end
end

-- ARGV[2…]: ttl, user, session, terms, incarnations that live. Terms are: since when it has been connected by the clock of Redis (a
-- time to come: from now on, and later than all that count),
-- when its token was issued, limit of the user's sessions (0: none), 1 has a place among the devices, 1 the oldest stay, limit of
-- the kind, highest incarnation that was given, kind and device. Answers what becomes of it, and why it was sent away, or since
-- when it has its place (I6). One that has it keeps it, and since when. The same session of another node becomes this node's.
local function session_put(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  local ttl, user, now = args[2], args[3], now_ms()
  local since, issued, limit, is_placed, oldest_stays, device_limit, newest, kind, device =
    struct.unpack('>I6I4I4BBI4I6Bc0Bc0', args[5])
  local asker = {
    name = args[4], owner = owned(bucket, ''), since = math.min(since, now), issued = issued, limit = limit,
    is_placed = is_placed == 1, oldest_stays = oldest_stays == 1, device_limit = math.max(device_limit, 1),
    kind = kind, device = device, note = '',
  }
  local key, leaving, reason = bucket.head .. ':s:' .. user, {}, nil
  local entry = ours('HGET', key, asker.name)
  local before = entry and read_session(asker.name, entry)
  if before then asker.since, asker.note = before.since, before.note end
  local code
  code, reason = judge(bucket, user, asker, now)
  local has_place = before and before.owner == asker.owner
  if not code and not has_place and (limit > 0 or asker.is_placed) then
    local seats = seats_of(key, asker, living_of(args[6], newest))
    -- Two may come in one millisecond, and the clock of Redis may have been set back.
    if since > now and not before and #seats > 0 then asker.since = math.max(now, seats[#seats].since + 1) end
    leaving, code = make_room(seats, asker)
  end
  local answer = code and struct.pack('B', code) .. (reason or '') or struct.pack('>BI6', ADMITTED, asker.since)
  if not code then
    redis.call('SADD', bucket.head .. ':i' .. bucket.slot, 's' .. user)
    dismiss(bucket, user, leaving)
    entry = pack_session(asker)
    if before and not has_place then forget_session(bucket, user, asker.name, string.byte(before.owner)) end
    redis.call('HSET', key, asker.name, entry)
    redis.call('PEXPIRE', key, ttl)
    tell(bucket, 1, user, asker.name .. entry)
  end
  return finish(bucket, answer)
end

-- ARGV[2…]: user, session. Only what is this incarnation's goes.
local function session_remove(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local entry = ours('HGET', bucket.head .. ':s:' .. args[2], args[3])
  if entry and string.sub(entry, 1, 7) == owned(bucket, '') then
    forget_session(bucket, args[2], args[3], bucket.slot)
  end
  return finish(bucket, '')
end

-- ARGV[2…]: ttl, user, session, note. What the application says of a session that is there, whoever's it is. Answers 1, or 0
-- where it is not there.
local function session_note(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  local key, answer = bucket.head .. ':s:' .. args[3], '\0'
  local entry = ours('HGET', key, args[4])
  if entry then
    local session = read_session(args[4], entry)
    session.note, answer = args[5], '\1'
    entry = pack_session(session)
    redis.call('HSET', key, args[4], entry)
    redis.call('PEXPIRE', key, args[2])
    tell(bucket, 1, args[3], args[4] .. entry)
  end
  return finish(bucket, answer)
end

-- ARGV: ttl, users. Their sessions live on; answers a letter each: 1, or 0 for those that are to be put anew.
local function session_renew(keys, args)
  local lives = {}
  for at = 2, #args do lives[at - 1] = redis.call('PEXPIRE', keys[1] .. ':s:' .. args[at], args[1]) end
  return table.concat(lives)
end

-- ARGV: ttl, user. Answers sessions and their entries by turns; looking is an access.
local function session_read(keys, args)
  local key = keys[1] .. ':s:' .. args[2]
  redis.call('PEXPIRE', key, args[1])
  return ours('HGETALL', key)
end

-- ARGV: users. Answers for each who has its sessions: 7 bytes a session, slot and incarnation. No access.
local function online(keys, args)
  local answer = {}
  for at = 1, #args do
    local entries = ours('HVALS', keys[1] .. ':s:' .. args[at])
    for i = 1, #entries do entries[i] = string.sub(entries[i], 1, 7) end
    answer[at] = table.concat(entries)
  end
  return answer
end

-- ARGV[2…]: user, for how long that is known, code and reason (with two bytes and one), sessions that stay. Sessions that have
-- begun before now and are put later are sent away.
local function send_away(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  redis.call('SET', bucket.head .. ':d:' .. args[2], struct.pack('>I6', now_ms()) .. args[4], 'PX', args[3])
  return finish(bucket, '')
end

-- ARGV[2…]: subject, until when its tokens are refused, and before when they were issued (seconds). One of the same subject is
-- widened. All nodes are told how far it reaches now.
local function revoke(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local key, ends, issued_before = bucket.head .. ':r', tonumber(args[3]), tonumber(args[4])
  local before = redis.call('HGET', key, args[2])
  if before then
    local ended, issued = struct.unpack('>I6I6', before)
    ends, issued_before = math.max(ends, ended), math.max(issued_before, issued)
  end
  local reach = struct.pack('>I6I6', ends, issued_before)
  redis.call('HSET', key, args[2], reach)
  bucket.count = bucket.count + 1
  send(bucket, { all = { '', item(4, '', 0, 0, now_ms(), reach .. args[2]) } }, { 'all' })
  return finish(bucket, '')
end

-- ARGV: cursor, count. Answers the next cursor, and subjects and how far they reach by turns. What is over is taken away.
local function revocations(keys, args)
  local page, now, living = redis.call('HSCAN', keys[1] .. ':r', args[1], 'COUNT', args[2]), now_ms(), {}
  for at = 1, #page[2], 2 do
    local subject, reach = page[2][at], page[2][at + 1]
    -- What is too short is nobody's, and stays.
    if #reach >= 12 then
      if struct.unpack('>I6', reach) > now then
        living[#living + 1], living[#living + 2] = subject, reach
      else
        redis.call('HDEL', keys[1] .. ':r', subject)
      end
    end
  end
  return { page[1], living }
end
