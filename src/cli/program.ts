import { Command, CommanderError } from 'commander'
import { err, ok, type Result } from '../base/result.ts'
import { defineCluster } from './cluster.ts'
import type { DeployFlags } from './deploy.ts'
import { badUsage, exitCodeOf, type Failure } from './failure.ts'
import { numberFlag } from './number-flag.ts'
import type { Outcome, Report, Session, StartFlags, Surroundings } from './session.ts'

/**
 * Runs one command line and gives its exit code. With `--json` stdout gets one JSON document, of the result or of the
 * error; errors for people go to stderr in either case.
 */
export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode = 0
  const program = defineProgram(surroundings, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync(args[0] === '--version' ? ['version', ...args.slice(1)] : [...args], {
      from: 'user',
    })
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportBug(error, surroundings)
    if (error.exitCode === 0) return 0
    // Without a command the help was shown instead of an error.
    if (error.code === 'commander.help') return 2
    const message = error.message.replace(/^error: /, '').replaceAll('\n', ' ')
    const failure = badUsage(message, 'See aether --help.')
    return print(err(failure), args.includes('--json'), surroundings)
  }
  return exitCode
}

type GlobalFlags = { server?: string; token?: string; repository?: string; json?: boolean }

type Work = (session: Session) => Outcome

const DEFAULT_SERVER = 'http://127.0.0.1:8080'

/** Each command is loaded when it is called, so that a node does not carry the client about with it. */
function defineProgram(surroundings: Surroundings, exit: (code: number) => void): Command {
  const program = new Command('aether')
    .description('A Maven repository: run a node, deploy to it, resolve from it.')
    .option('--server <url>', `the node to speak to (AETHER_SERVER, ${DEFAULT_SERVER})`)
    .option('--token <token>', 'who you are; better kept in AETHER_TOKEN')
    .option('--repository <name>', 'instead of releases, snapshots or public')
    .option('--json', 'print one JSON document')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => surroundings.stdout.write(text),
      writeErr: (text) => surroundings.stderr.write(text),
      outputError: () => {},
    })
  const isJson = () => program.opts<GlobalFlags>().json === true
  const finish = (result: Result<Report, Failure>) => exit(print(result, isJson(), surroundings))
  const run = async (work: Work) => {
    const session = await openSession(program.opts<GlobalFlags>(), surroundings)
    finish(session.ok ? await work(session.value) : session)
  }
  program
    .command('start')
    .description('run a node until it is told to stop')
    .option('--data <directory>', 'where everything is kept')
    .option('--host <address>', 'the address to listen on')
    .option('--port <number>', 'the port to listen on', numberFlag(0, 65_535))
    .option('--config <file>', 'settings, instead of aether.toml')
    .action(async (flags: StartFlags) => {
      const { start } = await import('./start.ts')
      exit(await start(flags, isJson(), surroundings))
    })
  defineCluster(program, run, async (flags) => {
    const { clusterStart } = await import('./cluster-start.ts')
    const run = await clusterStart(flags, isJson(), surroundings)
    if (run.ok) exit(run.value)
    else finish(run)
  })
  defineArtifacts(program, run)
  program
    .command('version')
    .description('print the version')
    .action(async () => {
      const { version } = await import('./version.ts')
      finish(ok(version()))
    })
  return program
}

/** The commands for what is in the repositories. */
function defineArtifacts(program: Command, run: (work: Work) => Promise<void>): void {
  program
    .command('deploy <jar>')
    .description('store a jar with its POM; coordinates come from the jar or the flags')
    .option('--group <id>')
    .option('--artifact <id>')
    .option('--version <version>')
    .option('--classifier <classifier>')
    .option('--packaging <packaging>', 'of the POM that is made when there is none')
    .option('--pom <file>', 'use this POM')
    .action((jar: string, flags: DeployFlags) =>
      run(async (session) => (await import('./deploy.ts')).deploy(jar, flags, session)),
    )
  program
    .command('versions <group:artifact>')
    .description('list the versions of an artifact, ascending')
    .action((artifact: string) =>
      run(async (session) => (await import('./versions.ts')).versions(artifact, session)),
    )
  program
    .command('resolve <coordinates>')
    .description('fetch g:a:v, g:a:v:classifier@ext or g:a:ext:classifier:v, verified')
    .option('-o, --output <file>', 'where to put it; - is stdout')
    .action((text: string, { output }: { output?: string }) =>
      run(async (session) => (await import('./resolve.ts')).resolve(text, output, session)),
    )
}

async function openSession(
  flags: GlobalFlags,
  surroundings: Surroundings,
): Promise<Result<Session, Failure>> {
  const { env, stderr } = surroundings
  const url = parseServer(flags.server ?? env['AETHER_SERVER'] ?? DEFAULT_SERVER)
  if (!url.ok) return url
  const token = flags.token ?? (env['AETHER_TOKEN'] || undefined)
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    return err(badUsage('the token has characters that no token has'))
  }
  const repository = flags.repository
  if (repository !== undefined && !/^[a-z0-9][a-z0-9_-]*$/.test(repository)) {
    return err(badUsage(`"${repository}" is no name of a repository`))
  }
  const { Server } = await import('./server.ts')
  const server = new Server(url.value, token, (text) => stderr.write(`aether: ${text}\n`))
  return ok({ server, repository, surroundings, json: flags.json === true })
}

function parseServer(text: string): Result<string, Failure> {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return err(
      badUsage('--server or AETHER_SERVER is no http URL', `An example: ${DEFAULT_SERVER}`),
    )
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return err(
      badUsage(
        'the URL of the server has more than an address in it',
        'Put the token into AETHER_TOKEN.',
      ),
    )
  }
  return ok(url.href.replace(/\/+$/, ''))
}

function print(
  result: Result<Report, Failure>,
  json: boolean,
  { stdout, stderr }: Surroundings,
): number {
  if (result.ok) {
    const { data, text } = result.value
    if (json) stdout.write(`${JSON.stringify(data, null, 2)}\n`)
    else if (text !== '') stdout.write(`${text}\n`)
    return 0
  }
  const { kind, message, next } = result.error
  if (json) stdout.write(`${JSON.stringify({ error: { kind, message, next } }, null, 2)}\n`)
  stderr.write(`aether: ${message}\n${next === undefined ? '' : `  ${next}\n`}`)
  return exitCodeOf(result.error)
}

/** A bug is shown as one line; its stack only to those who ask for it. */
function reportBug(error: unknown, { env, stderr }: Surroundings): number {
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  const isWanted = env['AETHER_DEBUG'] === '1'
  const more = isWanted ? stack : '  Please report it with what AETHER_DEBUG=1 adds to this.'
  stderr.write(`aether: this is a bug in aether: ${message}\n${more}\n`)
  return 1
}
