import { setFlagsFromString } from 'node:v8'
import { EXIT_RESTART } from '../base/exit-code.ts'
import { AetherError } from '../base/fault.ts'
import { welcome } from './banner.ts'
import { type Flags, readConfig } from './config.ts'
import { type NodeLog, openLog } from './log.ts'
import { type AetherNode, openNode } from './node.ts'

export type StartOptions = {
  readonly flags: Flags
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  /** Instead of the text for people, one line of JSON with `url` and, if it was made, `token`. */
  readonly json: boolean
}

/** Exit codes of the command line: the node could not run, or could not go on; or its settings are wrong. */
const EXIT_FAILED = 1
const EXIT_BAD_USAGE = 2

/**
 * V8 would look through the whole heap whenever 64 MiB of buffers have come since it did: several times a second while large
 * files pass through a cluster, which took as much processor time as everything else. So the buffers count as part of the
 * heap, and may grow in proportion to it.
 */
const COUNT_BUFFERS_AS_HEAP = '--external-memory-accounted-in-global-limit'

/** How long the last words may take: perhaps nobody reads them any more. */
const FAREWELL_MS = 1_000

/**
 * Runs a node in this process until SIGTERM or SIGINT, or until its disk fails, or until it is asked to restart. `stopped`
 * resolves with the exit code when everything is closed.
 */
export async function startNode(options: StartOptions): Promise<{ stopped: Promise<number> }> {
  const config = readConfig(options.flags, options.env)
  if (!config.ok) {
    options.stderr.write(`aether: ${config.error.detail}\n`)
    return { stopped: Promise.resolve(EXIT_BAD_USAGE) }
  }
  setFlagsFromString(COUNT_BUFFERS_AS_HEAP)
  const log = openLog(config.value.logLevel)
  try {
    const slices = options.env['AETHER_INFRA']
    const node = await openNode({
      config: config.value,
      logger: log.logger,
      ...(slices === undefined ? {} : { slices }),
    })
    return { stopped: run(node, log, options).finally(() => log.close()) }
  } catch (cause) {
    await log.close()
    options.stderr.write(`aether: ${explain(cause)}\n`)
    return { stopped: Promise.resolve(EXIT_FAILED) }
  }
}

function greet({ stdout, json }: StartOptions, url: string, token: string | undefined): void {
  stdout.write(json ? `${JSON.stringify({ url, token })}\n` : welcome(url, token))
}

async function run(node: AetherNode, log: NodeLog, options: StartOptions): Promise<number> {
  const { logger } = log
  const signal = Promise.withResolvers<NodeJS.Signals>()
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => signal.resolve(name))
  const failure = Promise.withResolvers<{ cause: unknown }>()
  node.failed.then((cause) => failure.resolve({ cause }), failure.reject)
  process.once('uncaughtException', (cause) => failure.resolve({ cause }))
  let isUp = false
  node.ready.then(
    ({ freshToken }) => {
      isUp = true
      greet(options, node.url, freshToken)
    },
    // The node has failed, then.
    () => {},
  )
  const restart = node.restart.then(() => 'restart' as const)
  const end = await Promise.race([signal.promise, failure.promise, restart])
  if (typeof end === 'string') {
    if (end === 'restart')
      logger.info('restarting, as an administrator wishes: requests in flight may end')
    else logger.info({ signal: end }, 'stopping: requests in flight may end')
    await node.close()
    logger.info('stopped')
    // Who wants it to end has more to say than who wants it to restart.
    const isToEnd = await Promise.race([signal.promise, undefined])
    return end === 'restart' && isToEnd === undefined ? EXIT_RESTART : 0
  }
  // What is in memory can no longer be trusted to reach the disk: nothing is closed in an orderly way, nothing more is
  // acknowledged, and what was acknowledged is synced already.
  if (!(end.cause instanceof AetherError)) logger.fatal({ err: end.cause }, 'the node cannot go on')
  else if (isUp) logger.fatal({ reason: end.cause.message }, 'the node cannot go on')
  await log.close()
  setTimeout(() => process.exit(EXIT_FAILED), FAREWELL_MS)
  options.stderr.write(`aether: ${explain(end.cause)}\n`, () => process.exit(EXIT_FAILED))
  return new Promise(() => {})
}

/** What was wrong and what to do, in a line or two and without a stack trace. */
function explain(cause: unknown): string {
  if (cause instanceof AetherError) return `${cause.message}\n${cause.next}`
  const { code = '', syscall = '', message } = cause as NodeJS.ErrnoException
  const advice = ADVICE[`${syscall} ${code}`] ?? ADVICE[syscall] ?? ''
  return `${message}\n${advice}`.trimEnd()
}

/** By the system call that failed, and its error where that makes a difference. */
const ADVICE: Readonly<Record<string, string>> = {
  'listen EADDRINUSE': 'Stop the other program, or choose a port with --port.',
  'listen EACCES': 'Choose a port above 1023 with --port.',
  listen: 'Choose an address of this machine with --host.',
  getaddrinfo: 'Choose an address of this machine with --host.',
  mkdir: 'Choose a directory that can be made and written to with --data.',
}
