import { beforeEach, describe, expect, test, vi } from 'vitest'
import { text, utf8 } from '../../../src/base/bytes.ts'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import {
  type MapSpace,
  OPERATIONS_MAX,
  SCAN_BYTES_MAX,
  VALUE_BYTES_MAX,
  type Version,
} from '../../../src/base/port.ts'
import { entryKey, entryPrefix, recordKey } from '../../../src/cluster/dht/key.ts'
import { openReplicatedMap, type ReplicatedMap } from '../../../src/cluster/dht/map/map.driver.ts'
import { partitionOf } from '../../../src/cluster/dht/partition.ts'
import { type EngineRange, entriesBytes } from '../../../src/storage/index.ts'
import type { Storage } from '../../../src/storage/storage.disk.ts'
import { describeMap } from '../../conformance/map.ts'
import { describeMapCrashes } from '../../conformance/map-history.ts'
import { DiskTwin, failure } from '../../twin/disk.ts'
import { openTwinStorage, resideOnDisk, resideOnTwin, type Tenant } from '../fixture.ts'

async function openMap({ engine, highWater }: Storage): Promise<Tenant<ReplicatedMap>> {
  const map = await openReplicatedMap({ engine, highWater, self: 'node-1' as NodeId })
  return { tenant: map, close: () => map.close() }
}

describeMap('the map of one node on the disk twin', () => resideOnTwin(openMap))
describeMap('the map of one node on LevelDB', () => resideOnDisk(openMap))
describeMapCrashes('the map of one node', (seed) => resideOnTwin(openMap, { seed }))

/** Which no version of Aether has written yet. */
const UNKNOWN_FORMAT = 255

let requestLast = 0

function write(space: MapSpace, sortKey: string, value: string, condition?: Version) {
  const operation = { kind: 'put' as const, sortKey, value: utf8(value) }
  const requestId = `request ${++requestLast}` as RequestId
  return space.write('p', [condition ? { ...operation, condition } : operation], { requestId })
}

async function readText(space: MapSpace, sortKey: string): Promise<string | undefined> {
  const result = await space.get('p', sortKey)
  return result.ok && result.value !== undefined ? text(result.value.value) : undefined
}

async function valuesOf(map: ReplicatedMap): Promise<string[]> {
  const values: string[] = []
  for await (const value of map.valuesHere('s')) values.push(text(value))
  return values
}

test('a scan reads little more than its page, also behind tombstones', async () => {
  const reads: number[] = []
  const observe = ({ engine, highWater }: Storage) => {
    const scan = async (range: EngineRange) => {
      const found = await engine.scan(range)
      reads.push(entriesBytes(found))
      return found
    }
    return openMap({
      engine: {
        get: (key) => engine.get(key),
        scan,
        commit: (operations) => engine.commit(operations),
        close: () => engine.close(),
      },
      highWater,
    } as Storage)
  }
  const { tenant: map, close } = await resideOnTwin(observe)
  const space = map.space('s')
  const large = 'x'.repeat(VALUE_BYTES_MAX)
  for (let i = 10; i < 60; i++) await write(space, `b${i}`, large)
  for (let i = 0; i < 10; i++) {
    const operations = Array.from({ length: OPERATIONS_MAX }, (_, j) => ({
      kind: 'delete' as const,
      sortKey: `a${i}/${j}`,
    }))
    await space.write('p', operations, { requestId: `deletes ${i}` as RequestId })
  }
  reads.splice(0)
  const sortKeys = async (limit?: number, after?: string) => {
    const options = { ...(limit === undefined ? {} : { limit }), ...(after ? { after } : {}) }
    const page = await space.scan('p', '', options)
    return page.ok ? [...page.value.entries.map(({ sortKey }) => sortKey), page.value.next] : []
  }
  expect(await sortKeys(3)).toEqual(['b10', 'b11', 'b12', 'b12'])
  const keys: (string | undefined)[] = []
  let next: string | undefined
  do {
    const page = await sortKeys(undefined, next)
    next = page.pop()
    keys.push(...page)
  } while (next !== undefined)
  expect(keys).toEqual(Array.from({ length: 50 }, (_, i) => `b${i + 10}`))
  expect(Math.max(...reads)).toBeLessThan(2 * SCAN_BYTES_MAX + 2 * VALUE_BYTES_MAX)
  await close()
})

