import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PinnedProcess, SERVER_CORE } from './process.ts'
import { emptyFiles, type Server, untilReady } from './server.ts'

export type AetherOptions = {
  /** An existing directory for the data and the log. */
  readonly directory: string
  readonly requestLog: boolean
  readonly cacheBytesMax?: number
  /** `SERVER_CORE` if absent; 'any' to share the machine with others that are measured. */
  readonly core?: 'any'
  /** Flags for Node, to profile the server by hand. */
  readonly nodeFlags?: readonly string[]
}

const LAUNCHER = fileURLToPath(new URL('../../bin/aether.mjs', import.meta.url))

const BARE_SERVER = fileURLToPath(new URL('./bare-server.ts', import.meta.url))

/** Starts a node of this working tree on a free port. Resolves when it is ready. */
export async function startAether(options: AetherOptions): Promise<Server> {
  const { directory, requestLog, cacheBytesMax, core, nodeFlags = [] } = options
  const logPath = join(directory, 'aether.log')
  const log = openSync(logPath, 'a')
  const program = new PinnedProcess(
    [
      process.execPath,
      ...nodeFlags,
      LAUNCHER,
      ...['start', '--data', join(directory, 'data'), '--host', '127.0.0.1', '--port', '0'],
    ],
    {
      ...(core === 'any' ? {} : { core: SERVER_CORE }),
      stdout: 'pipe',
      stderr: log,
      env: {
        AETHER_REQUEST_LOG: String(requestLog),
        ...(cacheBytesMax === undefined ? {} : { AETHER_CACHE_BYTES_MAX: String(cacheBytesMax) }),
      },
    },
  )
  closeSync(log)
  const origin = await originOf(program).catch((cause: unknown) => {
    throw new Error(`aether did not start:\n${readFileSync(logPath, 'utf8')}`, { cause })
  })
  await untilReady(`${origin}/health/ready`, program)
  return {
    name: 'aether',
    origin,
    process: program,
    // The chunks have their digests for names, not their paths.
    discard: () => emptyFiles(join(directory, 'data', 'chunks')),
    stop: () => program.stop(),
  }
}

/** Starts the bare server instead, whose rate is the ceiling for a server like ours. */
export async function startBare({ directory, nodeFlags = [] }: AetherOptions): Promise<Server> {
  const program = new PinnedProcess([process.execPath, ...nodeFlags, BARE_SERVER, directory], {
    core: SERVER_CORE,
    stdout: 'pipe',
    env: { UV_THREADPOOL_SIZE: '16' },
  })
  return {
    name: 'aether',
    origin: await originOf(program),
    process: program,
    discard: () => emptyFiles(directory),
    stop: () => program.stop(),
  }
}

/** The first URL that the server prints. */
async function originOf(program: PinnedProcess): Promise<string> {
  const { stdout } = program.child
  if (stdout === null) throw new Error('the output of aether is not piped')
  for await (const line of createInterface(stdout)) {
    const found = /https?:\/\/[\w.:[\]-]+/.exec(line)
    if (found) {
      stdout.resume()
      return found[0]
    }
  }
  throw new Error('aether ended without printing its URL')
}
