/** The process `aether`: runs the command line with its own streams and settings. */
import { runCli } from './program.ts'

const { stdout, stderr, env } = process

// A reader that stops early (`aether versions … | head`) is no error.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

// Run by another command of aether, it does not outlive that one.
if (process.connected) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel?.unref()
}

process.exitCode = await runCli(process.argv.slice(2), {
  stdout,
  stderr,
  env,
  cwd: process.cwd(),
  // Loaded when it is called: a client has no use for a node.
  startNode: async (options) => (await import('../node/index.ts')).startNode(options),
})
