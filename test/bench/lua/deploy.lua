-- Replays what `mvn deploy` sends for a release (9 PUT, 1 GET), for many artifacts at a time. wrk does not tell a script
-- which connection asks, so the order within one deploy is kept by distance: between two steps of a deploy lie requests
-- for all other artifacts, many more than there are connections. Artifacts start one after the other, so that requests of
-- all ten kinds are in flight together.
-- Arguments: directory, number of artifacts, directory of the bodies (see deploy.ts).
local here = debug.getinfo(1, 'S').source:match('^@(.*/)')
dofile(here .. 'report.lua')

local STEPS = 10
local directory, artifacts
local jars, poms, metadata = {}, {}, {}
local count = -1

local function read(path, into)
  for line in io.lines(path) do
    local body, sha1, md5 = line:match('^([^\t]*)\t([^\t]*)\t([^\t]*)$')
    into[#into + 1] = { body, sha1, md5 }
  end
end

function init(args)
  directory, artifacts = args[1], tonumber(args[2])
  read(args[3] .. '/jars', jars)
  read(args[3] .. '/poms', poms)
  read(args[3] .. '/metadata', metadata)
end

local function put(path, body)
  return table.concat({
    'PUT ', directory, '/', path, ' HTTP/1.1\r\nHost: localhost\r\nContent-Length: ', #body, '\r\n\r\n', body,
  })
end

local SUFFIX = { '', '.sha1', '.md5' }

local function step(artifact, round, at)
  -- Round 0 is the version that was there before the run.
  local name, version = 'a' .. artifact, '1.' .. round + 1
  local file = name .. '/' .. version .. '/' .. name .. '-' .. version
  local deploy = (round + 1) * artifacts + artifact + 1
  if at < 3 then return put(file .. '.jar' .. SUFFIX[at + 1], jars[(deploy - 1) % #jars + 1][at + 1]) end
  if at < 6 then return put(file .. '.pom' .. SUFFIX[at - 2], assert(poms[deploy])[at - 2]) end
  if at == 6 then
    return 'GET ' .. directory .. '/' .. name .. '/maven-metadata.xml HTTP/1.1\r\nHost: localhost\r\n\r\n'
  end
  return put(name .. '/maven-metadata.xml' .. SUFFIX[at - 6], assert(metadata[deploy])[at - 6])
end

function request()
  -- wrk asks once before the run and throws the answer away.
  if count < 0 then
    count = 0
    return step(0, 0, 0)
  end
  local artifact, tick
  repeat
    artifact = count % artifacts
    tick = math.floor(count / artifacts) - artifact % STEPS
    count = count + 1
  until tick >= 0
  return step(artifact, math.floor(tick / STEPS), tick % STEPS)
end
