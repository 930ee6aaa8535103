
-- What becomes of a device that subscribes.
local ATTACH = { done = 0, no_member = 1, many_devices = 2, many_members = 3, many_founded = 4 }

-- Whether a device is attached to a node that lives.
local function is_attached(device, is_living)
  for at = 1, #device.owners, 7 do
    if is_living(string.sub(device.owners, at, at + 6)) then return true end
  end
  return false
end

-- Forgets a device of a member: one that comes back may have missed what follows its floor.
local function forget_device(bucket, ledger, user, row, at)
  local device = table.remove(row.devices, at)
  row.forgotten = row.forgotten == 0 and device.floor + 1 or math.min(row.forgotten, device.floor + 1)
  forget_requeued(bucket, ledger.channel, ledger, user, device.id)
end

-- The device that goes where there are too many: that which was away longest.
local function longest_away(row, is_living)
  local oldest
  for at = 1, #row.devices do
    local device = row.devices[at]
    if not is_attached(device, is_living) and (not oldest or device.seen < row.devices[oldest].seen) then oldest = at end
  end
  return oldest
end

-- A user becomes a member by subscribing: the row, or why not.
local function enlist(bucket, ledger, user, asks)
  local before = members_of(ledger)
  if before >= asks.members_max then return nil, ATTACH.many_members end
  if before == 0 then
    local founded = redis.call('HINCRBY', bucket.head .. ':c', user, 1)
    if founded > asks.founded_max then
      redis.call('HINCRBY', bucket.head .. ':c', user, -1)
      return nil, ATTACH.many_founded
    end
    ledger.founder, ledger.is_changed = user, true
  end
  local row = new_member(ledger, user, asks.enlists == 1 and 0 or ledger.top)
  tell_members(bucket, ledger, before)
  return row
end

-- A device that is not known becomes so; nil where there is no room for it.
local function new_device(bucket, ledger, user, row, asks, is_living)
  if #row.devices >= asks.devices_max then
    local oldest = longest_away(row, is_living)
    if not oldest then return nil end
    forget_device(bucket, ledger, user, row, oldest)
  end
  local has_lost = row.forgotten > 0 and row.forgotten - 1 < row.received
  local device = { id = asks.device, floor = row.received, failed = 0, marks = has_lost and HAS_LOST or 0, owners = '' }
  row.devices[#row.devices + 1] = device
  return device
end

-- How often what was requeued for a device was sent since then: offset and attempts, 8 bytes each.
local function requeued_and_tried(bucket, ledger, user, device)
  local tried = {}
  local offsets = requeued_of(bucket, ledger.channel, ledger, user, device)
  for at = 1, #offsets, 6 do
    local offset = string.sub(offsets, at, at + 5)
    local attempts = tried_so_often(bucket, ledger.channel, ledger, user, device, offset)
    if attempts then tried[#tried + 1] = offset .. attempts end
  end
  return table.concat(tried)
end

-- The publications that were requeued for a device, while bytes are left.
local function requeued_letters(bucket, ledger, user, device, bytes)
  local channel, found = ledger.channel, {}
  local offsets = requeued_of(bucket, channel, ledger, user, device)
  for at = 1, #offsets, 6 do
    local offset = struct.unpack('>I6', offsets, at)
    local value = redis.call('HGET', bucket.head .. ':z', letter_name(channel, offset))
    if value and bytes > 0 then
      found[#found + 1] = publication_of(offset, read_letter(value))
      bytes = bytes - #value
    end
  end
  return found
end

local function attach(bucket, asks, channel, is_living, now)
  local ledger, user = open_ledger(bucket, channel), asks.user
  begin_stream(bucket, ledger, asks.meta_ttl)
  local value = redis.call('HGET', ledger.key, user)
  local row, refused
  if value then
    row = read_row(ledger, value)
  elseif asks.enlists == 0 then
    return ATTACH.no_member, ledger
  else
    row, refused = enlist(bucket, ledger, user, asks)
    if not row then return refused, ledger end
  end
  local expired = math.floor(now / 1000) - asks.device_ttl
  for at = #row.devices, 1, -1 do
    local device = row.devices[at]
    if device.seen < expired and not is_attached(device, is_living) then forget_device(bucket, ledger, user, row, at) end
  end
  local device = device_of(row, asks.device) or new_device(bucket, ledger, user, row, asks, is_living)
  if not device then return ATTACH.many_devices, ledger end
  local own, owners = owned(bucket, ''), ''
  for at = 1, #device.owners, 7 do
    local owner = string.sub(device.owners, at, at + 6)
    if owner ~= own and is_living(owner) then owners = owners .. owner end
  end
  device.owners, device.seen = string.sub(owners .. own, -OWNERS_BYTES), math.floor(now / 1000)
  -- Somebody has opened it, or may have.
  device.marks = device.marks % IS_BACKGROUND
  keep_row(ledger, user, row)
  return ATTACH.done, ledger, row, device
end

-- ARGV[2…]: incarnations that live, the highest that was given, bytes of requeued letters; then two each: options and channel.
-- Options are: ttl of the stream, for how long (seconds) a device may be away, how many devices, members and channels founded there
-- may be, how one becomes a member (0: not so, 1: from the beginning of the stream on, 2: from its top), user, device. Answers an
-- array: the stand, then two each: what became of it with generation, creation, number of members, row, and how often what was
-- requeued was sent; and what was requeued.
local function ledger_attach(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local now, is_living = now_ms(), living_of(args[2], tonumber(args[3]))
  local answer = { '' }
  for at = 5, #args, 2 do open_ledger(bucket, args[at + 1]) end
  for at = 5, #args, 2 do
    local asks = {}
    asks.meta_ttl, asks.device_ttl, asks.devices_max, asks.members_max, asks.founded_max, asks.enlists, asks.user, asks.device =
      struct.unpack('>I6I4I4I4I4BBc0Bc0', args[at])
    local verdict, ledger, row, device = attach(bucket, asks, args[at + 1], is_living, now)
    local place = struct.pack('>Bc8I6I4', verdict, ledger.generation, ledger.created, members_of(ledger))
    local requeued = {}
    if device then
      place = place .. struct.pack('>I6I6I6I2BI6', row.received, row.read, device.floor, device.failed, device.marks, row.noticed)
        .. requeued_and_tried(bucket, ledger, asks.user, asks.device)
      requeued = requeued_letters(bucket, ledger, asks.user, asks.device, tonumber(args[4]))
    end
    answer[#answer + 1], answer[#answer + 2] = place, requeued
  end
  answer[1] = finish_ledgers(bucket, '')
  return answer
end

-- ARGV[2…], three each: channel, user, device. It was here until now.
local function ledger_detach(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local own, now_s = owned(bucket, ''), math.floor(now_ms() / 1000)
  for at = 2, #args, 3 do open_ledger(bucket, args[at]) end
  for at = 2, #args, 3 do
    local ledger, user = open_ledger(bucket, args[at]), args[at + 1]
    local value = redis.call('HGET', ledger.key, user)
    local row = value and read_row(ledger, value)
    local device = row and device_of(row, args[at + 2])
    if device then
      local owners = ''
      for i = 1, #device.owners, 7 do
        local owner = string.sub(device.owners, i, i + 6)
        if owner ~= own then owners = owners .. owner end
      end
      device.owners, device.seen = owners, now_s
      if owners == '' then device.marks = device.marks % IS_BACKGROUND end
      keep_row(ledger, user, row)
    end
  end
  return finish_ledgers(bucket, '')
end
