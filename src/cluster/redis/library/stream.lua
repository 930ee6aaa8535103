
-- A channel's stream. What a generation that was lost has left of it counts as nothing.

-- How long a value is at least that says where a stream stands.
local META_BYTES = 40

local function read_meta(bucket, value, key)
  if not value then return nil end
  if #value < META_BYTES then error(redis.error_reply('FOREIGN ' .. key)) end
  local generation, created, top, first_expires, list_expires, high, low, at =
    struct.unpack('>c8I6I6I6I6I4I4', value)
  if generation ~= bucket.generation then return nil end
  return {
    created = created, top = top, first_expires = first_expires, list_expires = list_expires,
    high = high, low = low, version_epoch = string.sub(value, at),
  }
end

local function new_meta(bucket, list)
  redis.call('UNLINK', list)
  return { created = bucket.count, top = 0, first_expires = 0, list_expires = 0, high = 0, low = 0, version_epoch = '' }
end

local function write_meta(bucket, key, meta, ttl)
  local value = struct.pack('>c8I6I6I6I6I4I4', bucket.generation, meta.created, meta.top, meta.first_expires,
    meta.list_expires, meta.high, meta.low) .. meta.version_epoch
  redis.call('SET', key, value, 'PX', text_of(ttl))
end

-- Takes away what has expired at the beginning of a list; `length` is what it has.
local function trim_expired(list, meta, now, length)
  if length == 0 or meta.first_expires > now then return end
  local first = redis.call('LRANGE', list, 0, EXPIRED_AT_ONCE - 1)
  local gone = 0
  meta.first_expires = 0
  for at = 1, #first do
    -- What is too short is nobody's publication.
    local expires = #first[at] < 6 and 0 or struct.unpack('>I6', first[at])
    if expires > now then
      meta.first_expires = expires
      break
    end
    gone = at
  end
  if gone > 0 then redis.call('LTRIM', list, gone, -1) end
end
