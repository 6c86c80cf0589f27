import { expect, test } from 'vitest'
import { hex } from '../../src/base/bytes.ts'
import { sha256 } from '../../src/base/hash.ts'
import type { Digest } from '../../src/base/ids.ts'
import type { ChunkStore, StageOutcome } from '../../src/storage/chunk-store.ts'
import { seededBytes } from '../twin/random.ts'

/** What every chunk store does. `reopen` is after a clean close, `restart` after the process died. */
export function chunkStoreConformance(harness: {
  readonly open: () => Promise<ChunkStore>
  readonly reopen: (store: ChunkStore) => Promise<ChunkStore>
  readonly restart: (store: ChunkStore) => Promise<ChunkStore>
  /** The names of all files that the store has now, staged or published. */
  readonly files: (store: ChunkStore) => Promise<readonly string[]>
}): void {
  const { open, reopen, restart, files } = harness
  const a = chunkOf(1, 300_000)
  const b = chunkOf(2, 5_000)
  const c = chunkOf(3, 1)

  test('reads published chunks from any position', async () => {
    const store = await open()
    await upload(store, [a, b, c], 'kept')
    for (const chunk of [a, b, c]) expect(await contents(store, chunk)).toEqual(chunk.bytes)
    const into = new Uint8Array(100)
    expect(await store.read(a.digest, into, 200_000)).toEqual({ ok: true })
    expect(into).toEqual(a.bytes.subarray(200_000, 200_100))
    await store.close()
  })

  test('tells a missing chunk from one that is too short', async () => {
    const store = await open()
    await upload(store, [c], 'kept')
    expect(await store.read(a.digest, new Uint8Array(1), 0)).toMatchObject({
      error: { kind: 'missing' },
    })
    expect(await store.read(c.digest, new Uint8Array(2), 0)).toMatchObject({
      error: { kind: 'corrupt' },
    })
    await store.close()
  })

  test('shows nothing before it is published', async () => {
    const store = await open()
    const stage = store.stage()
    await stage.append(a.bytes)
    await stage.seal(a.digest)
    expect(await store.read(a.digest, new Uint8Array(1), 0)).toMatchObject({ ok: false })
    await stage.publish()
    expect(await store.read(a.digest, new Uint8Array(1), 0)).toEqual({ ok: true })
    await stage.end('kept')
    await store.close()
  })

  test('reads what is sealed before it is published, meanwhile and afterwards', async () => {
    const store = await open()
    const stage = store.stage()
    for (const { bytes, digest } of [a, b]) {
      await stage.append(bytes)
      await stage.seal(digest)
    }
    const check = async () => {
      const into = new Uint8Array(100)
      await stage.read(a.digest, into, 200_000)
      expect(into).toEqual(a.bytes.subarray(200_000, 200_100))
    }
    expect(await store.has(a.digest)).toBe(false)
    await check()
    await Promise.all([stage.publish(), ...Array.from({ length: 5 }, check)])
    await check()
    expect(await store.has(a.digest)).toBe(true)
    await stage.end('kept')
    await store.close()
  })

  test('keeps nothing of a dropped upload, wherever it stopped', async () => {
    const store = await open()
    for (let stop = 0; stop <= 4; stop++) {
      const stage = store.stage()
      if (stop > 0) await stage.append(a.bytes)
      if (stop > 1) await stage.seal(a.digest)
      if (stop > 2) await stage.append(b.bytes)
      if (stop > 3) {
        await stage.seal(b.digest)
        await stage.publish()
      }
      await stage.end('dropped')
      expect(await files(store)).toEqual([])
    }
    await store.close()
  })

  test('a dropped upload takes no chunk away from others', async () => {
    const store = await open()
    await upload(store, [a], 'kept')
    await upload(store, [a, b], 'dropped')
    expect(await files(store)).toEqual([a.digest])

    const [first, second] = [store.stage(), store.stage()]
    for (const stage of [first, second]) {
      await stage.append(c.bytes)
      await stage.seal(c.digest)
      await stage.publish()
    }
    await first.end('dropped')
    await second.end('kept')
    expect(await contents(store, c)).toEqual(c.bytes)
    expect(await contents(store, a)).toEqual(a.bytes)
    await store.close()
  })

  test('concurrent uploads of one chunk leave it readable', async () => {
    const store = await open()
    const outcomes: StageOutcome[] = ['kept', 'dropped', 'kept', 'dropped', 'unknown', 'dropped']
    for (let round = 0; round < 5; round++) {
      await Promise.all(outcomes.map((outcome) => upload(store, [a, b], outcome)))
      expect(await contents(store, a)).toEqual(a.bytes)
      expect(await contents(store, b)).toEqual(b.bytes)
    }
    await store.close()
  })

  test('replaces the bytes of a chunk that is read at the time', async () => {
    const store = await open()
    await upload(store, [a], 'kept')
    await contents(store, a)
    await Promise.all([upload(store, [a], 'kept'), contents(store, a)])
    expect(await contents(store, a)).toEqual(a.bytes)
    await store.close()
  })

  test('has its chunks after a clean end and needs no sweep', async () => {
    let store = await open()
    await upload(store, [a], 'kept')
    store = await reopen(store)
    expect(store.needsSweep).toBe(false)
    expect(await contents(store, a)).toEqual(a.bytes)
    await store.close()
  })

  test('removes what a dead process left behind', async () => {
    let store = await open()
    await upload(store, [a], 'kept')
    const stage = store.stage()
    await stage.append(b.bytes)
    await stage.seal(b.digest)
    await stage.publish()
    const cut = store.stage()
    await cut.append(c.bytes)

    store = await restart(store)
    expect([...(await files(store))].sort()).toEqual([a.digest, b.digest].sort())
    expect(store.needsSweep).toBe(true)
    expect(await store.sweep(digests([a]))).toBe(1)
    expect(store.needsSweep).toBe(false)
    expect(await files(store)).toEqual([a.digest])
    store = await reopen(store)
    expect(store.needsSweep).toBe(false)
    await store.close()
  })

  test('an unfinished or unknown state is swept at the next opening', async () => {
    let store = await open()
    await upload(store, [a], 'unknown')
    store = await reopen(store)
    expect(store.needsSweep).toBe(true)
    store = await reopen(store)
    expect(store.needsSweep).toBe(true)
    expect(await store.sweep(digests([]))).toBe(1)
    expect(await files(store)).toEqual([])
    await store.close()
  })

  test('a sweep spares what uploads publish meanwhile', async () => {
    let store = await open()
    const chunks = Array.from({ length: 40 }, (_, i) => chunkOf(100 + i, 10))
    for (const chunk of chunks) await upload(store, [chunk], 'kept')
    store = await restart(store)
    const rescued = chunks.filter((_, i) => i % 2 === 0)
    const sweep = store.sweep(digests([]))
    for (const chunk of rescued) await upload(store, [chunk], 'kept')
    await sweep
    for (const chunk of rescued) expect(await contents(store, chunk)).toEqual(chunk.bytes)
    const names = await files(store)
    expect(names.length).toBe(rescued.length)
    await store.close()
  })

  test('close stops a sweep, and the next opening goes on with it', async () => {
    let store = await open()
    const chunks = Array.from({ length: 40 }, (_, i) => chunkOf(200 + i, 10))
    for (const chunk of chunks) await upload(store, [chunk], 'kept')
    store = await restart(store)
    const sweep = store.sweep(digests([]))
    store = await reopen(store)
    const left = await files(store)
    expect((await sweep) + left.length).toBe(chunks.length)
    expect(store.needsSweep).toBe(true)
    expect(await store.sweep(digests([]))).toBe(left.length)
    await store.close()
  })

  test('close waits for uploads', async () => {
    const store = await open()
    const stage = store.stage()
    await stage.append(a.bytes)
    let isClosed = false
    const closing = store.close().then(() => {
      isClosed = true
    })
    await stage.seal(a.digest)
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(isClosed).toBe(false)
    await stage.end('dropped')
    await closing
  })
}

