import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { a, b, Cluster, c, d, e } from './fixture.ts'
import { random } from './random.ts'

const SEEDS = 60
const EVENTS = 1_500

test.each([[[a]], [[a, b]], [[a, b, c]], [[a, b, c, d]], [[a, b, c, d, e]]])(
  '%j apply every request once in one order under loss, repetition, reordering and crashes',
  (members) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        soak(members, seed)
      } catch (cause) {
        throw new Error(`soak(${members}, ${seed})`, { cause })
      }
    }
  },
)

function soak(members: readonly NodeId[], seed: number): void {
  const next = random(seed * 7 + members.length)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!
  const cluster = new Cluster(members)
  const decided = new Map<number, string>()
  let clients = 0
  for (let event = 0; event < EVENTS; event++) {
    const node = pick(members)
    const { isUp } = cluster.host(node)
    const chance = next()
    if (chance < 0.01) {
      if (isUp) cluster.crash(node, Math.floor(next() * 3))
      else cluster.start(node)
    } else if (chance < 0.05 && isUp) {
      cluster.request(node, `client ${clients++}`, `command ${clients}`)
    } else if (chance < 0.1) {
      cluster.tick([node])
    } else if (chance < 0.4 && isUp) {
      cluster.sync(node)
    } else if (cluster.packets.length > 0) {
      const index = Math.floor(next() * Math.min(cluster.packets.length, 20))
      if (chance < 0.45) cluster.packets.push(cluster.packets[index]!)
      else if (chance < 0.5) cluster.packets.splice(index, 1)
      else cluster.deliver(index)
    }
    check(cluster, decided)
  }
  for (const node of members) if (!cluster.host(node).isUp) cluster.start(node)
  cluster.heal()
  check(cluster, decided)
  for (const node of members) expect(cluster.applied(node)).toEqual(cluster.applied(members[0]!))
  expect(new Set(cluster.applied(members[0]!)).size).toBe(cluster.applied(members[0]!).length)
  const answered = cluster.effects.filter(({ effect }) => effect.kind === 'reply').length
  expect(cluster.applied(members[0]!).length).toBeGreaterThanOrEqual(Math.min(answered, 1))
}

/** Whatever was applied in a slot, anywhere and before any crash, is the same. */
function check(cluster: Cluster, decided: Map<number, string>): void {
  for (const { effect } of cluster.effects.splice(0)) {
    if (effect.kind === 'violation') throw new Error(effect.reason)
    if (effect.kind !== 'applied') continue
    const outcome = `${effect.batch} ${effect.digest}`
    expect(decided.get(effect.slot) ?? outcome).toBe(outcome)
    decided.set(effect.slot, outcome)
  }
}
