/**
 * How many slots a second of one core decides: three replicas in one process, messages passed by reference in memory,
 * writes durable at once. What is measured is the protocol alone, in processor time, so that other work on the machine
 * matters less. `npm run bench:rabia [-- seconds]`
 */
import type { NodeId } from '../../src/base/ids.ts'
import {
  type Applied,
  type Effect,
  electorate,
  type Input,
  Rabia,
  type StateMachine,
} from '../../src/cluster/rabia/index.ts'

const SECONDS = Number(process.argv[2] ?? 5)
const COMMAND = 'x'.repeat(256)
const GOAL = 5_000

for (const [clients, label] of [
  [1, '1 client'],
  [3, '1 client per node'],
  [192, '64 clients per node'],
] as const) {
  const { slots, forfeited, commands, seconds } = run(clients)
  console.log(
    `${label}: ${Math.round(slots / seconds)} slots/s, ${Math.round(commands / seconds)} commands/s, ` +
      `${((100 * forfeited) / slots).toFixed(1)} % forfeited`,
  )
  if (slots / seconds < GOAL) process.exitCode = 1
}

/** Every client sends its next command as soon as the one before is answered. */
function run(clients: number): Measured {
  const nodes = ['a', 'b', 'c'] as NodeId[]
  const members = electorate(1, nodes)
  const machine: StateMachine = {
    apply: (): Applied => ({ kind: 'applied', result: 'done' }),
    electorate: () => members,
    snapshot: () => '',
    restore: () => {},
  }
  const replicas = new Map(
    nodes.map((self) => [self, new Rabia({ self, cluster: 'bench', boot: '1', machine })]),
  )
  const inputs: { to: NodeId; input: Input }[] = []
  const measured = { slots: 0, forfeited: 0, commands: 0, seconds: 0 }
  const take = (node: NodeId, effect: Effect): void => {
    if (effect.kind === 'persist') {
      inputs.push({ to: node, input: { kind: 'persisted', token: effect.token } })
    } else if (effect.kind === 'send') {
      for (const to of effect.to) {
        inputs.push({ to, input: { kind: 'message', from: node, message: effect.message } })
      }
    } else if (effect.kind === 'reply') {
      measured.commands++
      const request = { client: effect.client, seq: effect.seq + 1, command: COMMAND }
      inputs.push({ to: node, input: { kind: 'request', request } })
    } else if (effect.kind === 'applied' && node === nodes[0]) {
      measured.slots++
      if (effect.batch === undefined) measured.forfeited++
    }
  }
  for (const to of nodes) inputs.push({ to, input: { kind: 'start' } })
  for (let client = 0; client < clients; client++) {
    const request = { client: `client ${client}`, seq: 1, command: COMMAND }
    inputs.push({ to: nodes[client % 3] as NodeId, input: { kind: 'request', request } })
  }
  const begin = process.cpuUsage()
  for (let head = 0; ; head++) {
    const next = inputs[head]
    if (!next) throw new Error('nothing left to do')
    const replica = replicas.get(next.to) as Rabia
    for (const effect of replica.step(next.input)) take(next.to, effect)
    if (head < 4_096) continue
    inputs.splice(0, head + 1)
    head = -1
    const { user, system } = process.cpuUsage(begin)
    measured.seconds = (user + system) / 1_000_000
    if (measured.seconds >= SECONDS) return measured
  }
}

type Measured = { slots: number; forfeited: number; commands: number; seconds: number }