export type TestChunk = { readonly bytes: Uint8Array; readonly digest: Digest }

export function chunkOf(seed: number, sizeBytes: number): TestChunk {
  const bytes = seededBytes(seed, sizeBytes)
  return { bytes, digest: hex(sha256(bytes)) as Digest }
}

export async function upload(
  store: ChunkStore,
  chunks: readonly TestChunk[],
  outcome: StageOutcome,
): Promise<void> {
  const stage = store.stage()
  for (const { bytes, digest } of chunks) {
    const middle = Math.floor(bytes.length / 2)
    expect(await stage.append(bytes.subarray(0, middle))).toEqual({ ok: true })
    expect(await stage.append(bytes.subarray(middle))).toEqual({ ok: true })
    expect(await stage.seal(digest)).toEqual({ ok: true })
  }
  expect(await stage.publish()).toEqual({ ok: true })
  await stage.end(outcome)
}

async function contents(store: ChunkStore, chunk: TestChunk): Promise<Uint8Array> {
  const into = new Uint8Array(chunk.bytes.length)
  expect(await store.read(chunk.digest, into, 0)).toEqual({ ok: true })
  return into
}

export async function* digests(chunks: readonly TestChunk[]): AsyncGenerator<Digest> {
  for (const { digest } of chunks) yield digest
}
