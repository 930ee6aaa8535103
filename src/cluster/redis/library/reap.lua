
local function reap_presence(bucket, channel, slot, incarnation, cursor, count)
  local key = presence_keys(bucket.head, channel)
  local page = redis.call('HSCAN', key, cursor, 'COUNT', count)
  local entries, removed, groups = page[2], 0, {}
  local heard = redis.call('HGET', bucket.head .. ':l', channel)
  for at = 1, #entries, 2 do
    local client, entry = entries[at], entries[at + 1]
    local is_entry = pcall(user_of, entry)
    local of_slot, of_incarnation = struct.unpack('>BI6', entry .. string.rep('\0', 7))
    if is_entry and of_slot == slot and of_incarnation <= incarnation then
      redis.call('HDEL', key, client)
      forget_presence(bucket.head, channel, entry)
      if is_announced(entry) then
        address(groups, heard, item(3, channel, 0, 0, 0, LEFT .. client .. string.sub(entry, 9)))
      end
      removed = removed + 1
    end
  end
  if #groups > 0 then
    bucket.count = bucket.count + 1
    send(bucket, sort_out(groups, bucket.nodes))
  end
  return page[1], removed
end

local function reap_sessions(bucket, user, slot, incarnation, cursor, count)
  local key = bucket.head .. ':s:' .. user
  local page = redis.call('HSCAN', key, cursor, 'COUNT', count)
  local entries, removed = page[2], 0
  for at = 1, #entries, 2 do
    local of_slot, of_incarnation = struct.unpack('>BI6', entries[at + 1] .. string.rep('\0', 7))
    if of_slot == slot and of_incarnation <= incarnation then
      redis.call('HDEL', key, entries[at])
      tell(bucket, 2, user, entries[at])
      removed = removed + 1
    end
  end
  return page[1], removed
end

-- ARGV[2…]: slot and incarnation that are dead, how much to look at, and what the last page answered: what it was at ("" to
-- begin, "l" for listeners), its cursor. From the first page on the incarnation is refused here. Answers the stand, how many
-- entries went, and what to go on with: "." where nothing is left.
local function reap(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local slot, incarnation, count, at, cursor = tonumber(args[2]), tonumber(args[3]), args[4], args[5], args[6]
  local head, removed = bucket.head, 0
  -- A slot is given away once all was reaped: who reaps it still was away meanwhile, and would take what is another's.
  if last_call(redis.call('HGET', head, 'b' .. slot)) > incarnation then return { finish(bucket, ''), 0, '.', '0' } end
  local fence = tonumber(redis.call('HGET', head, 'f' .. slot)) or 0
  if fence < incarnation then redis.call('HSET', head, 'f' .. slot, incarnation) end
  if at == '' then at = redis.call('SRANDMEMBER', head .. ':i' .. slot) or 'l' end
  local kind, name = string.sub(at, 1, 1), string.sub(at, 2)
  if (kind == 'p' or kind == 's') and is_foreign(redis.pcall('HLEN', head .. ':' .. kind .. ':' .. name)) then
    -- Whoever has put something else there has taken away what was the node's.
    cursor = '0'
  elseif kind == 'p' then
    cursor, removed = reap_presence(bucket, name, slot, incarnation, cursor, count)
  elseif kind == 's' then
    cursor, removed = reap_sessions(bucket, name, slot, incarnation, cursor, count)
  else
    local page = redis.call('HSCAN', head .. ':l', cursor, 'COUNT', count)
    for i = 1, #page[2], 2 do leave_listeners(head, page[2][i], slot) end
    cursor = page[1]
  end
  if cursor == '0' then
    -- What is looked through is off the list, even where what it names has expired.
    if kind ~= 'l' then redis.call('SREM', head .. ':i' .. slot, at) end
    at = kind == 'l' and '.' or ''
  end
  return { finish(bucket, ''), removed, at, cursor }
end