describe('a disk that is full', () => {
  test('refuses what is in flight and loses nothing before', async () => {
    const disk = new DiskTwin({ capacityBytes: 4_000_000 })
    const harness = await resideOnTwin(openMap, disk)
    const space = harness.tenant.space('s')
    const large = Array.from({ length: 2_000 }, (_, i) => write(space, 'k', `${i}`.repeat(1_000)))
    const outcomes = await Promise.all(large)
    const refused = outcomes.findIndex((outcome) => !outcome.ok)
    expect(refused).toBeGreaterThan(0)
    for (const outcome of outcomes.slice(refused)) {
      expect(outcome).toEqual({ ok: false, error: { kind: 'no-space' } })
    }
    const kept = outcomes[refused - 1]
    disk.capacityBytes = 2 ** 30
    const again = await write(space, 'k', 'again', kept?.ok ? kept.value.version : undefined)
    expect(again).toMatchObject({ value: { version: { epoch: 1, seq: refused + 1 } } })
    const { tenant: map, close } = await harness.restart()
    expect(await readText(map.space('s'), 'k')).toBe('again')
    await close()
  })
})

describe('a disk that fails', () => {
  test('leaves writes unknown, serves no more and tells the node', async () => {
    let isBroken = false
    const disk = new DiskTwin({
      before: ({ kind, path }) => {
        if (isBroken && kind === 'datasync') throw failure('EIO', path)
      },
    })
    const { tenant: map } = await resideOnTwin(openMap, disk)
    const space = map.space('s')
    await write(space, 'k', 'durable')
    isBroken = true
    const unknown = { ok: false, error: { kind: 'outcome-unknown' } }
    expect(await Promise.all([write(space, 'k', '1'), write(space, 'l', '2')])).toMatchObject([
      unknown,
      unknown,
    ])
    expect(await map.failed).toMatchObject({ code: 'disk-failed' })
    const unavailable = { ok: false, error: { kind: 'unavailable' } }
    expect(await write(space, 'k', '3')).toMatchObject(unavailable)
    expect(await space.get('p', 'l')).toMatchObject(unavailable)
    expect(await space.scan('p', '')).toMatchObject(unavailable)
    expect(await space.version('p')).toMatchObject(unavailable)
  })
})

test('a replica that fails in a client’s step serves no more and tells the node', async () => {
  const storage = await openTwinStorage(new DiskTwin())
  const { tenant: map } = await openMap(storage)
  const space = map.space('s')
  await write(space, 'k', 'durable')
  const prefix = entryPrefix(partitionOf('s', 'p'), 's', 'p')
  const value = Uint8Array.of(UNKNOWN_FORMAT)
  await storage.engine.commit([{ kind: 'put', key: entryKey(prefix, 'l'), value }])
  const outcome = await write(space, 'l', 'x', { epoch: 1, seq: 1 })
  expect(outcome).toMatchObject({ ok: false, error: { kind: 'outcome-unknown' } })
  expect(await map.failed).toMatchObject({ code: 'data-format-newer' })
  const unavailable = { ok: false, error: { kind: 'unavailable' } }
  expect(await write(space, 'k', 'y')).toMatchObject(unavailable)
  expect(await space.scan('p', '')).toMatchObject(unavailable)
})

