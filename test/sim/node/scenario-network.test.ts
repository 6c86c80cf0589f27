/** Networks that fail around whole nodes: scenarios of the failure list by number, with all checkers. */
import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { SECOND } from '../world.ts'
import {
  answered,
  onPlatforms,
  othersThan,
  PARTITION,
  primaryOf,
  put,
  QUIET,
  read,
} from './fixture.ts'

test.each([3, 5])(
  '9: of %d nodes fewer than half, the primary among them, acknowledge and read nothing; the others go on within 3 s',
  (nodes) =>
    onPlatforms({ nodes }, async (platform) => {
      const primary = primaryOf(platform)
      const spare = othersThan(platform, primary).slice(0, nodes === 3 ? 0 : 1)
      const few = [primary, ...spare]
      const many = othersThan(platform, ...few)
      const { version } = platform.tables.at(-1)!.table
      const start = platform.world.now
      platform.part(few, many)
      const asked = few.flatMap((id) => [put(platform, id, 'lost'), read(platform, id)])
      await platform.run(3)
      expect(platform.tables.at(-1)!.table.version).toBeGreaterThan(version)
      expect(many).toContain(primaryOf(platform))
      const other = put(platform, many[0] as NodeId, 'kept')
      expect(await answered(platform, [other])).toBe(true)
      expect(other.outcome?.kind).toBe('done')
      expect((platform.world.now - start) / SECOND).toBeLessThan(4)
      await platform.run(8)
      expect(asked.map(({ outcome }) => outcome)).toEqual(asked.map(() => undefined))
    }),
)

test('10: with one direction of any link lost nothing moves, and writes go on', () =>
  onPlatforms({ nodes: 3 }, async (platform) => {
    const { network, roster } = platform.cluster
    for (const from of roster) {
      for (const to of othersThan(platform, from)) {
        const start = platform.world.now
        network.link(from, to).isCut = true
        await platform.run(5)
        expect(platform.clients.writtenUs.filter((at) => at > start).length).toBeGreaterThan(5)
        network.link(from, to).isCut = false
        await platform.run(0.5)
      }
    }
    expect(network.counts.cut).toBeGreaterThan(100)
    expect(platform.tables.length).toBe(1)
  }))

test('11: two nodes that only a third one hears keep their roles, and writes go on', () =>
  onPlatforms({ nodes: 3 }, async (platform) => {
    const primary = primaryOf(platform)
    const [other] = othersThan(platform, primary) as [NodeId]
    const start = platform.world.now
    platform.part([primary], [other])
    await platform.run(20)
    expect(platform.cluster.network.counts.cut).toBeGreaterThan(100)
    expect(platform.tables.length).toBe(1)
    expect(platform.clients.writtenUs.filter((at) => at > start).length).toBeGreaterThan(20)
  }))

test('12: links that flap every one to five seconds, and clogs of some of them, cost time and nothing else', () =>
  onPlatforms({ nodes: 3 }, async (platform, random) => {
    const { network, roster } = platform.cluster
    let flaps = 0
    for (let round = 0; round < 8; round++) {
      const [a, b] = random.shuffled(roster) as [NodeId, NodeId]
      platform.part([a], [b])
      const clogged = random.shuffled(roster).slice(1)
      for (const id of clogged) network.link(id, a).isClogged = id !== a
      await platform.run(1 + 4 * random.next())
      platform.part([a], [b], false)
      for (const id of clogged) network.unclog(id, a)
      flaps++
      await platform.run(random.next())
    }
    expect(flaps).toBe(8)
    expect(network.counts.cut).toBeGreaterThan(50)
    expect(network.counts.clogged).toBeGreaterThan(50)
  }))

test('42: what one replica alone has missed gets there without another write', () =>
  onPlatforms({ nodes: 3, ...QUIET }, async (platform) => {
    const primary = primaryOf(platform)
    const [, deaf] = othersThan(platform, primary) as [NodeId, NodeId]
    const link = platform.cluster.network.link(primary, deaf)
    const lastOf = (id: NodeId) => platform.node(id)!.replicas.status(PARTITION).last.seq
    const before = lastOf(deaf)
    link.isCut = true
    const write = put(platform, primary, 'missed')
    expect(await answered(platform, [write])).toBe(true)
    expect(write.outcome?.kind).toBe('done')
    expect([lastOf(primary), lastOf(deaf)]).toEqual([before + 1, before])
    link.isCut = false
    await platform.run(2)
    expect(lastOf(deaf)).toBe(before + 1)
  }))
