
-- Who is in channels. Of each channel three hashes: `p` client (16 bytes) → whose it is, 1 where it is announced, and how it is
-- seen; `u` user → clients; `q` whose (7 bytes) → clients, and `g` → the generation in which all this was put. What another
-- generation has left counts as nothing. How a client is seen begins with its user (with four bytes for its length).

-- What comes before who came, or left, in what listeners are told (src/broker/body.rs).
local CAME, LEFT = '\1\1', '\1\2'
-- No generation: nobody was told yet.
local NOWHERE = '\0\0\0\0\0\0\0\0'

-- Whose an entry of presence or a session is.
local function owned(bucket, rest)
  return struct.pack('>BI6', bucket.slot, bucket.incarnation) .. rest
end

local function user_of(entry)
  return (struct.unpack('>I4c0', entry, 9))
end

local function is_announced(entry)
  return string.byte(entry, 8) == 1
end

-- The keys of a channel's hashes.
local function presence_keys(head, channel)
  return head .. ':p:' .. channel, head .. ':u:' .. channel, head .. ':q:' .. channel
end

-- Whether what is there was put in this generation.
local function is_of_now(owners, generation)
  return ours('HGET', owners, 'g') == generation
end

-- Ends the call where something else is in place of one of a channel's hashes.
local function look_at_presence(head, channel)
  local entries, users, owners = presence_keys(head, channel)
  ours('HLEN', entries)
  ours('HLEN', users)
  ours('HLEN', owners)
end

-- The generation of a bucket, for calls that are not numbered.
local function generation_of(head)
  return redis.call('HGET', head, 'g') or NOWHERE
end

local function note_presence(head, channel, entry)
  local _, users, owners = presence_keys(head, channel)
  redis.call('HINCRBY', users, user_of(entry), 1)
  if redis.call('HINCRBY', owners, string.sub(entry, 1, 7), 1) == 1 then
    redis.call('SADD', head .. ':i' .. string.byte(entry), 'p' .. channel)
  end
end

-- Counts one less; whether none is left. What is no number is none.
local function goes_down(counts, name)
  local left = redis.pcall('HINCRBY', counts, name, -1)
  return is_foreign(left) or left <= 0
end

local function forget_presence(head, channel, entry)
  local _, users, owners = presence_keys(head, channel)
  local user, owner = user_of(entry), string.sub(entry, 1, 7)
  if goes_down(users, user) then redis.call('HDEL', users, user) end
  if goes_down(owners, owner) then
    redis.call('HDEL', owners, owner)
    is_foreign(redis.pcall('SREM', head .. ':i' .. string.byte(entry), 'p' .. channel))
    -- But for the generation.
    if redis.call('HLEN', owners) <= 1 then redis.call('UNLINK', owners) end
  end
end

local function live_on(head, channel, ttl)
  local entries, users, owners = presence_keys(head, channel)
  redis.call('PEXPIRE', users, ttl)
  redis.call('PEXPIRE', owners, ttl)
  return redis.call('PEXPIRE', entries, ttl)
end

-- What is told of who comes and goes, gathered over a call.
local function announcements(bucket)
  local known, groups = {}, {}
  local function tell(kind, channel, body)
    local heard = known[channel]
    if heard == nil then
      heard = redis.call('HGET', bucket.head .. ':l', channel)
      known[channel] = heard
    end
    address(groups, heard, item(kind, channel, 0, 0, 0, body))
  end
  local function leave()
    if #groups == 0 then return end
    bucket.count = bucket.count + 1
    send(bucket, sort_out(groups, bucket.nodes))
  end
  return tell, leave
end

