#!lua name=ringpost_1
-- What nodes ask of a bucket, layout 1. docs/decisions/redis.md has the keys and each Function's contract.
--
-- Every Function has two keys: the bucket's head, from whose name all others are made, and one that is never there. While
-- a slot moves Redis answers TRYAGAIN to a call whose keys are not all on one side, so that no call sees half a bucket.
--
-- Numbers are packed big-endian: I6 is a count or Unix milliseconds. A generation is 8 bytes.

local REVISION = 16
-- How many expired publications one append looks at.
local EXPIRED_AT_ONCE = 64
-- How long a stream lives that nothing was ever published to and of which somebody has read only, milliseconds.
local READ_TTL = 600000
-- Publications that are read at once, before their bytes are counted.
local READ_AT_ONCE = 32
-- Nodes that there may be.
local SLOTS_MAX = 255

-- Names of fields that end with a node's slot, as they were first put together: Lua writes a number by printf.
local field_of
do
  local all = { b = {}, f = {}, k = {}, n = {} }
  field_of = function(letter, slot)
    local names = all[letter]
    local name = names[slot]
    if not name then
      name = letter .. slot
      names[slot] = name
    end
    return name
  end
end

-- A whole number as Redis is given it, which writes those of Lua with all digits that a fraction may have.
local function text_of(number)
  return string.format('%d', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whether this is what Redis says of what is not ours: a key of another type, a number that is none.
local function says_foreign(said)
  return string.find(said, 'WRONGTYPE', 1, true) or string.find(said, 'not an integer', 1, true)
end

-- Whether Redis has answered so. Ends the call where it has anything else to complain of.
local function is_foreign(answer)
  if type(answer) ~= 'table' or not answer.err then return false end
  if not says_foreign(answer.err) then error(answer) end
  return true
end

-- Asks for what is at a key of a channel or a user. Where that is not ours it is named, and the call ends. What changes a key comes
-- after this has looked at it, so that a call that ends so has changed nothing.
local function ours(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if is_foreign(answer) then error(redis.error_reply('FOREIGN ' .. key)) end
  return answer
end

-- A Function that answers with an error of its own where something in Redis cannot be read: a key of another type, a value that is too
-- short, a number that is none. No repetition of the call would do.
local function guarded(callback)
  return function(keys, args)
    local is_done, answer = pcall(callback, keys, args)
    if is_done then return answer end
    -- Redis gives pcall the text of an error, with its code; an error of Lua begins with the place in this file.
    local said = type(answer) == 'table' and answer.err or tostring(answer)
    if says_foreign(said) or string.find(said, '^user_function') then
      return redis.error_reply('FOREIGN something of ' .. keys[1] .. ': ' .. said)
    end
    return redis.error_reply(said)
  end
end

-- Makes a Function, with these flags. Files that are a block register their own: a file has 200 locals at most that others see, and
-- all files are one.
local function register(name, callback, ...)
  redis.register_function({ function_name = 'ringpost_1_' .. name, callback = guarded(callback), flags = { ... } })
end

-- The incarnation and the number of a node's last call, as the head has them; what cannot be read is none.
local function last_call(value)
  if not value or #value < 12 then return 0, 0 end
  local incarnation, number = struct.unpack('>I6I6', value)
  return incarnation, number
end

-- Begins a numbered call. Gives what the bucket's head says, or an error for the caller.
-- ARGV[1]: slot, incarnation, number of the call, highest count seen, generation known, a fresh one, nodes that live,
-- whether the call before this one was answered in the generation known. Who `compares` is given, at 5 to 7, what this node was
-- told last, by its own channel, by that of all, and by Kafka; who `moves` the last of these, at 5.
local function begin(keys, args, wants)
  local slot, incarnation, number, seen, known, fresh, nodes, was_here = struct.unpack('>BI6I6I6c8c8BB', args[1])
  local head = keys[1]
  local read
  local called, fenced = field_of('b', slot), field_of('f', slot)
  if wants == 'compares' then
    read = redis.call('HMGET', head, 'g', 'c', called, fenced, field_of('n', slot), 'nall', field_of('k', slot))
  elseif wants == 'moves' then
    read = redis.call('HMGET', head, 'g', 'c', called, fenced, field_of('k', slot))
  else
    read = redis.call('HMGET', head, 'g', 'c', called, fenced)
  end
  local bucket = {
    head = head, slot = slot, incarnation = incarnation, number = number, nodes = nodes,
    generation = read[1], count = tonumber(read[2]) or 0, changes = {}, told = wants and read, answer = false, sent = false,
    last_number = 0,
  }
  -- What a stranger has put in place of either is as good as lost.
  if read[1] and (#read[1] ~= 8 or read[2] and not tonumber(read[2])) then bucket.generation = false end
  local last, last_number = last_call(read[3])
  if last < incarnation then
    last_number = 0
  end
  bucket.last_number = last_number
  -- Who is behind what its callers have seen has lost writes: nothing that was promised in this generation holds. That is so
  -- whether or not the caller is dead by now.
  local is_unknown = was_here == 1 and last <= incarnation and last_number + 1 < number
  if known == bucket.generation and (bucket.count < seen or is_unknown) then
    bucket.generation = false
  end
  local begins = not bucket.generation
  if begins then
    bucket.generation = fresh
    bucket.count = math.max(bucket.count, seen)
    bucket.changes = { 'g', fresh }
    redis.call('HSET', head, 'g', fresh, 'c', text_of(bucket.count))
  end
  if incarnation <= (tonumber(read[4]) or 0) then
    return nil, redis.error_reply('DEAD this incarnation has lost its lease')
  end
  if last > incarnation then
    return nil, redis.error_reply('DEAD a later incarnation has been here')
  end
  if not begins and last == incarnation and last_number >= number then
    if last_number > number then
      return nil, redis.error_reply('STALE a later call of this node was answered')
    end
    bucket.answer = string.sub(read[3], 13)
  end
  return bucket
end

-- What all answers begin with.
local function stand(bucket)
  return struct.pack('>c8I6', bucket.generation, bucket.count)
end

-- Ends a numbered call that changed something: the count goes on, and the answer is kept for a retry. Gives what
-- the caller is told: where the bucket stands, and the answer.
local function finish(bucket, answer)
  local changes = bucket.changes
  local at = #changes
  changes[at + 1], changes[at + 2] = 'c', text_of(bucket.count)
  changes[at + 3] = field_of('b', bucket.slot)
  changes[at + 4] = struct.pack('>I6I6', bucket.incarnation, bucket.number) .. answer
  redis.call('HSET', bucket.head, unpack(changes))
  return stand(bucket) .. answer
end

-- The items for those who listen, a byte a node. A message is put together once, from all its pieces: Lua takes the hash of each
-- string that comes to be, byte for byte. The first piece is the message's header.
local function group_of(groups, listeners)
  local group = groups[listeners]
  if not group then
    group = { '' }
    groups[listeners], groups[#groups + 1] = group, listeners
  end
  return group
end

-- Puts an item into the group of those who listen to its channel.
local function address(groups, listeners, item)
  if not listeners then return end
  local group = group_of(groups, listeners)
  group[#group + 1] = item
end

-- Whether all nodes that live listen, or most of many: one message to all is cheaper then than one to each.
local function is_crowd(listeners, nodes)
  local count = #listeners
  return count > 1 and (count >= nodes or (count >= 4 and count * 2 > nodes))
end

-- By which of the bucket's channels those who listen are told: each by its own, or all by one.
local function targets_of(listeners, nodes)
  if is_crowd(listeners, nodes) then return { 'all' } end
  return { string.byte(listeners, 1, SLOTS_MAX) }
end

-- What each of the nodes' channels is sent: pieces of the groups that it is in, in order.
local function sort_out(groups, nodes)
  local parts, targets = {}, {}
  for at = 1, #groups do
    local group = groups[groups[at]]
    local heard = targets_of(groups[at], nodes)
    for i = 1, #heard do
      local target = heard[i]
      if parts[target] then
        parts[target] = { '', table.concat(parts[target]), table.concat(group) }
      else
        parts[target] = group
        targets[#targets + 1] = target
      end
    end
  end
  return parts, targets
end

-- Sends counted items: each message says its count and the one before it to the same listener.
local function send(bucket, parts, targets)
  if #targets == 0 then return end
  local fields = {}
  for at = 1, #targets do fields[at] = field_of('n', targets[at]) end
  local before = redis.call('HMGET', bucket.head, unpack(fields))
  local changes, sent = bucket.changes, bucket.sent or {}
  bucket.sent = sent
  for at = 1, #targets do
    local target = targets[at]
    local pieces = parts[target]
    -- What this call itself has sent before is not in the head yet.
    pieces[1] = struct.pack('>Bc8I6I6', 1, bucket.generation, bucket.count, sent[target] or tonumber(before[at]) or 0)
    redis.call('SPUBLISH', bucket.head .. ':' .. target, table.concat(pieces))
    changes[#changes + 1], changes[#changes + 2] = fields[at], text_of(bucket.count)
    sent[target] = bucket.count
  end
end

-- What is sent of a publication, or of who came or left (kind 0), a session that is put (1) or removed (2), who came or left as
-- far as nodes that do not have it know (3), a revocation (4), the removal of a stream's publications up to an offset (5), a
-- session that must make room (6), a question of a node (7) or its answer (8), what the ledger of a channel tells (16), when the
-- next publication is due (17).
local function item(kind, channel, created, offset, time, body)
  return struct.pack('>BBI6I6I6I4', kind, #channel, created, offset, time, #body) .. channel .. body
end
