
-- The ledger of a channel of at least once: who must receive what is published there, and how far each is. A hash has a row a
-- member, and one under the empty name: how often the stream has begun anew, which life of it the offsets are of, who was the
-- first member by an own subscription. Beside it lie the members' names in order. Rows of an earlier life are read as what they
-- have become: nothing of the new one was received.

-- A device's marks, which are added: it has missed something, and has received nothing since; nobody looks at it.
local HAS_LOST, IS_BACKGROUND = 1, 2
-- Added to the life of a row that says how much of what was received was noticed: less than all.
local SAYS_NOTICED = 2147483648
-- In a channel of up to so many members all nodes hear of all positions.
local SMALL_ROOM = 100
-- Nodes that a device is attached to, 7 bytes each: of more than 8 the first counts no longer.
local OWNERS_BYTES = 56
-- What the ledger tells.
local NEWS = { moved = 0, floor = 1, gone = 2, requeued = 3, purged = 4, members = 5, counted = 6 }

-- The offsets are of the stream that is there, or of none.
local function agree(bucket, ledger)
  local generation, created = string.rep('\0', 8), 0
  if ledger.meta then generation, created = bucket.generation, ledger.meta.created end
  if generation == ledger.generation and created == ledger.created then return end
  if ledger.created > 0 then ledger.life = ledger.life + 1 end
  ledger.generation, ledger.created, ledger.is_changed = generation, created, true
  ledger.top = ledger.meta and ledger.meta.top or 0
end

-- Nothing is written before all ledgers of a call were opened: something foreign in place of one ends the call.
local function open_ledger(bucket, channel)
  local opened = bucket.ledgers or {}
  bucket.ledgers = opened
  if opened[channel] then return opened[channel] end
  local ledger = {
    channel = channel, key = bucket.head .. ':x:' .. channel, names = bucket.head .. ':y:' .. channel,
    life = 0, generation = string.rep('\0', 8), created = 0, founder = '',
  }
  local about = ours('HGET', ledger.key, '')
  if about then
    local at
    ledger.life, ledger.generation, ledger.created, at = struct.unpack('>I4c8I6', about)
    ledger.founder = string.sub(about, at)
  end
  ledger.is_changed = not about
  ours('ZCARD', ledger.names)
  local meta_key = bucket.head .. ':m:' .. channel
  ledger.meta = read_meta(bucket, ours('GET', meta_key), meta_key)
  ledger.top = ledger.meta and ledger.meta.top or 0
  agree(bucket, ledger)
  opened[channel] = ledger
  return ledger
end

-- The stream begins where there is none, and lives on.
local function begin_stream(bucket, ledger, ttl)
  if not ledger.meta then
    bucket.count = bucket.count + 1
    ledger.meta = new_meta(bucket, bucket.head .. ':h:' .. ledger.channel)
    agree(bucket, ledger)
  end
  write_meta(bucket, bucket.head .. ':m:' .. ledger.channel, ledger.meta, ttl)
end

local function members_of(ledger)
  return math.max(redis.call('HLEN', ledger.key) - 1, 0)
end

