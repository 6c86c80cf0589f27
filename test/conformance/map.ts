import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { text, utf8 } from '../../src/base/bytes.ts'
import type { RequestId } from '../../src/base/ids.ts'
import {
  type Condition,
  type DistributedMap,
  KEY_BYTES_MAX,
  type MapOperation,
  type MapSpace,
  OPERATIONS_MAX,
  VALUE_BYTES_MAX,
  type Version,
} from '../../src/base/port.ts'
import type { Harness } from './harness.ts'
import { testHistories } from './map-history.ts'

/** What every DistributedMap does. */
export function describeMap(name: string, open: () => Promise<Harness<DistributedMap>>): void {
  describe(name, () => {
    testEntries(open)
    testConditions(open)
    testScans(open)
    testRequestIds(open)
    testHistories(open)
  })
}

type Context = { space: MapSpace; map: DistributedMap; restart: () => Promise<MapSpace> }

/** A map for each test, closed behind it. */
function setUp(open: () => Promise<Harness<DistributedMap>>): Context {
  const context = {} as Context
  let harness: Harness<DistributedMap>
  const use = (opened: Harness<DistributedMap>): MapSpace => {
    harness = opened
    context.map = opened.tenant
    context.space = opened.tenant.space('artifacts')
    return context.space
  }
  context.restart = async () => use(await harness.restart())
  beforeEach(async () => {
    use(await open())
  })
  afterEach(() => harness.close())
  return context
}

