/** Programs of two versions in one cluster: scenarios of the failure list by number, on the shipped control state. */
import { expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../src/base/ids.ts'
import { ControlMachine } from '../../src/cluster/control/machine.ts'
import type { Membership, MembershipChange } from '../../src/cluster/control/members.ts'
import {
  decodeResult,
  encodeOrdered,
  type OrderedCommand,
  type OrderedResult,
} from '../../src/cluster/control/ordered.ts'
import type { Applied, Electorate, SlotNumber } from '../../src/cluster/rabia/index.ts'
import { bounce, n1, n2, n3, onSeeds } from './fixture.ts'
import { type RegisterListener, type Replica, rosterOf } from './register.ts'
import type { Stage } from './stage.ts'

/** The shipped state machine, as a program that knows commands up to some format. */
class ControlReplica implements Replica {
  readonly #machine: ControlMachine
  readonly #on: RegisterListener

  constructor(founders: readonly NodeId[], knows: number, on: RegisterListener) {
    this.#machine = new ControlMachine(rosterOf(founders), knows)
    this.#on = on
  }

  get membership(): Membership {
    return this.#machine.membership
  }

  apply(command: string, slot: SlotNumber): Applied {
    const { epoch } = this.membership
    const applied = this.#machine.apply(command)
    if (this.membership.epoch > epoch) this.#on.changed(slot, this.membership.snapshot())
    return applied
  }

  read(key: string): string {
    return this.#machine.state.get(key)?.value ?? ''
  }

  encodeChange(_: string, change: MembershipChange): string {
    return encodeOrdered(change)
  }

  electorate(): Electorate {
    return this.#machine.electorate()
  }

  snapshot(): string {
    return this.#machine.snapshot()
  }

  restore(snapshot: string): void {
    this.#machine.restore(snapshot)
  }
}

/** Has the command ordered through the node, and gives what came of it. */
function execute(play: Stage, node: NodeId, command: string): OrderedResult {
  const { cluster, world } = play
  const client = `administrator ${world.now}`
  let result: OrderedResult | undefined
  cluster.observers.push({
    effect(_, effect) {
      if (effect.kind === 'reply' && effect.client === client && effect.outcome.kind === 'applied')
        result = decodeResult(effect.outcome.result)
    },
  })
  cluster.machine(node).input({ kind: 'request', request: { client, seq: 1, command } })
  play.run(2, () => result !== undefined)
  if (result === undefined) throw new Error(`no answer to ${command}`)
  return result
}

function put(key: string, format = 1): string {
  const command: OrderedCommand = {
    kind: 'write',
    operations: [{ kind: 'put', key, value: key }],
    preconditions: [],
    requestId: `request ${key} ${format}` as RequestId,
  }
  return JSON.stringify({ ...JSON.parse(encodeOrdered(command)), format })
}

test('29: in a rolling upgrade commands of the new format take effect once all know it, and alike everywhere', () => {
  const knows = new Map<NodeId, number>()
  const newReplica = (node: NodeId, founders: readonly NodeId[], on: RegisterListener) =>
    new ControlReplica(founders, knows.get(node) ?? 1, on)
  const options = { nodes: 3, limits: { decisions: 8 }, workload: { clients: 0 }, newReplica }
  onSeeds(options, (play) => {
    const { cluster } = play
    knows.clear()
    const early = { kind: 'refused', why: 'format-not-enabled' }
    const unknown = { kind: 'refused', why: 'format-not-known-by-all' }
    play.run(1)
    for (const node of cluster.roster) {
      expect(execute(play, n1, encodeOrdered({ kind: 'enable', upTo: 2 }))).toEqual(unknown)
      knows.set(node, 2)
      bounce(play, node, 'kill')
      play.run(1)
      for (let i = 0; i < 5; i++) {
        expect(execute(play, node, put(`${node}/${i}`))).toMatchObject({ kind: 'written' })
        expect(execute(play, node, put(`${node}/${i}`, 2))).toEqual(early)
      }
      const announce = encodeOrdered({ kind: 'announce', node, knows: 2 })
      expect(execute(play, node, announce)).toEqual({ kind: 'done' })
    }
    expect(execute(play, n2, encodeOrdered({ kind: 'enable', upTo: 2 }))).toEqual({ kind: 'done' })
    for (const node of cluster.roster)
      expect(execute(play, node, put(`new ${node}`, 2))).toMatchObject({ kind: 'written' })
    play.close()
    for (const node of cluster.roster)
      expect(cluster.process(node)?.registers.read(`new ${n3}`)).toBe(`new ${n3}`)
    expect(play.checker.compactions).toBeGreaterThan(3)
  })
})
