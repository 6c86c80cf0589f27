-- Writes values of one size under a bounded set of keys through etcd's JSON gateway, which wants both in Base64.
-- Arguments: the mark of this run in every value, part of the keys, number of keys, bytes of a value.
local here = debug.getinfo(1, 'S').source:match('^@(.*/)')
dofile(here .. 'histogram.lua')

local bodies = {}
local count = -1

local ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

local function base64(text)
  local out = {}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for place = 3, 0, -1 do
      local digit = math.floor(n / 64 ^ place) % 64
      out[#out + 1] = ALPHABET:sub(digit + 1, digit + 1)
    end
    if not b then out[#out - 1] = '=' end
    if not c then out[#out] = '=' end
  end
  return table.concat(out)
end

function init(args)
  local size = tonumber(args[4])
  local value = base64((args[1] .. ';'):rep(math.ceil(size / #args[1])):sub(1, size))
  for n = 0, tonumber(args[3]) - 1 do
    local key = base64('user/bench/' .. args[2] .. '-' .. n)
    bodies[n] = '{"key":"' .. key .. '","value":"' .. value .. '"}'
  end
end

function request()
  -- wrk asks once before the run and throws the answer away.
  local body = bodies[math.max(count, 0) % (#bodies + 1)]
  count = count + 1
  return wrk.format('POST', '/v3/kv/put', nil, body)
end
