import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { RequestId } from '../../src/base/ids.ts'
import type {
  ControlChange,
  ControlOperation,
  ControlPrecondition,
  ControlStore,
  Revision,
} from '../../src/base/port.ts'
import { seededRandom } from '../twin/random.ts'
import type { CrashHarness, Harness } from './harness.ts'

/** What every ControlStore does. */
export function describeControlStore(
  name: string,
  open: () => Promise<Harness<ControlStore>>,
): void {
  describe(name, () => {
    testWrites(open)
    testRequestIds(open)
    testWatches(open)
  })
}

/**
 * What every ControlStore does that may lose its power: for a store that can be made to lose what
 * is not durable.
 */
export function describeControlCrashes(
  name: string,
  open: (seed: number) => Promise<CrashHarness<ControlStore>>,
): void {
  const seeds = Array.from({ length: 6 }, (_, i) => i + 1)
  test.each(seeds)(`${name} loses nothing acknowledged in a crash, seed %i`, async (seed) => {
    const random = seededRandom(seed)
    let harness = await open(seed)
    const acknowledged = new Map<number, Revision>()
    let last = 0
    for (let round = 0; round < 4; round++) {
      const store = harness.tenant
      const ids = Array.from({ length: 8 }, () => ++last)
      for (const id of ids) {
        void write(store, [put(`k${id % 3}`, `${id}`)], `id ${id}`).then((result) => {
          if (result.ok) acknowledged.set(id, result.value)
        })
      }
      for (let turns = random() * 300; turns > 0; turns--) await Promise.resolve()
      harness = await harness.crash()
      for (const id of ids) {
        const first = acknowledged.get(id)
        const retried = await write(harness.tenant, [put(`k${id % 3}`, `${id}`)], `id ${id}`)
        expect(retried).toEqual({ ok: true, value: first ?? expect.any(Number) })
      }
    }
    const seen = await take(harness.tenant.watch('', 0), last)
    expect(seen.map(({ revision }) => revision)).toEqual(seen.map((_, i) => i + 1))
    expect(new Set(seen.map(({ value }) => value)).size).toBe(last)
    await harness.close()
  })
}

type Context = { store: ControlStore; restart: () => Promise<ControlStore> }

/** A store for each test, closed behind it. */
function setUp(open: () => Promise<Harness<ControlStore>>): Context {
  const context = {} as Context
  let harness: Harness<ControlStore>
  const use = (opened: Harness<ControlStore>): ControlStore => {
    harness = opened
    context.store = opened.tenant
    return context.store
  }
  context.restart = async () => use(await harness.restart())
  beforeEach(async () => {
    use(await open())
  })
  afterEach(() => harness.close())
  return context
}

