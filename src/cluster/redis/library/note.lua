
local ledger_note, ledger_watch

do

-- What becomes of a note.
local NOTED = { kept = 0, no_member = 1, no_device = 2, other_life = 3, beyond = 4 }

-- A member's positions have moved, of what was received or of what was read, from an offset.
local function tell_moved(bucket, ledger, user, row, is_read, from)
  local positions = struct.pack('>I6I6', row.received, row.read) .. user
  if members_of(ledger) <= SMALL_ROOM then
    return tell_news(bucket, ledger, listeners_of(bucket, ledger), NEWS.moved, positions)
  end
  if is_read then tell_news(bucket, ledger, owners_of(row.devices), NEWS.moved, positions) end
  local counted = struct.pack('>BI6I6', is_read and 1 or 0, from, is_read and row.read or row.received) .. user
  tell_news(bucket, ledger, watchers_of(bucket, ledger), NEWS.counted, counted)
end

-- The floor of a device is there now: the other nodes that it is attached to are told.
local function move_floor(bucket, ledger, user, device, floor)
  device.floor = floor
  local body = struct.pack('>I6B', floor, #user) .. user .. device.id
  tell_news(bucket, ledger, owners_of({ device }, bucket.slot), NEWS.floor, body)
end

local function note_floor(bucket, ledger, user, row, device, note, at)
  local floor, received, failed, marks
  floor, received, failed, marks, at = struct.unpack('>I6I6I2B', note, at)
  if math.max(floor, received) > ledger.top then return NOTED.beyond end
  local has_lost, had_lost = marks % IS_BACKGROUND, device.marks % IS_BACKGROUND
  local background, noticed = device.marks - had_lost, received
  -- Nodes of earlier versions do not say it: all that they tell of is noticed.
  if at <= #note then background, noticed = marks - has_lost, struct.unpack('>I6', note, at) end
  if floor > device.floor then
    move_floor(bucket, ledger, user, device, floor)
    device.failed, had_lost = failed, has_lost
  elseif floor == device.floor then
    device.failed, had_lost = math.max(device.failed, failed), math.max(had_lost, has_lost)
  end
  device.marks = had_lost + background
  local before, noticed_before = row.received, row.noticed
  row.received = math.max(before, received)
  row.noticed = math.min(math.max(noticed_before, noticed), row.received)
  if received > before then tell_moved(bucket, ledger, user, row, false, before) end
  return NOTED.kept
end

local function note_given_up(bucket, ledger, user, device, note, at, now)
  local offset, time, attempts, failed_at, rest = struct.unpack('>I6I6I2I6', note, at)
  if offset > ledger.top then return NOTED.beyond end
  if offset > device.floor then
    move_floor(bucket, ledger, user, device, offset)
    device.failed = 0
  elseif not take_requeued(bucket, ledger.channel, ledger, user, device.id, offset) then
    return NOTED.kept
  end
  local publication = { time = time, body = string.sub(note, rest) }
  local failure = { user = user, device = device.id, attempts = attempts, at = failed_at }
  add_failure(bucket, ledger, offset, publication, failure, now)
  return NOTED.kept
end

-- A note: what it says (0 floor, 1 read, 2 given up, 3 resolved, 4 tried), whether it is of one life, of which (generation, creation),
-- channel, user, device; then of a floor: floor, received, failed attempts, marks, noticed; of what was read or resolved: the offset; of
-- what was given up: offset, when it was published, attempts, when it was given up, publication; of what was requeued and tried:
-- offset, attempts.
local function note(bucket, said, now)
  local what, has_life, generation, created, channel, user, id, at = struct.unpack('>BBc8I6Bc0Bc0Bc0', said)
  local ledger = open_ledger(bucket, channel)
  if has_life == 1 and (generation ~= ledger.generation or created ~= ledger.created) then return NOTED.other_life end
  local value = redis.call('HGET', ledger.key, user)
  if not value then return NOTED.no_member end
  local row, verdict = read_row(ledger, value), NOTED.kept
  local device = device_of(row, id)
  if what == 1 then
    local read = struct.unpack('>I6', said, at)
    if read > ledger.top then return NOTED.beyond end
    if read <= row.read then return NOTED.kept end
    local from = row.read
    row.read = read
    tell_moved(bucket, ledger, user, row, true, from)
  elseif not device then
    return NOTED.no_device
  elseif what == 0 then
    verdict = note_floor(bucket, ledger, user, row, device, said, at)
  elseif what == 2 then
    verdict = note_given_up(bucket, ledger, user, device, said, at, now)
  elseif what == 3 then
    resolve_letter(bucket, ledger, struct.unpack('>I6', said, at), user, id, now)
  else
    local offset, attempts = struct.unpack('>I6I2', said, at)
    note_tried(bucket, ledger, user, id, offset, attempts)
  end
  if device then device.seen = math.floor(now / 1000) end
  keep_row(ledger, user, row)
  return verdict
end

-- ARGV[2…]: notes. Answers a byte each.
ledger_note = function(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local verdicts, now = {}, now_ms()
  for at = 2, #args do open_ledger(bucket, (struct.unpack('>Bc0', args[at], 17))) end
  for at = 2, #args do verdicts[at - 1] = string.char(note(bucket, args[at], now)) end
  finish_ledgers(bucket, '')
  return stand(bucket) .. table.concat(verdicts)
end

-- ARGV[2…]: channel, for how long. This node hears of each position that moves there, while many belong to the channel. Answers how
-- many those are.
ledger_watch = function(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local ledger, key = open_ledger(bucket, args[2]), bucket.head .. ':t:' .. args[2]
  redis.call('HSET', key, bucket.slot, struct.pack('>I6', now_ms() + args[3]))
  redis.call('PEXPIRE', key, args[3])
  return finish_ledgers(bucket, '') .. struct.pack('>I4', members_of(ledger))
end

end
