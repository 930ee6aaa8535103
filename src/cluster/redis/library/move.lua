-- What lies in a topic of Kafka is moved into the streams of its channels. A hash of the bucket has, by partition of the topic, the
-- offset of the last record that was moved, and behind it what the last call has appended of that partition, so that whoever moves
-- the same records again is told where they came to lie: record's offset, creation, offset, time, 24 bytes each. Where the creation
-- is 0 the record was refused, and in place of its offset and its time is why: whoever has moved it may have died before it was with the
-- dead. Under "g" the hash has the generation and the topic that all of it is of.
local move_up, moved

do

local PLACE = 24
-- What refuses a record for good, among what may become of it: too many of its sender, something foreign.
local REFUSES = { [3] = true, [5] = true }

-- What is known of the partitions of a call, by number.
local function read_partitions(bucket, key, life, args)
  local names, partitions = { 'g' }, {}
  for at = 3, #args, 3 do
    local number = struct.unpack('>I4', args[at])
    if not partitions[number] then
      names[#names + 1] = number
      partitions[number] = { offset = -1, before = '', last = -1, places = {} }
    end
  end
  local known = redis.call('HMGET', key, unpack(names))
  if known[1] ~= life then
    redis.call('UNLINK', key)
    return partitions
  end
  for at = 2, #names do
    if known[at] then
      local partition = partitions[names[at]]
      partition.offset = struct.unpack('>I6', known[at])
      partition.before = string.sub(known[at], 7, 6 + math.floor((#known[at] - 6) / PLACE) * PLACE)
    end
  end
  return partitions
end

-- Where a record came to lie that was moved before, as far as that is known.
local function place_before(partition, offset)
  for at = 1, #partition.before, PLACE do
    if struct.unpack('>I6', partition.before, at) == offset then return string.sub(partition.before, at, at + PLACE - 1) end
  end
end

-- What is answered of a record that was moved before.
local function said_before(bucket, place)
  local verdict, created, offset, time = 4, 0, 0, 0
  if place then created, offset, time = struct.unpack('>I6I6I6', place, 7) end
  if place and created == 0 then verdict, offset, time = offset, time, 0 end
  return struct.pack('>Bc8I6I6I6B', verdict, bucket.generation, created, offset, time, 0)
end

local function write_partitions(key, life, partitions)
  local changes = { 'g', life }
  for number, partition in pairs(partitions) do
    local places = partition.places
    -- What lies behind this call's records is asked for by one of the next calls.
    for at = 1, #partition.before, PLACE do
      if struct.unpack('>I6', partition.before, at) > partition.last then
        places[#places + 1] = string.sub(partition.before, at, at + PLACE - 1)
      end
    end
    changes[#changes + 1] = number
    changes[#changes + 1] = struct.pack('>I6', partition.offset) .. table.concat(places)
  end
  redis.call('HSET', key, unpack(changes))
end

-- Counts a message by Kafka to each node that listens. Gives how many they are, and each with the count of the one before it.
local function count_told(bucket, told, count)
  local fields, slots, is_told = {}, {}, {}
  for at = 1, count do
    local heard = told[at] or ''
    for i = 1, #heard do
      local slot = string.byte(heard, i)
      if not is_told[slot] then
        is_told[slot] = true
        slots[#slots + 1], fields[#fields + 1] = slot, 'k' .. slot
      end
    end
  end
  if #slots == 0 then return '\0' end
  local before, changes, answer = redis.call('HMGET', bucket.head, unpack(fields)), bucket.changes, {}
  for at = 1, #slots do
    answer[at] = struct.pack('>BI6', slots[at], tonumber(before[at]) or 0)
    changes[#changes + 1], changes[#changes + 2] = fields[at], bucket.count
  end
  return string.char(#slots) .. table.concat(answer)
end

-- ARGV[2]: the generation into which it is moved, and behind it the topic. ARGV[3…], three each: partition and offset of the record,
-- and options and body as of append. In another generation nothing is changed: what lies before these records has to come there
-- first. Answers nothing behind the stand then; else where the bucket stands with it, and of each record what became of it (as of
-- append, also where it was refused before; 4: it was moved before), generation, creation, offset, time, and which nodes are to be told
-- of it; then how many these nodes are, and of each the count of the last message before this one to it by Kafka.
move_up = function(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  if string.sub(args[2], 1, 8) ~= bucket.generation then return finish(bucket, '') end
  local key, life = bucket.head .. ':t', args[2]
  local partitions = read_partitions(bucket, key, life, args)
  local answers, fresh, froms, told = {}, { '' }, {}, {}
  for at = 3, #args, 3 do
    local number, offset = struct.unpack('>I4I6', args[at])
    local partition = partitions[number]
    partition.last = math.max(partition.last, offset)
    if offset <= partition.offset then
      local place = place_before(partition, offset)
      answers[at / 3] = said_before(bucket, place)
      partition.places[#partition.places + 1] = place
    else
      partition.offset = offset
      fresh[#fresh + 1], fresh[#fresh + 2] = args[at + 1], args[at + 2]
      froms[#froms + 1] = at
    end
  end
  if #froms > 0 then
    local appended = publish_all(bucket, fresh, told)
    local time = struct.pack('>I6', told.now)
    for i = 1, #froms do
      local at, heard = froms[i], told[i] or ''
      local result = string.sub(appended, 21 * i - 20, 21 * i)
      answers[at / 3] = result .. time .. string.char(#heard) .. heard
      local verdict, place = string.byte(result), nil
      if REFUSES[verdict] then
        place = struct.pack('>I6I6', 0, verdict) .. string.sub(result, 16)
      elseif verdict == 0 and struct.unpack('>I6', result, 16) > 0 then
        place = string.sub(result, 10) .. time
      end
      if place then
        local number = struct.unpack('>I4', args[at])
        local places = partitions[number].places
        places[#places + 1] = string.sub(args[at], 5, 10) .. place
      end
    end
  end
  write_partitions(key, life, partitions)
  local slots = count_told(bucket, told, #froms)
  return finish(bucket, stand(bucket) .. table.concat(answers) .. slots)
end

-- ARGV[2]: the topic. Answers the stand, and behind it partition and offset of the last record moved, of each partition of it.
moved = function(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  -- Nothing is known of what was moved where something foreign is in its place, and nothing can be moved there.
  local known, answer = redis.pcall('HGETALL', bucket.head .. ':t'), {}
  if is_foreign(known) then known = {} end
  local is_of_now = false
  for at = 1, #known, 2 do
    if known[at] == 'g' then
      is_of_now = known[at + 1] == bucket.generation .. args[2]
    elseif tonumber(known[at]) and #known[at + 1] >= 6 then
      answer[#answer + 1] = struct.pack('>I4', tonumber(known[at])) .. string.sub(known[at + 1], 1, 6)
    end
  end
  return stand(bucket) .. (is_of_now and table.concat(answer) or '')
end

end