function testEntries(open: () => Promise<Harness<DistributedMap>>): void {
  const context = setUp(open)

  test('an entry that was never written is absent', async () => {
    expect(await context.space.get('p', 'k')).toEqual({ ok: true, value: undefined })
  })

  test('an entry has the value and the version of the last write', async () => {
    const { space } = context
    await write(space, 'p', [put('k', 'first')])
    const version = await written(space, 'p', [put('k', 'second')])
    const entry = await found(space, 'p', 'k')
    expect([text(entry.value), entry.version]).toEqual(['second', version])
  })

  test('an entry that does not change may be the same object, and is another when it does', async () => {
    const { space } = context
    await written(space, 'p', [put('k', '1')])
    const before = await found(space, 'p', 'k')
    expect(before).toEqual(await found(space, 'p', 'k'))
    await written(space, 'p', [put('k', '2')])
    expect(await found(space, 'p', 'k')).not.toBe(before)
    expect(text(before.value)).toBe('1')
  })

  test('what is known without asking is nothing, or what was committed', async () => {
    const { space } = context
    expect(space.peek('p', 'k')).toBeUndefined()
    const first = await written(space, 'p', [put('k', '1')])
    const known = space.peek('p', 'k') ?? (await found(space, 'p', 'k'))
    expect([text(known.value), known.version]).toEqual(['1', first])
    const second = await written(space, 'p', [put('k', '2')])
    expect([undefined, first, second]).toContainEqual(space.peek('p', 'k')?.version)
    expect(space.peek('p', 'other')).toBeUndefined()
  })

  test('versions grow with every write of a partition key', async () => {
    const { space } = context
    let last: Version = { epoch: 0, seq: 0 }
    for (const sortKey of ['a', 'b', 'a']) {
      const version = await written(space, 'p', [put(sortKey, 'x')])
      expect(isAfter(version, last)).toBe(true)
      expect(await space.version('p')).toEqual({ ok: true, value: version })
      last = version
    }
  })

  test('a deleted entry is absent and can be written again', async () => {
    const { space } = context
    await written(space, 'p', [put('k', '1')])
    await written(space, 'p', [{ kind: 'delete', sortKey: 'k' }])
    expect(await space.get('p', 'k')).toEqual({ ok: true, value: undefined })
    await written(space, 'p', [put('k', '2', 'absent')])
    expect(text((await found(space, 'p', 'k')).value)).toBe('2')
  })

  test('empty keys and values, and the largest, are kept', async () => {
    const { space } = context
    const largest = { key: 'k'.repeat(KEY_BYTES_MAX), value: new Uint8Array(VALUE_BYTES_MAX) }
    largest.value.fill(7)
    await written(space, '', [put('', '')])
    await written(space, largest.key, [{ kind: 'put', sortKey: largest.key, value: largest.value }])
    expect((await found(space, '', '')).value).toHaveLength(0)
    const { value } = await found(space, largest.key, largest.key)
    expect(Buffer.compare(value, largest.value)).toBe(0)
  })

  test('keys that look alike name different entries', async () => {
    const { map } = context
    const places = [
      ['a', 'b/c', 'd'],
      ['a', 'b', 'c/d'],
      ['a', 'b/', 'c/d'],
      ['a', '', 'b/c/d'],
      ['a', 'b\0c', 'd'],
      ['a-b', 'c', 'd'],
      ['a', 'b', ''],
      ['a', '', 'b'],
    ] as const
    for (const [space, partitionKey, sortKey] of places) {
      await written(map.space(space), partitionKey, [
        put(sortKey, `${space}|${partitionKey}|${sortKey}`, 'absent'),
      ])
    }
    for (const [space, partitionKey, sortKey] of places) {
      const { value } = await found(map.space(space), partitionKey, sortKey)
      expect(text(value)).toBe(`${space}|${partitionKey}|${sortKey}`)
    }
  })

  test('a write tells of the version before, so that a reader knows when nothing came in between', async () => {
    const { space } = context
    for (const partitionKey of ['p', 'p', 'q', 'p']) {
      const before = await space.version(partitionKey)
      const result = await write(space, partitionKey, [put('k', 'x')])
      expect(result).toMatchObject({ ok: true, value: { previous: before.ok && before.value } })
    }
    const both = await Promise.all(['1', '2'].map((value) => write(space, 'p', [put('k', value)])))
    const [first, second] = both.map((result) => (result.ok ? result.value : undefined))
    expect(second?.previous).toEqual(first?.version)
  })

  test('what is acknowledged outlives a restart, with its versions', async () => {
    const { space, restart } = context
    const kept = await written(space, 'p', [put('kept', '1'), put('deleted', '2')])
    const last = await written(space, 'p', [{ kind: 'delete', sortKey: 'deleted' }])
    const again = await restart()
    expect((await found(again, 'p', 'kept')).version).toEqual(kept)
    expect(await again.get('p', 'deleted')).toEqual({ ok: true, value: undefined })
    expect(await again.version('p')).toEqual({ ok: true, value: last })
    const next = await written(again, 'p', [put('kept', '3', kept)])
    expect(isAfter(next, last)).toBe(true)
  })

  test('what exceeds a limit is a bug of the caller', async () => {
    const { space } = context
    const tooLong = 'k'.repeat(KEY_BYTES_MAX + 1)
    const large = new Uint8Array(VALUE_BYTES_MAX + 1)
    const many = Array.from({ length: OPERATIONS_MAX + 1 }, (_, i) => put(`k${i}`, ''))
    const half = 'half a pair \ud800'
    await expect(space.get(tooLong, 'k')).rejects.toThrow('a key of more than')
    await expect(space.get('p', tooLong)).rejects.toThrow('a key of more than')
    expect(() => space.peek('p', tooLong)).toThrow('a key of more than')
    await expect(space.scan('p', half)).rejects.toThrow('surrogate')
    await expect(write(space, 'p', [put(half, '')])).rejects.toThrow('surrogate')
    await expect(write(space, 'p', [])).rejects.toThrow('without operations')
    await expect(write(space, 'p', many)).rejects.toThrow('more than 64 operations')
    await expect(write(space, 'p', [put('k', ''), put('k', '')])).rejects.toThrow('twice')
    await expect(write(space, 'p', [{ kind: 'put', sortKey: 'k', value: large }])).rejects.toThrow(
      'a value of more than',
    )
    const heavy = Array.from({ length: 17 }, (_, i) => ({
      ...put(`k${i}`, ''),
      value: new Uint8Array(VALUE_BYTES_MAX),
    }))
    await expect(write(space, 'p', heavy)).rejects.toThrow('more than 4194304 bytes')
    expect(() => context.map.space('Not A Name')).toThrow('name of a space')
  })
}

