-- Writes values of one size under a bounded set of keys through a node's interface to the map, each key a partition key.
-- Arguments: the mark of this run in every value, part of the keys, number of keys, bytes of a value.
local here = debug.getinfo(1, 'S').source:match('^@(.*/)')
dofile(here .. 'histogram.lua')

local value, keys, part
local count = -1

function init(args)
  part, keys = args[2], tonumber(args[3])
  value = (args[1] .. ';'):rep(math.ceil(tonumber(args[4]) / #args[1])):sub(1, tonumber(args[4]))
end

function request()
  -- wrk asks once before the run and throws the answer away.
  local n = math.max(count, 0) % keys
  count = count + 1
  return wrk.format('PUT', '/api/v1/map/user/' .. part .. '-' .. n .. '/value', nil, value)
end
