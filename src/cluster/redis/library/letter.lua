
-- Dead letters: publications that devices were given up on. A hash of the bucket has each under its channel, a zero byte and its
-- offset, and under the empty name how many bytes they are; two sorted sets have those names, by name and by age. What was
-- requeued for a device lies in a hash of the channel, under the life of the stream, the user (with a byte for its length) and the
-- device: offsets. Another hash has, under the same and an offset, how often that was sent since then.
local LETTERS_MAX, LETTERS_BYTES_MAX, LETTERS_TTL = 1000, 1048576, 2592000000
local LETTER_DEVICES_MAX = 16

local function letter_name(channel, offset)
  return channel .. '\0' .. struct.pack('>I6', offset)
end

-- A letter: generation and creation of its stream, when it was published, how many devices there are beyond those that are
-- listed, the listed ones (user, device, attempts, when it was given up), and the publication.
local function read_letter(value)
  local generation, created, time, more, count, at = struct.unpack('>c8I6I6I4B', value)
  local letter = { generation = generation, created = created, time = time, more = more, failures = {} }
  for number = 1, count do
    local user, device, attempts, failed_at
    user, device, attempts, failed_at, at = struct.unpack('>Bc0Bc0I2I6', value, at)
    letter.failures[number] = { user = user, device = device, attempts = attempts, at = failed_at }
  end
  letter.body = string.sub(value, at)
  return letter
end

