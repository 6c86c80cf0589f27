-- Writes values of one size under a bounded set of keys through a node's interface to its control state or its map.
-- Arguments: the mark of this run in every value, part of the keys, number of keys, bytes of a value, path with %s for the key.
local here = debug.getinfo(1, 'S').source:match('^@(.*/)')
dofile(here .. 'histogram.lua')

local value, keys, part, path
local count = -1

function init(args)
  part, keys, path = args[2], tonumber(args[3]), args[5]
  value = (args[1] .. ';'):rep(math.ceil(tonumber(args[4]) / #args[1])):sub(1, tonumber(args[4]))
end

function request()
  -- wrk asks once before the run and throws the answer away.
  local n = math.max(count, 0) % keys
  count = count + 1
  return wrk.format('PUT', path:format(part .. '-' .. n), nil, value)
end
