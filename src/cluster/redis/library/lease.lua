
do

-- The nodes: a hash with an entry a slot: incarnation, when its lease ends, until when it is claimed for reaping and by
-- whom, then the node's name (with a byte for its length) and what it says of itself.
local function lease_of(entry)
  local incarnation, ends, claimed, claimer, name = struct.unpack('>I6I6I6BBc0', entry)
  return { incarnation = incarnation, ends = ends, claimed = claimed, claimer = claimer, name = name, rest = string.sub(entry, 20) }
end

local function write_lease(key, slot, lease)
  redis.call('HSET', key, slot, struct.pack('>I6I6I6B', lease.incarnation, lease.ends, lease.claimed, lease.claimer) .. lease.rest)
end

-- The slots and their entries by turns; what a stranger has put beside them is passed over.
local function entries_of(key)
  local found, entries = redis.call('HGETALL', key .. ':n'), {}
  for at = 1, #found, 2 do
    local slot = tonumber(found[at])
    if slot and slot >= 1 and slot <= SLOTS_MAX and pcall(lease_of, found[at + 1]) then
      entries[#entries + 1], entries[#entries + 2] = found[at], found[at + 1]
    end
  end
  return entries
end

local function leases(key, now)
  return { now, entries_of(key) }
end

-- The lease of an incarnation, if it still is one.
local function own_lease(key, slot, incarnation)
  local entry = redis.call('HGET', key .. ':n', slot)
  local can_be_read, lease = pcall(lease_of, entry or '')
  if not can_be_read then return nil end
  if lease.incarnation == tonumber(incarnation) then return lease end
end

-- ARGV: name (with a byte for its length) and what the node says of itself, ttl, buckets. Answers slot, incarnation and all leases.
local function lease_take(keys, args)
  local key, now = keys[1], now_ms()
  local buckets = redis.call('HGET', key, 'buckets')
  local name = struct.unpack('Bc0', args[1])
  local entries, taken = entries_of(key), {}
  if buckets and buckets ~= args[3] and #entries > 0 then
    return redis.error_reply('BUCKETS the nodes that are here have ' .. buckets .. ' buckets')
  end
  for at = 1, #entries, 2 do
    local lease = lease_of(entries[at + 1])
    if lease.name == name and lease.ends > now then
      return redis.error_reply('TAKEN a node of this name is here')
    end
    taken[tonumber(entries[at])] = true
  end
  local slot = 1
  while taken[slot] do slot = slot + 1 end
  if slot > 255 then return redis.error_reply('FULL 255 nodes are here') end
  -- Above all that was given before, even where the last of those were lost.
  local incarnation = math.max((tonumber(redis.call('HGET', key, 'last')) or 0) + 1, now)
  redis.call('HSET', key, 'last', incarnation, 'buckets', args[3])
  write_lease(key .. ':n', slot, { incarnation = incarnation, ends = now + args[2], claimed = 0, claimer = 0, rest = args[1] })
  return { slot, incarnation, leases(key, now) }
end

-- ARGV: slot, incarnation, ttl, what the node says of itself now. An incarnation whose lease has run out stays dead.
local function lease_renew(keys, args)
  local key, now = keys[1], now_ms()
  local lease = own_lease(key, args[1], args[2])
  if not lease or lease.ends <= now then return redis.error_reply('DEAD this incarnation has lost its lease') end
  lease.ends = now + args[3]
  lease.rest = string.char(#lease.name) .. lease.name .. args[4]
  write_lease(key .. ':n', args[1], lease)
  return leases(key, now)
end

-- ARGV: slot, incarnation. It ends now; what the node has left is reaped as a dead one's.
local function lease_end(keys, args)
  local lease = own_lease(keys[1], args[1], args[2])
  if not lease then return 0 end
  lease.ends = 0
  write_lease(keys[1] .. ':n', args[1], lease)
  return 1
end

local function lease_list(keys)
  return leases(keys[1], now_ms())
end

-- ARGV: slot and incarnation that are dead, the slot that reaps, for how long. Answers 1 where it may.
local function lease_claim(keys, args)
  local now = now_ms()
  local lease = own_lease(keys[1], args[1], args[2])
  if not lease or lease.ends > now then return 0 end
  if lease.claimed > now and lease.claimer ~= tonumber(args[3]) then return 0 end
  lease.claimed, lease.claimer = now + args[4], tonumber(args[3])
  write_lease(keys[1] .. ':n', args[1], lease)
  return 1
end

-- ARGV: bucket. Tokens were called back there: counted for all buckets together.
local function revoked_in(keys, args)
  local key = keys[1] .. ':r'
  local count = redis.call('HINCRBY', key, 'n', 1)
  redis.call('HSET', key, args[1], count)
  return count
end

-- ARGV: a count that was answered. Answers the count now, and the buckets in which tokens were called back since; all in which they
-- ever were, where the count has gone back.
local function revoked_since(keys, args)
  local key, since = keys[1] .. ':r', tonumber(args[1])
  local count = tonumber(redis.call('HGET', key, 'n')) or 0
  local answer = { count }
  if count == since then return answer end
  if count < since then since = 0 end
  local entries = redis.call('HGETALL', key)
  for at = 1, #entries, 2 do
    if entries[at] ~= 'n' and (tonumber(entries[at + 1]) or 0) > since then answer[#answer + 1] = entries[at] end
  end
  return answer
end

-- ARGV: slot and incarnation that were reaped everywhere. The slot is free.
local function lease_free(keys, args)
  local lease = own_lease(keys[1], args[1], args[2])
  if not lease or lease.ends > now_ms() then return 0 end
  return redis.call('HDEL', keys[1] .. ':n', args[1])
end

register('revoked_in', revoked_in, 'allow-oom')
register('revoked_since', revoked_since, 'no-writes')
register('lease_take', lease_take, 'allow-oom')
register('lease_renew', lease_renew, 'allow-oom')
register('lease_end', lease_end, 'allow-oom')
register('lease_list', lease_list, 'no-writes')
register('lease_claim', lease_claim, 'allow-oom')
register('lease_free', lease_free, 'allow-oom')

end