function testConditions(open: () => Promise<Harness<DistributedMap>>): void {
  const context = setUp(open)

  test('a condition holds for the version it names and no other', async () => {
    const { space } = context
    const first = await written(space, 'p', [put('k', '1', 'absent')])
    const second = await written(space, 'p', [put('k', '2', first)])
    const conflict = { kind: 'conflict', key: 'k', current: second }
    for (const condition of ['absent' as const, first]) {
      const refused = await write(space, 'p', [put('k', '3', condition)])
      expect(refused).toEqual({ ok: false, error: conflict })
    }
    await written(space, 'p', [{ kind: 'delete', sortKey: 'k', condition: second }])
    expect(await write(space, 'p', [put('k', '3', second)])).toEqual({
      ok: false,
      error: { kind: 'conflict', key: 'k', current: undefined },
    })
  })

  test('when one condition fails nothing of the write happens', async () => {
    const { space } = context
    const before = await written(space, 'p', [put('a', '1')])
    const checks: MapOperation = { kind: 'check', sortKey: 'a', condition: 'absent' }
    const refused = await write(space, 'p', [put('b', '1'), checks, put('c', '1')])
    expect(refused).toEqual({ ok: false, error: { kind: 'conflict', key: 'a', current: before } })
    expect(await space.get('p', 'b')).toEqual({ ok: true, value: undefined })
    expect(await space.version('p')).toEqual({ ok: true, value: before })
  })

  test('a check lets a write pass that puts another entry, or the same', async () => {
    const { space } = context
    const version = await written(space, 'p', [put('a', '1')])
    const check: MapOperation = { kind: 'check', sortKey: 'a', condition: version }
    await written(space, 'p', [check, put('b', '1', 'absent'), put('a', '2')])
    expect(text((await found(space, 'p', 'a')).value)).toBe('2')
  })

  test('of many that create an entry at once exactly one wins, and the others learn its version', async () => {
    const { space } = context
    const attempts = Array.from({ length: 40 }, (_, i) =>
      write(space, 'p', [put('k', `${i}`, 'absent'), put(`side ${i}`, '')]),
    )
    const results = await Promise.all(attempts)
    const winners = results.flatMap((result, i) =>
      result.ok ? [{ i, version: result.value.version }] : [],
    )
    expect(winners).toHaveLength(1)
    const [{ i, version }] = winners as [{ i: number; version: Version }]
    const entry = await found(space, 'p', 'k')
    expect([text(entry.value), entry.version]).toEqual([`${i}`, version])
    for (const result of results) {
      if (!result.ok) expect(result.error).toMatchObject({ kind: 'conflict', current: version })
    }
    const page = await space.scan('p', 'side')
    expect(page.ok && page.value.entries.map(({ sortKey }) => sortKey)).toEqual([`side ${i}`])
  })

  test('concurrent increments by version are all counted', async () => {
    const { space } = context
    await written(space, 'p', [put('count', '0')])
    const increment = async (): Promise<void> => {
      for (;;) {
        const { value, version } = await found(space, 'p', 'count')
        const next = `${Number(text(value)) + 1}`
        if ((await write(space, 'p', [put('count', next, version)])).ok) return
      }
    }
    await Promise.all(Array.from({ length: 20 }, increment))
    expect(text((await found(space, 'p', 'count')).value)).toBe('20')
  })
}

function testScans(open: () => Promise<Harness<DistributedMap>>): void {
  const context = setUp(open)

  test('a scan gives the live entries with the prefix in the order of UTF-8 bytes', async () => {
    const { space } = context
    const sortKeys = ['a/\u{1f600}', 'a/b', 'a/\uffee', 'a', 'a/', 'b', 'a/é', 'a0']
    for (const sortKey of sortKeys) await written(space, 'p', [put(sortKey, sortKey)])
    await written(space, 'p', [{ kind: 'delete', sortKey: 'a/b' }])
    await written(space, 'other', [put('a/other', '')])
    const page = await pageOf(space, 'p', 'a/')
    expect(page.entries.map(({ sortKey }) => sortKey)).toEqual([
      'a/',
      'a/é',
      'a/\uffee',
      'a/\u{1f600}',
    ])
    expect(page.entries.map(({ value }) => text(value))).toEqual(
      page.entries.map(({ sortKey }) => sortKey),
    )
    expect(page.next).toBeUndefined()
    expect(await space.version('p')).toEqual({ ok: true, value: page.version })
    expect((await pageOf(space, 'p', 'nothing')).entries).toEqual([])
    expect((await pageOf(space, 'p', '')).entries).toHaveLength(7)
  })

  test('pages together give every live entry once, whatever lies deleted between', async () => {
    const { space } = context
    const names = Array.from({ length: 60 }, (_, i) => `k${String(i).padStart(2, '0')}`)
    await written(
      space,
      'p',
      names.map((name) => put(name, '')),
    )
    const deleted = names.filter((_, i) => i % 7 !== 0)
    await written(
      space,
      'p',
      deleted.map((sortKey) => ({ kind: 'delete' as const, sortKey })),
    )
    const live = names.filter((name) => !deleted.includes(name))
    for (const limit of [1, 2, 3, 9, 10]) {
      const seen: string[] = []
      let after: string | undefined
      do {
        const page = await pageOf(space, 'p', 'k', { limit, ...(after !== undefined && { after }) })
        expect(page.entries.length).toBe(Math.min(limit, live.length - seen.length))
        seen.push(...page.entries.map(({ sortKey }) => sortKey))
        after = page.next
      } while (after !== undefined)
      expect(seen).toEqual(live)
    }
  })

  test('keys that begin with a byte order mark are given back whole, and pages go past them', async () => {
    const { space } = context
    const sortKeys = ['a', '\ufeff', '\ufeffa', '\ufeffb']
    await written(
      space,
      'p',
      sortKeys.map((sortKey) => put(sortKey, sortKey)),
    )
    const seen: string[] = []
    let after: string | undefined
    for (let pages = 0; pages < sortKeys.length; pages++) {
      const page = await pageOf(space, 'p', '', { limit: 1, ...(after !== undefined && { after }) })
      seen.push(...page.entries.map(({ sortKey }) => sortKey))
      after = page.next
    }
    expect(seen).toEqual(sortKeys)
    expect(after).toBeUndefined()
  })

  test('a page begins after the given key, wherever that lies', async () => {
    const { space } = context
    await written(space, 'p', [put('ab', ''), put('b1', ''), put('b2', ''), put('c', '')])
    const keysAfter = async (after: string) =>
      (await pageOf(space, 'p', 'b', { after })).entries.map(({ sortKey }) => sortKey)
    expect(await keysAfter('a')).toEqual(['b1', 'b2'])
    expect(await keysAfter('b')).toEqual(['b1', 'b2'])
    expect(await keysAfter('b1')).toEqual(['b2'])
    expect(await keysAfter('b10')).toEqual(['b2'])
    expect(await keysAfter('b2')).toEqual([])
    expect(await keysAfter('c')).toEqual([])
  })
}

