/** The process `aether`: runs the command line with its own streams and settings. */
import { EXIT_RESTART } from '../base/exit-code.ts'
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

// The same process goes on as a new one, so that whoever supervises it notices nothing. The channel to another command would
// be cut by that; and not every system can do it.
if (process.exitCode === EXIT_RESTART && !process.connected && process.execve !== undefined) {
  const { execPath, execArgv, argv } = process
  process.execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], env)
}
