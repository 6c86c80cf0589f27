-- PUTs one body to ever new paths; its first 16 bytes are the run and the count, so that no two bodies are equal.
-- Arguments: directory, run, file with the body, number of artifacts over which the versions are spread.
local here = debug.getinfo(1, 'S').source:match('^@(.*/)')
dofile(here .. 'report.lua')

local directory, run, rest, artifacts
local count = -1

function init(args)
  directory, run, artifacts = args[1], tonumber(args[2]), tonumber(args[4])
  local file = assert(io.open(args[3], 'rb'))
  rest = file:read('*a'):sub(17)
  file:close()
end

function request()
  -- wrk asks once before the run and throws the answer away.
  local n = math.max(count, 0)
  count = count + 1
  local artifact = 'a' .. n % artifacts
  local version = run .. '.' .. n
  return table.concat({
    'PUT ', directory, '/', artifact, '/', version, '/', artifact, '-', version, '.jar HTTP/1.1\r\n',
    'Host: localhost\r\nContent-Length: ', #rest + 16, '\r\n\r\n',
    string.format('%06d%010d', run, n), rest,
  })
end
