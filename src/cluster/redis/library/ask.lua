
-- What nodes ask each other. Nothing is kept or counted: who asks waits for the answers, and a loss is the want of one.

-- ARGV: user, question. Asks the nodes that have sessions of the user. Answers slot and incarnation of each, 7 bytes.
local function ask_user(keys, args)
  local entries, asked, owners = redis.call('HVALS', keys[1] .. ':s:' .. args[1]), {}, {}
  for at = 1, #entries do
    local owner = string.sub(entries[at], 1, 7)
    if not asked[owner] then
      asked[owner], owners[#owners + 1] = true, owner
      redis.call('SPUBLISH', keys[1] .. ':' .. string.byte(owner), '\0' .. item(7, '\1' .. args[1], 0, 0, 0, args[2]))
    end
  end
  return table.concat(owners)
end

-- ARGV: slots (a byte each), kind of the item, what is told.
local function tell_nodes(keys, args)
  for at = 1, #args[1] do
    redis.call('SPUBLISH', keys[1] .. ':' .. string.byte(args[1], at), '\0' .. item(tonumber(args[2]), '', 0, 0, 0, args[3]))
  end
  return #args[1]
end
