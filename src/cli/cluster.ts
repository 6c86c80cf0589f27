import type { Command } from 'commander'
import type { RollingRestartFlags } from './cluster-restart.ts'
import type { ClusterStartFlags } from './cluster-start.ts'
import { numberFlag } from './number-flag.ts'
import type { Outcome, Session } from './session.ts'

/** Adds `aether cluster …`. `run` carries out what asks a server, `startTrial` what stays until it is stopped. */
export function defineCluster(
  program: Command,
  run: (work: (session: Session) => Outcome) => Promise<void>,
  startTrial: (flags: ClusterStartFlags) => Promise<void>,
): void {
  const cluster = program
    .command('cluster')
    .description('run several nodes as one, see and change who belongs to them')
  cluster
    .command('start')
    .description('run a cluster on this machine, to try things out, until it is told to stop')
    .option('--nodes <number>', 'how many (3)', numberFlag(1, NODES_MAX))
    .option('--data <directory>', 'where everything is kept (data)')
    .option('--port <number>', 'the HTTP port of the first (8080)', numberFlag(1, 65_535))
    .action(startTrial)
  cluster
    .command('status')
    .description('show the members, and which nodes wait to be added')
    .action(() => run(async (session) => (await admin()).clusterStatus(session)))
  cluster
    .command('rolling-restart')
    .description('restart one node after the other, each when all are well')
    .option('--timeout <seconds>', 'how long to wait for a node (300)', numberFlag(1, 86_400))
    .action((flags: RollingRestartFlags) =>
      run(async (session) => {
        const { clusterRollingRestart } = await import('./cluster-restart.ts')
        return clusterRollingRestart(flags, session)
      }),
    )
  cluster
    .command('add <node>')
    .description('take in a node that waits to join')
    .action((id: string) => run(async (session) => (await admin()).clusterAdd(id, session)))
  cluster
    .command('remove <node>')
    .description('take a member out for good')
    .action((id: string) => run(async (session) => (await admin()).clusterRemove(id, session)))
}

/** As many as may vote; a trial has no use for more. */
const NODES_MAX = 5

function admin(): Promise<typeof import('./cluster-admin.ts')> {
  return import('./cluster-admin.ts')
}
