/** Nodes that die, stop, and have slow or full disks: scenarios of the failure list by number, with all checkers. */
import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { SECOND } from '../world.ts'
import {
  answered,
  longestGap,
  onPlatforms,
  othersThan,
  PARTITION,
  primaryOf,
  put,
  QUIET,
  read,
} from './fixture.ts'

test('a primary that is killed, or loses its power, is followed by another one that serves within 3 s', () =>
  onPlatforms({ nodes: 3, clients: { clients: 10 } }, async (platform) => {
    for (const how of ['kill', 'losePower'] as const) {
      const primary = primaryOf(platform)
      const start = platform.world.now
      platform.cluster.machine(primary)[how]()
      await platform.run(6)
      expect(primaryOf(platform)).not.toBe(primary)
      expect((platform.tables.at(-1)!.atUs - start) / SECOND).toBeLessThan(3)
      expect(longestGap(platform, start)).toBeLessThan(3)
      platform.cluster.start(primary)
      await platform.run(20, () => primaryOf(platform) === primary)
      expect(primaryOf(platform)).toBe(primary)
    }
  }))

test('nodes that stall for two seconds keep their roles', () =>
  onPlatforms({ nodes: 3 }, async (platform) => {
    for (const id of platform.cluster.roster) {
      platform.cluster.machine(id).pause()
      await platform.run(2)
      platform.cluster.machine(id).resume()
      await platform.run(2)
    }
    expect(platform.tables.length).toBe(1)
  }))

test('18: clocks that jump by years and drift by a hundredth move no role and change no answer', () =>
  onPlatforms({ nodes: 3 }, async (platform, random) => {
    const { machines } = platform.cluster
    for (let round = 0; round < 10; round++) {
      const machine = random.pick(machines)
      machine.clockRate = random.pick([0.99, 1.01])
      machine.wallOffsetUs += random.pick([-1, 1]) * random.pick([1, 24 * 3_650]) * 3_600 * SECOND
      await platform.run(1)
    }
    expect(machines.some(({ clockRate }) => clockRate !== 1)).toBe(true)
    expect(machines.some((machine) => Math.abs(machine.wallOffsetUs) > 3_000 * SECOND)).toBe(true)
    expect(platform.tables.length).toBe(1)
  }))

test('19: a primary that was stopped for 30 s is fenced: what it had under way is written once, or not at all', () =>
  onPlatforms({ nodes: 3 }, async (platform) => {
    const primary = primaryOf(platform)
    const { epoch } = platform.node(primary)!.replicas.status(PARTITION)
    const start = platform.world.now
    put(platform, primary, 'zombie')
    await platform.run(0.001)
    platform.cluster.machine(primary).pause()
    await platform.run(30)
    expect(longestGap(platform, start)).toBeLessThan(3)
    const [heir] = othersThan(platform, primary) as [NodeId]
    expect(platform.node(heir)!.directory.row(PARTITION)!.epoch).toBeGreaterThan(epoch)
    platform.cluster.machine(primary).resume()
    const late = put(platform, primary, 'late')
    await answered(platform, [late])
    const status = platform.node(primary)!.replicas.status(PARTITION)
    expect(status.promised).toBeGreaterThan(epoch)
  }))

test('20: a disk with syncs of a second on one node moves no role; on two of three writes are slow and go on', () =>
  onPlatforms({ nodes: 3 }, async (platform) => {
    const [slow, slower] = othersThan(platform, primaryOf(platform)) as [NodeId, NodeId]
    platform.cluster.machine(slow).disk.slowness = 1_000
    const start = platform.world.now
    await platform.run(10)
    const alone = platform.clients.writtenUs.filter((at) => at > start).length
    expect(alone).toBeGreaterThan(10)
    platform.cluster.machine(slower).disk.slowness = 1_000
    const second = platform.world.now
    await platform.run(15)
    expect(platform.clients.writtenUs.filter((at) => at > second).length).toBeGreaterThan(5)
    const write = put(platform, primaryOf(platform), 'slow')
    const askedUs = platform.world.now
    expect(await answered(platform, [write])).toBe(true)
    expect(platform.world.now - askedUs).toBeGreaterThan(SECOND / 5)
    expect(platform.tables.length).toBe(1)
  }))

test('21: a full disk of one replica refuses and nobody is misled; with space again it catches up', () =>
  onPlatforms({ nodes: 3 }, async (platform) => {
    for (const id of [primaryOf(platform), othersThan(platform, primaryOf(platform))[0]!]) {
      const { disk } = platform.cluster.machine(id)
      const { refused } = platform.counts
      disk.capacityBytes = 0
      await platform.run(5)
      expect(platform.counts.refused).toBeGreaterThan(refused)
      disk.capacityBytes = Number.POSITIVE_INFINITY
      await platform.run(3)
    }
  }))

test('26: with two of three nodes down nothing is written or read; with one of them back everything is', () =>
  onPlatforms({ nodes: 3, ...QUIET }, async (platform) => {
    const primary = primaryOf(platform)
    const others = othersThan(platform, primary)
    const before = put(platform, primary, 'before')
    expect(await answered(platform, [before])).toBe(true)
    for (const id of others) platform.cluster.machine(id).kill()
    const asked = [put(platform, primary, 'alone'), read(platform, primary)]
    await platform.run(12)
    expect(asked.map(({ outcome }) => outcome)).toEqual([undefined, undefined])
    platform.cluster.start(others[0]!)
    const again = [put(platform, primary, 'again'), read(platform, primary)]
    expect(await answered(platform, again)).toBe(true)
    expect(again.map(({ outcome }) => outcome?.kind)).toEqual(['done', 'done'])
  }))

test('a node whose disk is slow to open does nothing meanwhile, and nothing of its earlier life goes on', () =>
  onPlatforms({ nodes: 3, ...QUIET }, async (platform) => {
    const primary = primaryOf(platform)
    const machine = platform.cluster.machine(primary)
    const before = put(platform, primary, 'before')
    expect(await answered(platform, [before])).toBe(true)
    const { engine } = platform.node(primary)!
    const records = engine.records(PARTITION)
    machine.losePower()
    // Whatever the start has asked of the disk takes a second at least.
    machine.disk.slowness = 100_000
    platform.cluster.start(primary)
    machine.disk.slowness = 1
    put(platform, primary, 'early')
    await platform.run(0.5)
    expect(platform.cluster.process(primary)?.isOpen).toBe(false)
    expect(platform.node(primary)).toBeUndefined()
    expect(engine.records(PARTITION)).toEqual(records)
    await platform.run(200, () => platform.node(primary) !== undefined)
    const late = put(platform, primary, 'late')
    expect(await answered(platform, [late])).toBe(true)
    expect(late.outcome?.kind).toBe('done')
  }))
