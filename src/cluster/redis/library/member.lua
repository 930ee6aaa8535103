
-- ARGV[2…]: how many members there may be, ttl of the stream, channel, users: each behind a byte, 1 to receive the stream from its
-- beginning. Answers how many of them belong to the channel now: the first that is not among them is one too many.
local function ledger_add(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local ledger = open_ledger(bucket, args[4])
  begin_stream(bucket, ledger, args[3])
  local before, done = members_of(ledger), 0
  local left = tonumber(args[2]) - before
  for at = 5, #args do
    local user = string.sub(args[at], 2)
    if redis.call('HEXISTS', ledger.key, user) == 0 then
      if left <= 0 then break end
      left = left - 1
      new_member(ledger, user, string.byte(args[at]) == 1 and 0 or ledger.top)
    end
    done = done + 1
  end
  tell_members(bucket, ledger, before)
  finish_ledgers(bucket, '')
  return stand(bucket) .. struct.pack('>I4', done)
end

-- Nothing is kept of a ledger without members.
local function end_ledger(bucket, ledger)
  redis.call('UNLINK', ledger.key, ledger.names)
  ledger.is_changed = true
  if ledger.founder == '' then return end
  if redis.call('HINCRBY', bucket.head .. ':c', ledger.founder, -1) <= 0 then
    redis.call('HDEL', bucket.head .. ':c', ledger.founder)
  end
  ledger.founder = ''
end

-- ARGV[2…]: channel, users.
local function ledger_remove(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local ledger = open_ledger(bucket, args[2])
  local before = members_of(ledger)
  for at = 3, #args do
    local user = args[at]
    local value = redis.call('HGET', ledger.key, user)
    if value then
      local row = read_row(ledger, value)
      for i = 1, #row.devices do forget_requeued(bucket, ledger.channel, ledger, user, row.devices[i].id) end
      redis.call('HDEL', ledger.key, user)
      redis.call('ZREM', ledger.names, user)
      tell_news(bucket, ledger, listeners_of(bucket, ledger), NEWS.gone, user)
    end
  end
  tell_members(bucket, ledger, before)
  if before > 0 and members_of(ledger) == 0 then end_ledger(bucket, ledger) end
  return finish_ledgers(bucket, '')
end

-- A ledger to look at, and where its stream stands.
local function look_at_ledger(keys, channel)
  local bucket = { head = keys[1], generation = redis.call('HGET', keys[1], 'g') or string.rep('\0', 8) }
  local ledger = open_ledger(bucket, channel)
  return ledger, struct.pack('>c8I6I6I4', ledger.generation, ledger.created, ledger.top, members_of(ledger)), bucket
end

-- Whom the devices of a member are attached to at which nobody looks, 7 bytes each.
local function owners_in_background(row)
  local owners = {}
  for at = 1, #row.devices do
    local device = row.devices[at]
    if device.marks >= IS_BACKGROUND then owners[#owners + 1] = device.owners end
  end
  return table.concat(owners)
end

-- ARGV: channel, the name after which to begin, count. Answers where the stream stands with how many members there are, then two
-- each: name; what the member has received, read and noticed, and whom devices are attached to at which nobody looks.
local function ledger_members(keys, args)
  local ledger, place = look_at_ledger(keys, args[1])
  local from = args[2] == '' and '-' or '(' .. args[2]
  local names = redis.call('ZRANGEBYLEX', ledger.names, from, '+', 'LIMIT', 0, args[3])
  local answer = { place }
  if #names == 0 then return answer end
  local rows = redis.call('HMGET', ledger.key, unpack(names))
  for at = 1, #names do
    local row = read_row(ledger, rows[at])
    answer[#answer + 1], answer[#answer + 2] = names[at],
      struct.pack('>I6I6I6', row.received, row.read, row.noticed) .. owners_in_background(row)
  end
  return answer
end

-- ARGV: channel, user. Answers where the stream stands with how many members there are, and the member's row, as it is kept where all
-- was noticed.
local function ledger_member(keys, args)
  local ledger, place = look_at_ledger(keys, args[1])
  local value = redis.call('HGET', ledger.key, args[2])
  if not value then return { place, '' } end
  local row = read_row(ledger, value)
  row.noticed = row.received
  return { place, pack_row(ledger, row) }
end