function testWrites(open: () => Promise<Harness<ControlStore>>): void {
  const context = setUp(open)

  test('a key that was never written is absent', async () => {
    expect(await context.store.get('k')).toEqual({ ok: true, value: undefined })
  })

  test('each write has the next revision, and entries that of their last write', async () => {
    const { store } = context
    expect(await written(store, [put('a', '1'), put('b', '1')])).toBe(1)
    expect(await written(store, [put('a', '2')])).toBe(2)
    expect(await store.get('a')).toEqual({ ok: true, value: { value: '2', revision: 2 } })
    expect(await store.get('b')).toEqual({ ok: true, value: { value: '1', revision: 1 } })
  })

  test('a deleted key is absent, and deleting it again changes nothing', async () => {
    const { store } = context
    await written(store, [put('a', '1')])
    await written(store, [{ kind: 'delete', key: 'a' }])
    expect(await written(store, [{ kind: 'delete', key: 'a' }])).toBe(3)
    expect(await store.get('a')).toEqual({ ok: true, value: undefined })
  })

  test('a list has the keys with the prefix in the order of UTF-8 bytes', async () => {
    const { store } = context
    for (const key of ['p/\u{1f600}', 'p/b', 'p/\uffee', 'p', 'q', 'p/']) {
      await written(store, [put(key, key)])
    }
    const list = await store.list('p/')
    expect(list.ok && list.value).toEqual([
      { key: 'p/', value: 'p/', revision: 6 },
      { key: 'p/b', value: 'p/b', revision: 2 },
      { key: 'p/\uffee', value: 'p/\uffee', revision: 3 },
      { key: 'p/\u{1f600}', value: 'p/\u{1f600}', revision: 1 },
    ])
    expect(await store.list('none')).toEqual({ ok: true, value: [] })
  })

  test('when one precondition fails nothing is written and no revision used', async () => {
    const { store } = context
    await written(store, [put('a', '1')])
    const holds = { key: 'b', revision: 'absent' as const }
    const cases: [ControlPrecondition, Revision | undefined][] = [
      [{ key: 'a', revision: 'absent' }, 1],
      [{ key: 'a', revision: 2 }, 1],
      [{ key: 'c', revision: 1 }, undefined],
    ]
    for (const [fails, current] of cases) {
      const refused = await write(store, [put('b', '1')], undefined, [holds, fails])
      expect(refused).toEqual({ ok: false, error: { kind: 'conflict', key: fails.key, current } })
    }
    expect(await store.get('b')).toEqual({ ok: true, value: undefined })
    expect(await written(store, [put('b', '1')], undefined, [holds])).toBe(2)
  })

  test('of many that create a key at once exactly one wins', async () => {
    const { store } = context
    const absent = [{ key: 'k', revision: 'absent' as const }]
    const attempts = Array.from({ length: 20 }, (_, i) =>
      write(store, [put('k', `${i}`)], undefined, absent),
    )
    const results = await Promise.all(attempts)
    const winners = results.flatMap((result, i) => (result.ok ? [`${i}`] : []))
    expect(winners).toHaveLength(1)
    expect(await store.get('k')).toEqual({ ok: true, value: { value: winners[0], revision: 1 } })
  })

  test('what is acknowledged outlives a restart, with its revisions', async () => {
    const { store, restart } = context
    await written(store, [put('a', '1'), put('b', '1')])
    await written(store, [{ kind: 'delete', key: 'b' }])
    const again = await restart()
    const entry = { value: '1', revision: 1 }
    expect(await again.list('')).toEqual({ ok: true, value: [{ key: 'a', ...entry }] })
    expect(await written(again, [put('b', '2')])).toBe(3)
  })

  test('what exceeds a limit is a bug of the caller', async () => {
    const { store } = context
    const many = Array.from({ length: 65 }, (_, i) => put(`${i}`, ''))
    await expect(write(store, [put('k', 'v'.repeat(65_537))])).rejects.toThrow('a value over')
    await expect(write(store, [put('k'.repeat(2_049), '')])).rejects.toThrow('a key over')
    await expect(write(store, [put('half \ud800', '')])).rejects.toThrow('surrogate')
    await expect(write(store, many)).rejects.toThrow('more than 64')
    await expect(write(store, [put('k', '1'), put('k', '2')])).rejects.toThrow('twice')
    await written(store, [put('k'.repeat(2_048), 'v'.repeat(65_536))])
  })
}

function testRequestIds(open: () => Promise<Harness<ControlStore>>): void {
  const context = setUp(open)

  test('a retry gets the first answer and changes nothing, also after a restart', async () => {
    const { store, restart } = context
    const absent = [{ key: 'k', revision: 'absent' as const }]
    const retries = [1, 2, 3].map(() => written(store, [put('k', '1')], 'id', absent))
    expect(await Promise.all(retries)).toEqual([1, 1, 1])
    await written(store, [put('k', '2')])
    expect(await written(store, [put('k', '1')], 'id', absent)).toBe(1)
    const again = await restart()
    expect(await written(again, [put('k', '1')], 'id', absent)).toBe(1)
    expect(await again.get('k')).toEqual({ ok: true, value: { value: '2', revision: 2 } })
  })

  test('a refused write leaves its request id unused', async () => {
    const { store } = context
    const refused = await write(store, [put('k', '1')], 'id', [{ key: 'k', revision: 7 }])
    expect(refused.ok).toBe(false)
    expect(await written(store, [put('k', '1')], 'id')).toBe(1)
  })
}

