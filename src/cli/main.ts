/** The process `aether`: its streams, its exit code, and what the user sees of a bug. */
import { runCli } from './program.ts'

const { stdout, stderr, env } = process

// A reader that stops early (`aether versions … | head`) is no error.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

try {
  process.exitCode = await runCli(process.argv.slice(2), {
    stdout,
    stderr,
    env,
    cwd: process.cwd(),
    // Loaded when it is called: a client has no use for a node.
    startNode: async (options) => (await import('../node/index.ts')).startNode(options),
  })
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  stderr.write(`aether: this is a bug in aether: ${message}\n`)
  if (env['AETHER_DEBUG'] === '1') stderr.write(`${error instanceof Error ? error.stack : error}\n`)
  else stderr.write('  Please report it with the output of the same command and AETHER_DEBUG=1.\n')
  process.exitCode = 1
}
