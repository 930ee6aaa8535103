
local function tell(bucket, kind, user, body)
  -- Listeners to a user's sessions lie beside those of channels, under a name that no channel has.
  local name, groups = '\1' .. user, {}
  local heard = redis.call('HGET', bucket.head .. ':l', name)
  if not heard then return end
  bucket.count = bucket.count + 1
  address(groups, heard, item(kind, name, 0, 0, now_ms(), body))
  send(bucket, sort_out(groups, bucket.nodes))
end

local function forget_session(bucket, user, session, slot)
  local key = bucket.head .. ':s:' .. user
  if redis.call('HDEL', key, session) == 0 then return end
  local others = redis.call('HVALS', key)
  local has_more = false
  for at = 1, #others do has_more = has_more or string.byte(others[at]) == slot end
  if not has_more then redis.call('SREM', bucket.head .. ':i' .. slot, 's' .. user) end
  tell(bucket, 2, user, session)
end

-- ARGV[2…]: ttl, user, session, attributes. The same session of another node becomes this node's.
local function session_put(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local ttl, user, session = args[2], args[3], args[4]
  local key = bucket.head .. ':s:' .. user
  redis.call('HSET', key, session, owned(bucket, args[5]))
  redis.call('PEXPIRE', key, ttl)
  redis.call('SADD', bucket.head .. ':i' .. bucket.slot, 's' .. user)
  tell(bucket, 1, user, struct.pack('B', #session) .. session .. owned(bucket, args[5]))
  finish(bucket, '')
  return stand(bucket)
end

-- ARGV[2…]: user, session. Only what is this incarnation's goes.
local function session_remove(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local entry = redis.call('HGET', bucket.head .. ':s:' .. args[2], args[3])
  if entry and string.sub(entry, 1, 7) == owned(bucket, '') then
    forget_session(bucket, args[2], args[3], bucket.slot)
  end
  finish(bucket, '')
  return stand(bucket)
end

-- ARGV: ttl, users. Their sessions live on; answers a letter each: 1, or 0 for those that are to be put anew.
local function session_renew(keys, args)
  local lives = {}
  for at = 2, #args do lives[at - 1] = redis.call('PEXPIRE', keys[1] .. ':s:' .. args[at], args[1]) end
  return table.concat(lives)
end

-- ARGV: ttl, user. Answers sessions and what is kept of them by turns; looking is an access.
local function session_read(keys, args)
  local key = keys[1] .. ':s:' .. args[2]
  redis.call('PEXPIRE', key, args[1])
  return redis.call('HGETALL', key)
end

-- ARGV: users. Answers for each who has its sessions: 7 bytes a session, slot and incarnation. No access.
local function online(keys, args)
  local answer = {}
  for at = 1, #args do
    local entries = redis.call('HVALS', keys[1] .. ':s:' .. args[at])
    for i = 1, #entries do entries[i] = string.sub(entries[i], 1, 7) end
    answer[at] = table.concat(entries)
  end
  return answer
end

-- ARGV[2…]: user, kind, time at which it ends, value. All nodes are told.
local function rule_put(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local user, kind, ends, value = args[2], args[3], tonumber(args[4]), args[5]
  local key, now = bucket.head .. ':r:' .. user, now_ms()
  redis.call('HSET', key, kind, struct.pack('>I6', ends) .. value)
  redis.call('PEXPIREAT', key, math.max(ends, now + redis.call('PTTL', key)))
  bucket.count = bucket.count + 1
  local body = struct.pack('>BI6', #kind, ends) .. kind .. value
  send(bucket, { all = item(4, '\1' .. user, 0, 0, now, body) }, { 'all' })
  finish(bucket, '')
  return stand(bucket)
end

-- ARGV: user. Answers kinds and, with the time at which it ends, values by turns.
local function rule_read(keys, args)
  local rules, now = redis.call('HGETALL', keys[1] .. ':r:' .. args[1]), now_ms()
  local living = {}
  for at = 1, #rules, 2 do
    if struct.unpack('>I6', rules[at + 1]) > now then
      living[#living + 1], living[#living + 2] = rules[at], rules[at + 1]
    end
  end
  return living
end