function testRequestIds(open: () => Promise<Harness<DistributedMap>>): void {
  const context = setUp(open)

  test('a retry gets the first answer and changes nothing', async () => {
    const { space } = context
    const first = await written(space, 'p', [put('k', '1', 'absent')], 'id')
    const second = await written(space, 'p', [put('k', '2')])
    expect(await written(space, 'p', [put('k', '1', 'absent')], 'id')).toEqual(first)
    expect((await found(space, 'p', 'k')).version).toEqual(second)
  })

  test('retries at the same time are one write', async () => {
    const { space } = context
    const retries = Array.from({ length: 10 }, () =>
      written(space, 'p', [put('k', '1', 'absent')], 'id'),
    )
    const versions = await Promise.all(retries)
    expect(new Set(versions.map(({ seq }) => seq)).size).toBe(1)
  })

  test('a retry is recognised after a restart', async () => {
    const { space, restart } = context
    const first = await written(space, 'p', [put('k', '1', 'absent')], 'id')
    await written(space, 'p', [put('k', '2')])
    const again = await restart()
    expect(await written(again, 'p', [put('k', '1', 'absent')], 'id')).toEqual(first)
    expect(text((await found(again, 'p', 'k')).value)).toBe('2')
  })

  test('a refused write leaves its request id unused', async () => {
    const { space } = context
    const refused = await write(space, 'p', [put('k', '1', { epoch: 1, seq: 99 })], 'id')
    expect(refused.ok).toBe(false)
    await written(space, 'p', [put('k', '1', 'absent')], 'id')
  })
}

let requestLast = 0

function put(sortKey: string, value: string, condition?: Condition): MapOperation {
  return { kind: 'put', sortKey, value: utf8(value), ...(condition && { condition }) }
}

function write(
  space: MapSpace,
  partitionKey: string,
  operations: readonly MapOperation[],
  requestId = `request ${++requestLast}`,
) {
  return space.write(partitionKey, operations, { requestId: requestId as RequestId })
}

async function written(...args: Parameters<typeof write>): Promise<Version> {
  const result = await write(...args)
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`)
  return result.value.version
}

async function found(space: MapSpace, partitionKey: string, sortKey: string) {
  const result = await space.get(partitionKey, sortKey)
  if (!result.ok || result.value === undefined) throw new Error(`no entry ${sortKey}`)
  return result.value
}

async function pageOf(...[space, ...args]: [MapSpace, ...Parameters<MapSpace['scan']>]) {
  const result = await space.scan(...args)
  if (!result.ok) throw new Error(result.error.reason)
  return result.value
}

function isAfter(a: Version, b: Version): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.seq > b.seq)
}