local function pack_letter(letter)
  local parts = { struct.pack('>c8I6I6I4B', letter.generation, letter.created, letter.time, letter.more, #letter.failures) }
  for at = 1, #letter.failures do
    local one = letter.failures[at]
    parts[at + 1] = struct.pack('B', #one.user) .. one.user .. struct.pack('B', #one.device) .. one.device
      .. struct.pack('>I2I6', one.attempts, one.at)
  end
  return table.concat(parts) .. letter.body
end

local function failure_of(letter, user, device)
  for at = 1, #letter.failures do
    if letter.failures[at].user == user and letter.failures[at].device == device then return at end
  end
end

-- In which life of the stream a letter, or a ledger, is.
local function life_of(one)
  return one.generation .. struct.pack('>I6', one.created)
end

local function requeued_key(bucket, channel)
  return bucket.head .. ':w:' .. channel
end

local function requeued_name(one, user, device)
  return life_of(one) .. struct.pack('B', #user) .. user .. device
end

-- The offsets of what was requeued for a device in the life of a letter, or of a ledger, 6 bytes each.
local function requeued_of(bucket, channel, one, user, device)
  return redis.call('HGET', requeued_key(bucket, channel), requeued_name(one, user, device)) or ''
end

local function tried_key(bucket, channel)
  return bucket.head .. ':wa:' .. channel
end

-- How often what was requeued for a device was sent since then, as two bytes; nothing where it was not. The offset is packed.
local function tried_so_often(bucket, channel, one, user, device, offset)
  return redis.call('HGET', tried_key(bucket, channel), requeued_name(one, user, device) .. offset)
end

-- Nothing is requeued for a device any more.
local function forget_requeued(bucket, channel, one, user, device)
  local name, offsets = requeued_name(one, user, device), requeued_of(bucket, channel, one, user, device)
  for at = 1, #offsets, 6 do
    redis.call('HDEL', tried_key(bucket, channel), name .. string.sub(offsets, at, at + 5))
  end
  redis.call('HDEL', requeued_key(bucket, channel), name)
end

-- What was requeued for a device was sent to it so often since then.
local function note_tried(bucket, ledger, user, device, offset, attempts)
  local name, packed = requeued_name(ledger, user, device), struct.pack('>I6', offset)
  local offsets = requeued_of(bucket, ledger.channel, ledger, user, device)
  for at = 1, #offsets, 6 do
    if string.sub(offsets, at, at + 5) == packed then
      local before = tried_so_often(bucket, ledger.channel, ledger, user, device, packed)
      if before and struct.unpack('>I2', before) >= attempts then return end
      local key = tried_key(bucket, ledger.channel)
      redis.call('HSET', key, name .. packed, struct.pack('>I2', attempts))
      redis.call('PEXPIRE', key, LETTERS_TTL)
    end
  end
end

-- Something is requeued for a device no longer. Whether it was.
local function take_requeued(bucket, channel, one, user, device, offset)
  local offsets = requeued_of(bucket, channel, one, user, device)
  for at = 1, #offsets, 6 do
    if struct.unpack('>I6', offsets, at) == offset then
      redis.call('HDEL', tried_key(bucket, channel), requeued_name(one, user, device) .. string.sub(offsets, at, at + 5))
      offsets = string.sub(offsets, 1, at - 1) .. string.sub(offsets, at + 6)
      if offsets == '' then
        forget_requeued(bucket, channel, one, user, device)
      else
        redis.call('HSET', requeued_key(bucket, channel), requeued_name(one, user, device), offsets)
      end
      return true
    end
  end
  return false
end

local function put_requeued(bucket, channel, one, user, device, offset)
  take_requeued(bucket, channel, one, user, device, offset)
  local key, offsets = requeued_key(bucket, channel), requeued_of(bucket, channel, one, user, device)
  redis.call('HSET', key, requeued_name(one, user, device), offsets .. struct.pack('>I6', offset))
  redis.call('PEXPIRE', key, LETTERS_TTL)
end

-- A letter is no more, and nobody is sent it.
local function forget_letter(bucket, name)
  local key = bucket.head .. ':z'
  local value = redis.call('HGET', key, name)
  -- What is no letter was requeued for nobody.
  local can_be_read, letter = pcall(read_letter, value or '')
  if can_be_read and #name > 6 then
    local channel, offset = string.sub(name, 1, -8), struct.unpack('>I6', name, #name - 5)
    for at = 1, #letter.failures do
      take_requeued(bucket, channel, letter, letter.failures[at].user, letter.failures[at].device, offset)
    end
  end
  if value then
    redis.call('HDEL', key, name)
    is_foreign(redis.pcall('HINCRBY', key, '', -#value))
  end
  redis.call('ZREM', key .. 'n', name)
  redis.call('ZREM', key .. 'a', name)
end

-- Keeps a letter, which may be new; the oldest go for it.
local function keep_letter(bucket, name, letter, now)
  local key, value = bucket.head .. ':z', pack_letter(letter)
  local before = redis.call('HSTRLEN', key, name)
  redis.call('HSET', key, name, value)
  local bytes = redis.call('HINCRBY', key, '', #value - before)
  if before == 0 then
    redis.call('ZADD', key .. 'n', 0, name)
    redis.call('ZADD', key .. 'a', now, name)
  end
  while bytes > LETTERS_BYTES_MAX or redis.call('ZCARD', key .. 'a') > LETTERS_MAX do
    forget_letter(bucket, redis.call('ZRANGE', key .. 'a', 0, 0)[1])
    bytes = tonumber(redis.call('HGET', key, '')) or 0
  end
  for _, part in ipairs({ '', 'n', 'a' }) do redis.call('PEXPIRE', key .. part, LETTERS_TTL) end
end

-- A device was given up on a publication of the life that is now: it is added to the letter, or put anew there.
local function add_failure(bucket, ledger, offset, publication, failure, now)
  local name = letter_name(ledger.channel, offset)
  local value = redis.call('HGET', bucket.head .. ':z', name)
  local letter = value and read_letter(value)
  if letter and life_of(letter) ~= life_of(ledger) then
    forget_letter(bucket, name)
    letter = nil
  end
  letter = letter or {
    generation = ledger.generation, created = ledger.created, time = publication.time, more = 0, failures = {},
    body = publication.body,
  }
  local known = failure_of(letter, failure.user, failure.device)
  if known then
    letter.failures[known] = failure
  elseif #letter.failures < LETTER_DEVICES_MAX then
    letter.failures[#letter.failures + 1] = failure
  else
    letter.more = letter.more + 1
  end
  keep_letter(bucket, name, letter, now)
end

-- A device has received a letter after all. One that no other device is listed in is none any more.
local function resolve_letter(bucket, ledger, offset, user, device, now)
  take_requeued(bucket, ledger.channel, ledger, user, device, offset)
  local name = letter_name(ledger.channel, offset)
  local value = redis.call('HGET', bucket.head .. ':z', name)
  local letter = value and read_letter(value)
  local known = letter and life_of(letter) == life_of(ledger) and failure_of(letter, user, device)
  if not known then return end
  table.remove(letter.failures, known)
  if #letter.failures == 0 then
    forget_letter(bucket, name)
  else
    keep_letter(bucket, name, letter, now)
  end
end

-- The publication of a letter: offset, when it was published, and the body.
local function publication_of(offset, letter)
  return struct.pack('>I6I6', offset, letter.time) .. letter.body
end

-- ARGV[2…]: channel, offset. Answers what comes of the letter (0: there is none, 1: it is sent again, 2: it is of another life and to
-- be published anew, 3: no device of it is known), behind it generation and creation that are now, and its publication.
local function letter_requeue(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  local ledger, offset = open_ledger(bucket, args[2]), tonumber(args[3])
  local value = redis.call('HGET', bucket.head .. ':z', letter_name(ledger.channel, offset))
  local letter, verdict, publication = value and read_letter(value), 0, ''
  if letter then
    publication = publication_of(offset, letter)
    if life_of(letter) ~= life_of(ledger) then
      verdict = 2
    else
      local names = {}
      for at = 1, #letter.failures do
        local one = letter.failures[at]
        local row = redis.call('HGET', ledger.key, one.user)
        if row and device_of(read_row(ledger, row), one.device) then
          put_requeued(bucket, ledger.channel, letter, one.user, one.device, offset)
          names[#names + 1] = struct.pack('B', #one.user) .. one.user .. struct.pack('B', #one.device) .. one.device
        end
      end
      verdict = #names > 0 and 1 or 3
      if verdict == 1 then
        local news = struct.pack('B', #names) .. table.concat(names) .. publication
        tell_news(bucket, ledger, listeners_of(bucket, ledger), NEWS.requeued, news)
      end
    end
  end
  return finish_ledgers(bucket, '') .. struct.pack('>Bc8I6', verdict, ledger.generation, ledger.created) .. publication
end

-- The names of a channel's letters behind an offset, in order.
local function letter_names(head, channel, after, count)
  local from, to = '(' .. letter_name(channel, after), '[' .. channel .. '\0' .. string.rep('\255', 6)
  local names, own = redis.call('ZRANGEBYLEX', head .. ':zn', from, to, 'LIMIT', 0, count), {}
  -- A channel whose name goes on with a zero byte may lie between.
  for at = 1, #names do
    if #names[at] == #channel + 7 then own[#own + 1] = names[at] end
  end
  return own, #names == tonumber(count) and names[#names] or nil
end

-- ARGV[2…]: channel, offset (none: all of the channel), how many at the most. Answers how many went, and whether more may be there.
local function letters_purge(keys, args)
  local bucket, refusal = begin(keys, args)
  if not bucket then return refusal end
  if bucket.answer then return stand(bucket) .. bucket.answer end
  local ledger, gone, more = open_ledger(bucket, args[2]), 0, nil
  if args[3] == '' then
    local names
    names, more = letter_names(bucket.head, ledger.channel, 0, args[4])
    for at = 1, #names do forget_letter(bucket, names[at]) end
    gone = #names
  else
    local name = letter_name(ledger.channel, tonumber(args[3]))
    gone = redis.call('HEXISTS', bucket.head .. ':z', name)
    forget_letter(bucket, name)
  end
  if gone > 0 then
    local offset = args[3] == '' and 0 or tonumber(args[3])
    tell_news(bucket, ledger, listeners_of(bucket, ledger), NEWS.purged, struct.pack('>I6', offset))
  end
  local answer = struct.pack('>I4B', gone, more and 1 or 0)
  return finish_ledgers(bucket, answer)
end

-- Whether a letter has a device of a user ("": anybody's) that was given up since then.
local function concerns(letter, user, since)
  for at = 1, #letter.failures do
    local one = letter.failures[at]
    if (user == '' or one.user == user) and one.at >= since then return true end
  end
  return false
end

-- Puts those of these letters into an answer that concern somebody, two each: what `mark` makes of its name, and the letter. Where no
-- more fit and more lie behind, the answer begins with the mark of the last.
local function gather(head, answer, names, mark, user, since, most, bytes)
  for at = 1, #names do
    local value = redis.call('HGET', head .. ':z', names[at])
    local can_be_read, letter = pcall(read_letter, value or '')
    if can_be_read and concerns(letter, user, since) then
      answer[#answer + 1], answer[#answer + 2] = mark(names[at]), value
      bytes = bytes - #value
      if #answer > 2 * most or bytes <= 0 then
        if at < #names then answer[1] = mark(names[at]) end
        break
      end
    end
  end
  return answer
end

-- ARGV: the name behind which to begin (none: with the first), user ("": anybody's), since when, how many, how many to look at,
-- bytes. Of all channels of the bucket. Answers the name to go on behind (none: there is nothing behind it), then two each: name
-- and letter.
local function letters_of_bucket(keys, args)
  local user, since, bytes, looks = args[2], tonumber(args[3]), tonumber(args[6]), tonumber(args[5])
  local from = args[1] == '' and '-' or '(' .. args[1]
  local names = redis.call('ZRANGEBYLEX', keys[1] .. ':zn', from, '+', 'LIMIT', 0, looks)
  local answer = { #names == looks and names[#names] or '' }
  return gather(keys[1], answer, names, function(name) return name end, user, since, tonumber(args[4]), bytes)
end

-- ARGV: channel, the offset after which to begin, user ("": anybody's), since when, how many, how many to look at, bytes. Answers the
-- offset to go on after (0: there is nothing behind it), then two each: offset and letter.
local function letters(keys, args)
  local channel, user, since, bytes = args[1], args[3], tonumber(args[4]), tonumber(args[7])
  local names, last = letter_names(keys[1], channel, tonumber(args[2]), args[6])
  local function offset_of(name) return (struct.unpack('>I6', name, #name - 5)) end
  local answer = { last and offset_of(last) or 0 }
  return gather(keys[1], answer, names, offset_of, user, since, tonumber(args[5]), bytes)
end
