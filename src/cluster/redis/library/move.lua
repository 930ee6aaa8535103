
-- What lies in a topic of Kafka is moved into the streams of its channels. A hash of the bucket has, by partition of the topic, the
-- offset of the last record that was moved, and behind it what the last call has appended of that partition, so that whoever moves
-- the same records again is told where they came to lie: record's offset, creation, offset, time, 24 bytes each. Where the creation
-- is 0 the record was refused, and in place of its offset and its time is why: whoever has moved it may have died before it was with the
-- dead. Under "g" the hash has the generation and the topic that all of it is of.
do

local PLACE = 24
-- What refuses a record for good, among what may become of it: too many of its sender, something foreign.
local REFUSES = { [3] = true, [5] = true }
-- What becomes of a record that was moved before, beside what `append` says.
local MOVED = 4

-- What is known of the partitions of a call, by number. Of each record the index has four things, the second is its partition.
local function read_partitions(key, life, index)
  local names, fields, partitions, last = { 'g' }, {}, {}, nil
  for at = 2, #index, 4 do
    local number = index[at]
    if number ~= last and not partitions[number] then
      local field = text_of(number)
      names[#names + 1], fields[#fields + 1] = field, number
      -- Up to which offset all was moved, before this call (`begun`) and with it; the last that the call has; places of the call before
      -- and of this one, the latter as numbers.
      partitions[number] = { field = field, offset = -1, begun = -1, last = -1, before = '', places = {} }
    end
    last = number
  end
  local known = redis.call('HMGET', key, unpack(names))
  if known[1] ~= life then
    redis.call('UNLINK', key)
    return partitions
  end
  for at = 1, #fields do
    local value = known[at + 1]
    if value then
      local partition = partitions[fields[at]]
      partition.offset = struct.unpack('>I6', value)
      partition.begun, partition.before = partition.offset, value
    end
  end
  return partitions
end

-- Where a record came to lie that was moved before, as far as that is known: creation, offset and time.
local function place_before(partition, offset)
  local before = partition.before
  for at = 7, #before - PLACE + 1, PLACE do
    if struct.unpack('>I6', before, at) == offset then return struct.unpack('>I6I6I6', before, at + 6) end
  end
end

local function add_place(partition, offset, created, place, time)
  local places = partition.places
  local count = #places
  places[count + 1], places[count + 2], places[count + 3], places[count + 4] = offset, created, place, time
end

-- What has refused a record stands in place of its place.
local function add_refusal(partition, offset, verdict, result)
  local _, what = struct.unpack('>I6I6', result, 9)
  add_place(partition, offset, 0, verdict, what)
end

-- What is answered of a record that was moved before: verdict, offset in the stream, result.
local function said_before(bucket, partition, offset)
  local created, place, time = place_before(partition, offset)
  if not created then return MOVED, 0, struct.pack('>I6I6', 0, 0) end
  add_place(partition, offset, created, place, time)
  if created > 0 then return MOVED, place, struct.pack('>I6I6', created, time) end
  return place, 0, struct.pack('>c8I6I6', bucket.generation, 0, time)
end

local function write_partitions(key, life, partitions)
  local changes = { 'g', life }
  for _, partition in pairs(partitions) do
    -- What lies behind this call's records is asked for by one of the next calls.
    if partition.last < partition.begun then
      local before = partition.before
      for at = 7, #before - PLACE + 1, PLACE do
        local offset, created, place, time = struct.unpack('>I6I6I6I6', before, at)
        if offset > partition.last then add_place(partition, offset, created, place, time) end
      end
    end
    local places = partition.places
    changes[#changes + 1] = partition.field
    -- By one call of struct: each string that comes to be is hashed byte for byte.
    changes[#changes + 1] =
      struct.pack('>I6' .. string.rep('I6I6I6I6', #places / 4), partition.offset, unpack(places))
  end
  redis.call('HSET', key, unpack(changes))
end

-- Counts a message by Kafka to each node that listens to what was moved. Gives how many they are, and each with the count of the one
-- before it.
local function count_told(bucket, streams)
  local slots, fields, is_told = {}, {}, {}
  for at = 1, #streams do
    local heard = streams[at].is_told and streams[at].listeners or ''
    for i = 1, #heard do
      local slot = string.byte(heard, i)
      if not is_told[slot] then
        is_told[slot] = true
        slots[#slots + 1], fields[#fields + 1] = slot, field_of('k', slot)
      end
    end
  end
  if #slots == 0 then return '\0' end
  local before
  -- Where none but the caller listens, what was read at the beginning says it.
  if #slots == 1 and slots[1] == bucket.slot then
    before = { bucket.told[5] }
  else
    before = redis.call('HMGET', bucket.head, unpack(fields))
  end
  local changes, count, answer = bucket.changes, text_of(bucket.count), {}
  for at = 1, #slots do
    answer[at] = struct.pack('>BI6', slots[at], tonumber(before[at]) or 0)
    changes[#changes + 1], changes[#changes + 2] = fields[at], count
  end
  return string.char(#slots) .. table.concat(answer)
end

-- Whether none of these has a key or a version: each is published then that is not refused.
local function are_plain(plans)
  for at = 1, #plans do
    if plans[at].window > 0 or plans[at].is_versioned then return false end
  end
  return true
end

-- Moves records. `index` has of each in turn which of the plans is its own, its partition, its offset and its key; bodies stand in
-- `args`, the first behind `before`, `step` apart. Gives of each in turn what became of it, its verdict and its offset in the stream;
-- and by number the results of those that were not published, nothing where all were.
local function bring(bucket, life, call, plans, index, args, before, step)
  local key = bucket.head .. ':t'
  local partitions = read_partitions(key, life, index)
  local is_plain, is_first, now = are_plain(plans), true, call.now
  local came, results, fresh = {}, nil, {}
  local number, partition
  for at = 1, #index / 4 do
    local from = 4 * at
    local offset = index[from - 1]
    if index[from - 2] ~= number then
      number = index[from - 2]
      partition = partitions[number]
    end
    if offset > partition.last then partition.last = offset end
    if offset <= partition.offset then
      local verdict, place, result = said_before(bucket, partition, offset)
      results = results or {}
      came[2 * at - 1], came[2 * at], results[at] = verdict, place, result
    else
      partition.offset = offset
      local plan, body = plans[index[from - 3]], args[before + step * at]
      local stream = plan.stream
      if is_plain and is_first then
        is_first = false
        bucket.count = bucket.count + 1
        gather.look_up(bucket, call)
      end
      if not is_plain then
        local name = plan.window > 0 and #index[from] > 0 and gather.name(plan, index[from])
        gather.add(call, plan, name, plan.epoch, body)
        fresh[call.count], came[2 * at - 1], came[2 * at] = at, 0, 0
      elseif plan.size == 0 then
        stream.is_told = true
        came[2 * at - 1], came[2 * at] = 0, 0
      elseif stream.foreign then
        results = results or {}
        came[2 * at - 1], came[2 * at], results[at] = 5, 0, stream.foreign
        add_refusal(partition, offset, 5, stream.foreign)
      else
        local meta, pushed = stream.meta, stream.pushed
        if not meta then
          meta = new_meta(bucket, stream.list)
          stream.meta = meta
        end
        local place = meta.top + 1
        meta.top, stream.last, stream.is_told = place, plan, true
        pushed[#pushed + 1] = plan.stamp .. body
        came[2 * at - 1], came[2 * at] = 0, place
        add_place(partition, offset, meta.created, place, now)
      end
    end
  end
  if is_plain then
    gather.write(bucket, call)
  elseif call.count > 0 then
    local told = {}
    local answers = publish_all(bucket, call, told)
    for i = 1, call.count do
      local at, verdict, place = fresh[i], string.byte(answers[2 * i - 1]), told[i]
      partition = partitions[index[4 * at - 2]]
      came[2 * at - 1], came[2 * at] = verdict, place or 0
      if not place then
        results = results or {}
        results[at] = answers[2 * i]
        if REFUSES[verdict] then add_refusal(partition, index[4 * at - 1], verdict, answers[2 * i]) end
      elseif place > 0 then
        add_place(partition, index[4 * at - 1], call.plans[i].stream.meta.created, place, now)
      end
    end
  end
  write_partitions(key, life, partitions)
  return came, results
end

-- ARGV[2]: the generation into which it is moved, and behind it the topic. ARGV[3]: how many plans there are; then of each record which
-- of them is its own (from 1), its partition, its offset, and its key behind its length. Then the plans, which are options as of append
-- without a key, and the bodies.
-- In another generation nothing is changed: what lies before these records has to come there first. Answers nothing behind the stand then;
-- else where the bucket stands with it; the time; of each plan the creation of its stream, and behind their number which nodes are to be
-- told of what it has published; of each record what became of it (as of append, also where it was refused before; 4: it was moved
-- before), and its offset in the stream, 0 where it has none; then in turn, of each that was not published, the result as of append, or
-- creation and time where it was moved before, 0 where that is not known; then how many nodes are to be told, and of each the count of the
-- last message before this one to it by Kafka.
local function move(keys, args)
  local bucket, refusal = begin(keys, args, 'moves')
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  if string.sub(args[2], 1, 8) ~= bucket.generation then return finish(bucket, '') end
  local number_of_plans = string.byte(args[3])
  local before = 3 + number_of_plans
  local count = #args - before
  local index = { struct.unpack('>' .. string.rep('BI4I6Bc0', count), args[3], 2) }
  index[4 * count + 1] = nil
  local call, plans, said = gather.begin(now_ms()), {}, {}
  for at = 1, number_of_plans do plans[at] = gather.plan(call, args[3 + at]) end
  local came, results = bring(bucket, args[2], call, plans, index, args, before, 1)
  for at = 1, number_of_plans do
    local stream = plans[at].stream
    local listeners = stream.listeners or ''
    said[at] = struct.pack('>I6B', stream.meta and stream.meta.created or 0, #listeners) .. listeners
  end
  local rest = ''
  if results then
    local texts = {}
    for at = 1, count do texts[#texts + 1] = results[at] end
    rest = table.concat(texts)
  end
  return finish(bucket, stand(bucket) .. struct.pack('>I6', call.now) .. table.concat(said)
    .. struct.pack('>' .. string.rep('BI6', count), unpack(came)) .. rest .. count_told(bucket, call.streams))
end

-- As `move`, for nodes of revision 14 and before. ARGV[3…], three each: partition and offset of the record, and options and body as of
-- append. Answers behind the stand, of each record what became of it, generation, creation, offset, time, and which nodes are to be told of
-- it; then how many these nodes are, and the counts, as there.
local function move_up(keys, args)
  local bucket, refusal = begin(keys, args, 'moves')
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  if string.sub(args[2], 1, 8) ~= bucket.generation then return finish(bucket, '') end
  local call, plans, numbers, index = gather.begin(now_ms()), {}, {}, {}
  for at = 3, #args, 3 do
    local text, key = gather.split(args[at + 1])
    if not numbers[text] then
      numbers[text] = #plans + 1
      plans[#plans + 1] = gather.plan(call, text)
    end
    local partition, offset = struct.unpack('>I4I6', args[at])
    local count = #index
    index[count + 1], index[count + 2], index[count + 3], index[count + 4] = numbers[text], partition, offset, key
  end
  local came, results = bring(bucket, args[2], call, plans, index, args, 2, 3)
  local answers = {}
  for at = 1, #index / 4 do
    local verdict, place, result = came[2 * at - 1], came[2 * at], results and results[at]
    local time, heard, created = call.now, '', 0
    if verdict == MOVED then
      created, time = struct.unpack('>I6I6', result)
      result = nil
    elseif not result then
      local stream = plans[index[4 * at - 3]].stream
      heard = stream.listeners or ''
      if place > 0 then created = stream.meta.created end
    end
    result = result or struct.pack('>c8I6I6', bucket.generation, created, place)
    answers[at] = struct.pack('>B', verdict) .. result .. struct.pack('>I6B', time, #heard) .. heard
  end
  return finish(bucket, stand(bucket) .. table.concat(answers) .. count_told(bucket, call.streams))
end

-- ARGV[2]: the topic. Answers the stand, and behind it partition and offset of the last record moved, of each partition of it.
local function moved(keys, args)
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

register('move', move)
register('move_up', move_up)
register('moved', moved, 'allow-oom')

end
