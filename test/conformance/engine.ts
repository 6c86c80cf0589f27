import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes, utf8 } from '../../src/base/bytes.ts'
import { type Engine, type EngineOperation, isCut } from '../../src/storage/engine.ts'

/** What every engine does. `open` gives an empty one; `reopen` closes it and opens it again. */
export function engineConformance(harness: {
  readonly open: () => Promise<Engine>
  readonly reopen: (engine: Engine) => Promise<Engine>
}): void {
  const { open, reopen } = harness

  function put(key: string, value: string): EngineOperation {
    return { kind: 'put', key: utf8(key), value: utf8(value) }
  }

  function remove(key: string): EngineOperation {
    return { kind: 'delete', key: utf8(key) }
  }

  function get(engine: Engine, key: string): string | undefined {
    const value = engine.get(utf8(key))
    return value === undefined ? undefined : Buffer.from(value).toString()
  }

  async function keys(engine: Engine, gte: string, lt: string, limit = 100): Promise<string[]> {
    const entries = await engine.scan({ gte: utf8(gte), lt: utf8(lt), limit })
    return entries.map(({ key }) => Buffer.from(key).toString())
  }

  test('gives back what was committed, and nothing for other keys', async () => {
    const engine = await open()
    expect(await engine.commit([put('a', '1'), put('b', '2')])).toEqual({ ok: true })
    expect(get(engine, 'a')).toBe('1')
    expect(get(engine, 'b')).toBe('2')
    expect(get(engine, 'c')).toBeUndefined()
    expect(get(engine, '')).toBeUndefined()
    await engine.close()
  })

  test('keeps empty values and values of a record of 16 MiB', async () => {
    const engine = await open()
    const large = new Uint8Array(16 * 1_024 * 1_024).fill(7)
    await engine.commit([put('empty', ''), { kind: 'put', key: utf8('large'), value: large }])
    expect(get(engine, 'empty')).toBe('')
    expect(Buffer.compare(engine.get(utf8('large')) as Uint8Array, large)).toBe(0)
    await engine.close()
  })

  test('the last of several operations on a key counts', async () => {
    const engine = await open()
    await engine.commit([put('a', '1'), put('a', '2'), put('b', '1'), remove('b')])
    expect(get(engine, 'a')).toBe('2')
    expect(get(engine, 'b')).toBeUndefined()
    await engine.close()
  })

  test('commits take effect in the order of the calls', async () => {
    const engine = await open()
    const outcomes: number[] = []
    const commits = Array.from({ length: 600 }, (_, i) =>
      engine.commit([put('last', `${i}`), put(`k${i}`, `${i}`)]).then(() => outcomes.push(i)),
    )
    await Promise.all(commits)
    expect(outcomes).toEqual(Array.from({ length: 600 }, (_, i) => i))
    expect(get(engine, 'last')).toBe('599')
    expect((await keys(engine, 'k', 'l', 1_000)).length).toBe(600)
    await engine.close()
  })

  test('shows no commit before it resolves, and then all of it', async () => {
    const engine = await open()
    await engine.commit([put('a', '0'), put('b', '0')])
    let isResolved = false
    for (let round = 1; round <= 50; round++) {
      const commit = engine.commit([put('a', `${round}`), put('b', `${round}`)]).then(() => {
        isResolved = true
      })
      isResolved = false
      while (!isResolved) {
        expect(get(engine, 'a')).toBe(`${round - 1}`)
        expect(get(engine, 'b')).toBe(`${round - 1}`)
        await new Promise((resolve) => setImmediate(resolve))
      }
      await commit
      expect(get(engine, 'a')).toBe(`${round}`)
      expect(get(engine, 'b')).toBe(`${round}`)
    }
    await engine.close()
  })

  test('a scan shows the state at its call', async () => {
    const engine = await open()
    await engine.commit([put('a', '1'), put('b', '1')])
    const scan = engine.scan({ gte: utf8('a'), lt: utf8('z'), limit: 10 })
    const commit = engine.commit([put('c', '1'), remove('a')])
    const later = commit.then(() => engine.scan({ gte: utf8('a'), lt: utf8('z'), limit: 10 }))
    expect((await scan).map((entry) => Buffer.from(entry.key).toString())).toEqual(['a', 'b'])
    expect((await later).map((entry) => Buffer.from(entry.key).toString())).toEqual(['b', 'c'])
    await engine.close()
  })

  test('scans in the order of unsigned bytes, either way, up to the limit', async () => {
    const engine = await open()
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.uint8Array({ minLength: 1, maxLength: 4 }), {
          maxLength: 20,
          selector: (bytes) => Buffer.from(bytes).toString('hex'),
        }),
        fc.tuple(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ maxLength: 4 })),
        fc.nat(10),
        fc.boolean(),
        async (stored, [x, y], limit, reverse) => {
          await engine.commit(stored.map((key) => ({ kind: 'put', key, value: key })))
          const [gte, lt] = compareBytes(x, y) < 0 ? [x, y] : [y, x]
          const inRange = stored
            .filter((key) => compareBytes(key, gte) >= 0 && compareBytes(key, lt) < 0)
            .sort(compareBytes)
          if (reverse) inRange.reverse()
          const found = await engine.scan({ gte, lt, limit, reverse })
          const expected = inRange.slice(0, limit).map((key) => Buffer.from(key).toString('hex'))
          expect(found.map((entry) => Buffer.from(entry.key).toString('hex'))).toEqual(expected)
          expect(found.every((entry) => compareBytes(entry.key, entry.value) === 0)).toBe(true)
          await engine.commit(stored.map((key) => ({ kind: 'delete', key })))
        },
      ),
      { numRuns: 60 },
    )
    await engine.close()
  })

  test('a scan reads no more when what it has read is larger than it may be', async () => {
    const engine = await open()
    const large = 'x'.repeat(2_000)
    await engine.commit([put('a', '1'), put('b', large), put('c', large), put('d', '1')])
    const range = { gte: utf8('a'), lt: utf8('z'), limit: 10 }
    const found = async (bytesMax: number, limit = 10) => {
      const bounded = { ...range, limit, bytesMax }
      const entries = await engine.scan(bounded)
      const keys = entries.map(({ key }) => Buffer.from(key).toString()).join('')
      return [keys, isCut(bounded, entries)]
    }
    expect(await found(1)).toEqual(['a', true])
    expect(await found(2)).toEqual(['ab', true])
    expect(await found(2_002)).toEqual(['ab', true])
    expect(await found(2_003)).toEqual(['abc', true])
    expect(await found(10_000)).toEqual(['abcd', false])
    expect(await found(10_000, 4)).toEqual(['abcd', true])
    await engine.close()
  })

  test('has everything when it is opened again', async () => {
    let engine = await open()
    await engine.commit([put('a', '1'), put('b', '2')])
    engine = await reopen(engine)
    await engine.commit([remove('a'), put('c', '3')])
    engine = await reopen(engine)
    expect(await keys(engine, 'a', 'z')).toEqual(['b', 'c'])
    await engine.close()
  })

  test('close waits for commits in flight', async () => {
    const engine = await open()
    let isDone = false
    const commit = engine.commit([put('a', '1')]).then(() => {
      isDone = true
    })
    await engine.close()
    expect(isDone).toBe(true)
    await commit
  })

  test('no call may follow close', async () => {
    const engine = await open()
    await engine.close()
    expect(() => engine.get(utf8('a'))).toThrow('closed')
    await expect(engine.commit([put('a', '1')])).rejects.toThrow('closed')
    await expect(keys(engine, 'a', 'b')).rejects.toThrow('closed')
    await expect(engine.close()).rejects.toThrow('closed')
  })
}