-- ARGV[2]: ttl; then four each: channel, client, the generation in which it was listed and told before, and 1 where it is
-- announced with how it is seen. Who is new is told to all; one that is put again since its node was taken for dead, to those
-- who do not have it; one that is put again since writes were lost, or that is seen anew, to nobody.
local function presence_add(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) end
  local head, begun, looked = bucket.head, {}, {}
  for at = 3, #args, 4 do
    if not looked[args[at]] then look_at_presence(head, args[at]) end
    looked[args[at]] = true
  end
  local tell, leave = announcements(bucket)
  for at = 3, #args, 4 do
    local channel, client, told_in, rest = args[at], args[at + 1], args[at + 2], args[at + 3]
    local entries, users, owners = presence_keys(head, channel)
    if not begun[channel] and not is_of_now(owners, bucket.generation) then
      redis.call('UNLINK', entries, users, owners)
      redis.call('HSET', owners, 'g', bucket.generation)
    end
    begun[channel] = true
    local entry, before = owned(bucket, rest), redis.call('HGET', entries, client)
    if before and not pcall(user_of, before) then before = false end
    redis.call('HSET', entries, client, entry)
    local is_counted = before and string.sub(before, 1, 7) == string.sub(entry, 1, 7) and user_of(before) == user_of(entry)
    if not is_counted then
      note_presence(head, channel, entry)
      if before then forget_presence(head, channel, before) end
    end
    if not before and is_announced(entry) and (told_in == NOWHERE or told_in == bucket.generation) then
      tell(told_in == NOWHERE and 0 or 3, channel, CAME .. client .. string.sub(rest, 2))
    end
  end
  for channel in pairs(begun) do live_on(head, channel, args[2]) end
  leave()
  return finish(bucket, '')
end

-- ARGV[2…], four each: as of presence_add. What this node has put goes, as this incarnation or as an earlier one, and is told; so
-- is one that was lost with writes. What a later incarnation has put stays: a client is on one node.
local function presence_remove(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) end
  local head = bucket.head
  for at = 2, #args, 4 do look_at_presence(head, args[at]) end
  local tell, leave = announcements(bucket)
  for at = 2, #args, 4 do
    local channel, client, told_in, rest = args[at], args[at + 1], args[at + 2], args[at + 3]
    local entries, _, owners = presence_keys(head, channel)
    local entry = is_of_now(owners, bucket.generation) and redis.call('HGET', entries, client)
    local goes = entry and pcall(user_of, entry) and struct.unpack('>I6', entry, 2) <= bucket.incarnation
    if goes then
      redis.call('HDEL', entries, client)
      forget_presence(head, channel, entry)
    end
    local was_lost = not entry and told_in ~= NOWHERE and told_in ~= bucket.generation
    if (goes or was_lost) and string.byte(rest) == 1 then tell(0, channel, LEFT .. client .. string.sub(rest, 2)) end
  end
  leave()
  return finish(bucket, '')
end

-- ARGV: ttl, channels. Answers a letter each: 1 lives on, 0 is no more and is to be added anew.
local function presence_renew(keys, args)
  local lives, generation = {}, generation_of(keys[1])
  for at = 2, #args do
    local _, _, owners = presence_keys(keys[1], args[at])
    -- Something foreign is told to whoever adds anew.
    local found = redis.pcall('HGET', owners, 'g')
    lives[at - 1] = not is_foreign(found) and found == generation and live_on(keys[1], args[at], args[1]) or 0
  end
  return table.concat(lives)
end

-- ARGV: channel, cursor, count. Answers the bucket's generation, the next cursor, and clients and entries by turns.
local function presence_page(keys, args)
  local entries, _, owners = presence_keys(keys[1], args[1])
  local generation = generation_of(keys[1])
  if not is_of_now(owners, generation) then return { generation, '0', {} } end
  local page = ours('HSCAN', entries, args[2], 'COUNT', args[3])
  return { generation, page[1], page[2] }
end

-- ARGV: channel. Answers the bucket's generation, how many users there are, and whose clients and their number by turns, and `g`
-- among them.
local function presence_stats(keys, args)
  local _, users, owners = presence_keys(keys[1], args[1])
  local generation = generation_of(keys[1])
  if not is_of_now(owners, generation) then return { generation, 0, {} } end
  return { generation, ours('HLEN', users), redis.call('HGETALL', owners) }
end