-- A member's row: the life that it is of, the furthest that any device has received, what was read, one more than the lowest floor
-- of a device that was forgotten (0: none was), the furthest of what was received that was noticed where that is less, and the
-- devices: id, floor, when it was last here (seconds), attempts of the first after the floor that have failed, marks, and whom it is
-- attached to.
local function read_row(ledger, value)
  local life, received, read, forgotten, at = struct.unpack('>I4I6I6I6', value)
  local noticed = received
  if life >= SAYS_NOTICED then
    life = life - SAYS_NOTICED
    noticed, at = struct.unpack('>I6', value, at)
  end
  local is_old = life ~= ledger.life
  if is_old then received, read, noticed, forgotten = 0, 0, 0, math.min(forgotten, 1) end
  local row = { received = received, read = read, noticed = noticed, forgotten = forgotten, devices = {} }
  while at <= #value do
    local id, floor, seen, failed, marks, owners
    id, floor, seen, failed, marks, owners, at = struct.unpack('>Bc0I6I4I2BBc0', value, at)
    if is_old then floor, failed, marks = 0, 0, HAS_LOST end
    row.devices[#row.devices + 1] = { id = id, floor = floor, seen = seen, failed = failed, marks = marks, owners = owners }
  end
  return row
end

local function pack_row(ledger, row)
  local life, noticed = ledger.life, ''
  if row.noticed < row.received then life, noticed = life + SAYS_NOTICED, struct.pack('>I6', row.noticed) end
  local parts = { struct.pack('>I4I6I6I6', life, row.received, row.read, row.forgotten) .. noticed }
  for at = 1, #row.devices do
    local device = row.devices[at]
    parts[at + 1] = struct.pack('B', #device.id) .. device.id
      .. struct.pack('>I6I4I2BB', device.floor, device.seen, device.failed, device.marks, #device.owners) .. device.owners
  end
  return table.concat(parts)
end

local function keep_row(ledger, user, row)
  if ledger.is_changed then
    local about = struct.pack('>I4c8I6', ledger.life, ledger.generation, ledger.created) .. ledger.founder
    redis.call('HSET', ledger.key, '', about)
    ledger.is_changed = false
  end
  redis.call('HSET', ledger.key, user, pack_row(ledger, row))
end

local function device_of(row, id)
  for at = 1, #row.devices do
    if row.devices[at].id == id then return row.devices[at], at end
  end
end

-- A user who is none becomes a member, with a row that is kept when something is put into it, or at once.
local function new_member(ledger, user, since)
  redis.call('ZADD', ledger.names, 0, user)
  local row = { received = since, read = since, noticed = since, forgotten = 0, devices = {} }
  keep_row(ledger, user, row)
  return row
end

-- The nodes that listen to the channel, a byte each.
local function listeners_of(bucket, ledger)
  if ledger.listeners == nil then
    ledger.listeners = redis.call('HGET', bucket.head .. ':l', ledger.channel) or ''
  end
  return ledger.listeners
end

-- The nodes that count who has received and read what their devices have sent, a byte each.
local function watchers_of(bucket, ledger)
  if ledger.watchers == nil then
    local entries, now, slots = redis.call('HGETALL', bucket.head .. ':t:' .. ledger.channel), now_ms(), {}
    for at = 1, #entries, 2 do
      if struct.unpack('>I6', entries[at + 1]) > now then slots[#slots + 1] = string.char(tonumber(entries[at])) end
    end
    ledger.watchers = table.concat(slots)
  end
  return ledger.watchers
end

-- The nodes that devices are attached to, a byte each, but one.
local function owners_of(devices, but)
  local slots = ''
  for at = 1, #devices do
    local owners = devices[at].owners
    for from = 1, #owners, 7 do
      local slot = string.sub(owners, from, from)
      if string.byte(slot) ~= but and not string.find(slots, slot, 1, true) then slots = slots .. slot end
    end
  end
  return slots
end

local function tell_news(bucket, ledger, slots, kind, body)
  if slots == '' then return end
  bucket.news = bucket.news or {}
  local news = struct.pack('B', kind) .. body
  address(bucket.news, slots, item(16, ledger.channel, ledger.created, 0, 0, news))
end

-- What a small room hears changes with the number of its members.
local function tell_members(bucket, ledger, before)
  local after = members_of(ledger)
  if (before <= SMALL_ROOM) ~= (after <= SMALL_ROOM) then
    tell_news(bucket, ledger, listeners_of(bucket, ledger), NEWS.members, struct.pack('>I4', after))
  end
end

-- Ends a call of ledgers, as `finish`: what is to be told is.
local function finish_ledgers(bucket, answer)
  if bucket.news then
    bucket.count = bucket.count + 1
    send(bucket, sort_out(bucket.news, bucket.nodes))
  end
  return finish(bucket, answer)
end