describe('reads', () => {
  test('a warm entry is one object until it changes', async () => {
    const { tenant: map, close } = await resideOnTwin(openMap)
    const space = map.space('s')
    await write(space, 'k', '1')
    await space.get('p', 'k')
    expect(space.get('p', 'k')).toBe(space.get('p', 'k'))
    await write(space, 'other', '1')
    expect(space.get('p', 'k')).toBe(space.get('p', 'k'))
    await write(space, 'k', '2')
    expect(await readText(space, 'k')).toBe('2')
    await close()
  })

  test('what is known without asking is what there is, and the same object', async () => {
    const harness = await resideOnTwin(openMap)
    const space = harness.tenant.space('s')
    await write(space, 'k', '1')
    expect(space.peek('p', 'k')).toMatchObject({ version: { epoch: 1, seq: 1 } })
    const found = await space.get('p', 'k')
    expect(found.ok && found.value).toBe(space.peek('p', 'k'))
    const writing = write(space, 'k', '2')
    expect(text(space.peek('p', 'k')?.value ?? utf8(''))).toBe('1')
    await writing
    expect(text(space.peek('p', 'k')?.value ?? utf8(''))).toBe('2')
    await space.write('p', [{ kind: 'delete', sortKey: 'k' }], { requestId: 'x' as RequestId })
    expect(space.peek('p', 'k')).toBeUndefined()
    await write(space, 'k', '3')
    const again = (await harness.restart()).tenant.space('s')
    await again.version('p')
    expect(text(again.peek('p', 'k')?.value ?? utf8(''))).toBe('3')
  })

  test.each([0, 2_000])('a cache of %i bytes gives the same answers', async (cacheBytes) => {
    const { engine, highWater, close } = await openTwinStorage(new DiskTwin())
    const map = await openReplicatedMap({
      engine,
      highWater,
      self: 'node-1' as NodeId,
      cacheBytes,
    })
    const space = map.space('s')
    for (let i = 0; i < 100; i++) {
      await write(space, `k${i % 10}`, `${i}`)
      expect(await readText(space, `k${i % 10}`)).toBe(`${i}`)
      expect(await readText(space, `k${(i + 1) % 10}`)).toBe(i < 9 ? undefined : `${i - 9}`)
    }
    await map.close()
    await close()
  })

  test('show nothing that a crash could take away', async () => {
    const shown: (string | undefined)[] = []
    for (let turns = 0; turns < 60; turns++) {
      const harness = await resideOnTwin(openMap)
      const space = harness.tenant.space('s')
      await write(space, 'k', 'before')
      await readText(space, 'k')
      // Let go at once, the commit would run to its end before anything is read.
      vi.useFakeTimers({ toFake: ['setImmediate'] })
      void write(space, 'k', 'after')
      while (vi.getTimerCount() === 0) await Promise.resolve()
      vi.runAllTimers()
      vi.useRealTimers()
      for (let i = 0; i < turns; i++) await Promise.resolve()
      const seen = await readText(space, 'k')
      const { tenant, close } = await harness.crash()
      const survived = await readText(tenant.space('s'), 'k')
      if (seen === 'after') expect(survived).toBe('after')
      shown.push(seen)
      await close()
    }
    expect(shown).toContain('before')
    expect(shown).toContain('after')
  })
})

test('the values here are those of all living entries of the space', async () => {
  const { tenant: map, close } = await resideOnTwin(openMap)
  const space = map.space('s')
  const expected = Array.from({ length: 150 }, (_, i) => `${i}`)
  await Promise.all(expected.map((value, i) => write(space, `k${i}`, value)))
  await write(map.space('s-other'), 'k', 'of another space')
  await write(space, 'k', 'old')
  await write(space, 'k', 'new')
  const requestId = 'removal' as RequestId
  await space.write('p', [{ kind: 'delete', sortKey: 'k0' }], { requestId })
  expect((await valuesOf(map)).sort()).toEqual([...expected.slice(1), 'new'].sort())
  await close()
})

describe('an engine that has lost writes in silence', () => {
  const partition = partitionOf('s', 'p')
  const damaged = {
    code: 'data-damaged',
    message: expect.stringContaining(`partition ${partition} has lost acknowledged writes`),
  }
  let disk: DiskTwin

  beforeEach(async () => {
    disk = new DiskTwin()
    const { tenant: map, close } = await resideOnTwin(openMap, disk)
    for (let i = 0; i < 5; i++) await write(map.space('s'), `k${i}`, '')
    await close()
  })

  async function lose(...seqs: number[]): Promise<DiskTwin> {
    const { engine, close } = await openTwinStorage(disk.kill())
    const keys = seqs.map((seq) => recordKey(partition, { epoch: 1, seq }))
    await engine.commit(keys.map((key) => ({ kind: 'delete', key })))
    await close()
    return disk.kill()
  }

  test('is opened when nothing is missing', async () => {
    const { tenant: map, close } = await resideOnTwin(openMap, await lose())
    expect(await map.space('s').version('p')).toEqual({ ok: true, value: { epoch: 1, seq: 5 } })
    await close()
  })

  test('is not opened when the newest write is missing', async () => {
    await expect(lose(5).then((left) => resideOnTwin(openMap, left))).rejects.toMatchObject(damaged)
  })

  test('does not serve a partition with a gap', async () => {
    const { tenant: map, close } = await resideOnTwin(openMap, await lose(3))
    const space = map.space('s')
    await expect(space.get('p', 'k1')).rejects.toMatchObject(damaged)
    await expect(write(space, 'k1', '')).rejects.toMatchObject(damaged)
    expect((await space.get('another', 'k')).ok).toBe(true)
    await close()
  })

  test('does not pass off what is left of a partition with a gap as all its values', async () => {
    const { tenant: map, close } = await resideOnTwin(openMap, await lose(3))
    await expect(valuesOf(map)).rejects.toMatchObject(damaged)
    await close()
  })
})