function testWatches(open: () => Promise<Harness<ControlStore>>): void {
  const context = setUp(open)

  test('a watch shows changes of its prefix in order, from now on', async () => {
    const { store } = context
    await written(store, [put('a/before', '')])
    const watch = store.watch('a/')
    await written(store, [put('a/1', 'x'), put('b', 'x'), put('a/2', 'y')])
    await written(store, [put('b', 'z')])
    await written(store, [
      { kind: 'delete', key: 'a/1' },
      { kind: 'delete', key: 'a/none' },
    ])
    await written(store, [put('a/3', 'z')])
    expect(await take(watch, 4)).toEqual([
      { key: 'a/1', value: 'x', revision: 2 },
      { key: 'a/2', value: 'y', revision: 2 },
      { key: 'a/1', value: undefined, revision: 4 },
      { key: 'a/3', value: 'z', revision: 5 },
    ])
  })

  test('a watch waits for the next change', async () => {
    const { store } = context
    const first = take(store.watch('k'), 2)
    await written(store, [put('other', '')])
    await written(store, [put('k', '1')])
    await Promise.resolve()
    await written(store, [put('k', '2')])
    expect((await first).map(({ value }) => value)).toEqual(['1', '2'])
  })

  test('a watch from an earlier revision has no gap, also after a restart', async () => {
    const { store, restart } = context
    for (let i = 1; i <= 10; i++) await written(store, [put('k', `${i}`)])
    const again = await restart()
    const seen = take(again.watch('', 4), 9)
    await Promise.all([11, 12, 13].map((i) => written(again, [put(`k${i}`, `${i}`)])))
    expect((await seen).map(({ value }) => value)).toEqual(
      [5, 6, 7, 8, 9, 10, 11, 12, 13].map(String),
    )
  })

  test('watchers during concurrent writes all see every revision once, in order', async () => {
    const { store } = context
    const watches = [0, 0, 0].map((from) => take(store.watch('', from), 60))
    await Promise.all(Array.from({ length: 60 }, (_, i) => written(store, [put(`k${i % 5}`, '')])))
    for (const seen of await Promise.all(watches)) {
      expect(seen.map(({ revision }) => revision)).toEqual(seen.map((_, i) => i + 1))
    }
  })

  test('a consumer that leaves ends its watch, also one that waits', async () => {
    const iterator = context.store.watch('k')[Symbol.asyncIterator]()
    const waiting = [iterator.next(), iterator.next()]
    await Promise.resolve()
    await iterator.return?.()
    expect(await Promise.all(waiting)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ])
    await written(context.store, [put('k', '1')])
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  test('a watch from before the kept history throws', async () => {
    const { store } = context
    const value = 'v'.repeat(65_536)
    for (let i = 0; i < 70; i++) await written(store, [put('k', value)])
    await expect(take(store.watch('', 0), 1)).rejects.toThrow('list, then watch again')
    expect(await take(store.watch('', 69), 1)).toMatchObject([{ key: 'k', revision: 70 }])
  })
}

let requestLast = 0

function put(key: string, value: string): ControlOperation {
  return { kind: 'put', key, value }
}

function write(
  store: ControlStore,
  operations: readonly ControlOperation[],
  requestId = `request ${++requestLast}`,
  preconditions?: readonly ControlPrecondition[],
) {
  const options = { requestId: requestId as RequestId, ...(preconditions && { preconditions }) }
  return store.write(operations, options)
}

async function written(...args: Parameters<typeof write>): Promise<Revision> {
  const result = await write(...args)
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.error)}`)
  return result.value
}

/** The first `count` changes. */
async function take(watch: AsyncIterable<ControlChange>, count: number): Promise<ControlChange[]> {
  const changes: ControlChange[] = []
  for await (const change of watch) {
    changes.push(change)
    if (changes.length === count) break
  }
  return changes
}
