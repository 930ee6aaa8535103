
do

-- Channels of which members may have to be told of something by a push. A sorted set has them by when they are looked at; a hash
-- has of each when it was last put there, when first, and what was told already, as the nodes write it. A bucket has those of many:
-- which, the nodes agree on.

-- How long a channel that nothing more is known of stays, beyond the time after which it is looked at, milliseconds: longer than an
-- append may take that was announced before it is done.
local PUSH_GRACE = 60000

-- ARGV, two each: channel, after how long it is looked at. One that is to be looked at earlier stays.
local function push_arm(keys, args)
  local now, due, about = now_ms(), keys[1] .. ':a', keys[1] .. ':b'
  for at = 1, #args, 2 do
    local value, first, told = redis.call('HGET', about, args[at]), now, ''
    if value and #value >= 12 then
      local _, before, from = struct.unpack('>I6I6', value)
      first, told = before, string.sub(value, from)
    end
    redis.call('HSET', about, args[at], struct.pack('>I6I6', now, first) .. told)
    redis.call('ZADD', due, 'NX', now + args[at + 1], args[at])
  end
  return 0
end

-- ARGV: how many, for how long nobody else looks at them. Answers what time it is, and two each of those that are to be looked at:
-- channel, and what is known of it.
local function push_due(keys, args)
  local now, due, about = now_ms(), keys[1] .. ':a', keys[1] .. ':b'
  local channels = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, args[1])
  local answer = { struct.pack('>I6', now) }
  for at = 1, #channels do
    redis.call('ZADD', due, now + args[2], channels[at])
    answer[#answer + 1] = channels[at]
    local value = redis.call('HGET', about, channels[at])
    answer[#answer + 1] = value and #value >= 12 and value or struct.pack('>I6I6', now, now)
  end
  return answer
end

-- ARGV: channel, after how long it is looked at again (0: nothing waits), after how long things are looked at, what was told. Where
-- nothing waits it stays for as long as something may be on its way.
local function push_done(keys, args)
  local now, due, about = now_ms(), keys[1] .. ':a', keys[1] .. ':b'
  local last, first = now, now
  local value = redis.call('HGET', about, args[1])
  if value and #value >= 12 then last, first = struct.unpack('>I6I6', value) end
  local wait = tonumber(args[2])
  if wait == 0 then wait = last + args[3] + PUSH_GRACE - now end
  if wait <= 0 then
    redis.call('ZREM', due, args[1])
    redis.call('HDEL', about, args[1])
  else
    redis.call('ZADD', due, now + wait, args[1])
    redis.call('HSET', about, args[1], struct.pack('>I6I6', last, first) .. args[4])
  end
  return 0
end

register('push_arm', push_arm)
register('push_due', push_due, 'allow-oom')
register('push_done', push_done, 'allow-oom')

end
