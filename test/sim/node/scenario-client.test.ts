/** Clients that race, try again, and read what is being written: scenarios of the failure list by number, with all checkers. */
import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import {
  answered,
  create,
  onPlatforms,
  othersThan,
  PARTITION,
  primaryOf,
  put,
  QUIET,
  read,
  valueIn,
} from './fixture.ts'
import type { Platform } from './platform.ts'

test('38: of three nodes that create one key with different values one succeeds and two conflict', () =>
  onPlatforms({ nodes: 3, ...QUIET }, async (platform) => {
    const asked = platform.cluster.roster.map((id) => create(platform, id, `of ${id}`))
    expect(await answered(platform, asked)).toBe(true)
    const kinds = asked.map(({ outcome }) => outcome?.kind).sort()
    expect(kinds).toEqual(['conflict', 'conflict', 'done'])
    const winner = platform.cluster.roster[asked.findIndex((it) => it.outcome?.kind === 'done')]
    const reads = platform.cluster.roster.map((id) => read(platform, id))
    expect(await answered(platform, reads)).toBe(true)
    expect(reads.map(valueIn)).toEqual(reads.map(() => `of ${winner}`))
  }))

test('39: a write whose answer is lost is asked for again, also of the next primary, and happens once', () =>
  onPlatforms({ nodes: 3, ...QUIET }, async (platform) => {
    const primary = primaryOf(platform)
    const [asking] = othersThan(platform, primary) as [NodeId]
    const before = lastOf(platform, primary)
    platform.cluster.network.link(primary, asking).isCut = true
    const write = create(platform, asking, 'once')
    await platform.run(0.5)
    // It has been carried out, and whoever asks does not know.
    expect(lastOf(platform, primary)).toBe(before + 1)
    expect(write.isOver).toBe(false)
    platform.cluster.machine(primary).kill()
    expect(await answered(platform, [write])).toBe(true)
    expect(write.outcome).toMatchObject({ kind: 'done', isRepeated: true })
    const heir = primaryOf(platform)
    expect(heir).not.toBe(primary)
    const requests = platform.node(heir)!.engine.records(PARTITION)
    expect(requests.filter(({ requestId }) => requestId !== '')).toHaveLength(1)
  }))

test.each(['nobody else', 'one other replica'] as const)(
  '41: a write that had reached %s when its primary died is there for good, or never was',
  (reached) =>
    onPlatforms({ nodes: 3, ...QUIET }, async (platform) => {
      const primary = primaryOf(platform)
      const [one, other] = othersThan(platform, primary) as [NodeId, NodeId]
      const { network } = platform.cluster
      const first = put(platform, primary, 'first')
      expect(await answered(platform, [first])).toBe(true)
      await platform.run(1)
      network.link(primary, other).isCut = true
      network.link(one, primary).isCut = true
      if (reached === 'nobody else') network.link(primary, one).isCut = true
      const before = lastOf(platform, primary)
      const write = put(platform, primary, 'second')
      const early = read(platform, primary)
      await platform.run(0.3)
      const ends = [primary, one, other].map((id) => lastOf(platform, id) - before)
      expect(ends).toEqual([1, reached === 'nobody else' ? 0 : 1, 0])
      expect([write.isOver, early.isOver]).toEqual([false, false])
      platform.cluster.machine(primary).kill()
      await platform.run(4)
      platform.part([primary], [one, other], false)
      const reads = [one, other, one].map((id) => read(platform, id))
      expect(await answered(platform, reads)).toBe(true)
      expect(new Set(reads.map(valueIn)).size).toBe(1)
      platform.cluster.start(primary)
      await platform.run(20)
      const late = [primary, one, other].map((id) => read(platform, id))
      expect(await answered(platform, late)).toBe(true)
      expect(new Set([...reads, ...late].map(valueIn)).size).toBeLessThanOrEqual(
        write.outcome?.kind === 'done' ? 2 : 1,
      )
    }),
)

function lastOf(platform: Platform, id: NodeId): number {
  return platform.node(id)!.replicas.status(PARTITION).last.seq
}
