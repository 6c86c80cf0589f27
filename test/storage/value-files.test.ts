import { describe, expect, test } from 'vitest'
import { utf8 } from '../../src/base/bytes.ts'
import type { Engine, EngineOperation } from '../../src/storage/engine.ts'
import { openValueFiles } from '../../src/storage/value-files.ts'
import { DiskTwin, failure } from '../twin/disk.ts'
import { openEngineTwin } from '../twin/engine.ts'
import { seededRandom } from '../twin/random.ts'

const FILE_BYTES = 10_000

/** A value that is kept in a file; no two are equal. */
function large(text: string): Uint8Array {
  return utf8(`${text} `.repeat(2_000)).subarray(0, 2_000)
}

function put(key: string, value: Uint8Array): EngineOperation {
  return { kind: 'put', key: utf8(key), value }
}

async function open(disk = new DiskTwin()) {
  return openEngineTwin(disk, { valueFileBytes: FILE_BYTES })
}

/** Lets a collection that a commit has begun come to its end. */
async function settle(disk: DiskTwin): Promise<readonly string[]> {
  let before: readonly string[] = []
  for (let quiet = 0; quiet < 3; ) {
    await new Promise((resolve) => setImmediate(resolve))
    const now = await disk.list('/values')
    quiet = now.join() === before.join() ? quiet + 1 : 0
    before = now
  }
  return before
}

describe('the files of large values', () => {
  async function files(disk = new DiskTwin()) {
    await disk.makeDirectory('/values')
    return { disk, files: await openValueFiles({ disk, directory: '/values', fileBytes: 100 }) }
  }

  test('give back what was appended, at once and in the background', async () => {
    const { files: values } = await files()
    const pointers = await values.append([utf8('one'), utf8('two')])
    const [third] = await values.append([utf8('three')])
    const read = pointers.map((pointer) => Buffer.from(values.read(pointer)).toString())
    expect(read).toEqual(['one', 'two'])
    expect(Buffer.from(await values.load(third as never)).toString()).toBe('three')
  })

  test('refuse a directory that holds what they have not written', async () => {
    const { disk, files: values } = await files()
    await values.close()
    await (await disk.open('/values/notes.txt', 'create')).close()
    await expect(files(disk)).rejects.toMatchObject({ code: 'data-directory-foreign' })
  })

  test('are followed by the next one when they are long enough, and after a restart', async () => {
    const { disk, files: values } = await files()
    for (let i = 0; i < 5; i++) await values.append([new Uint8Array(60)])
    expect(await disk.list('/values')).toEqual(['1-0', '2-0', '3-0'])
    await values.close()
    const { files: again } = await files(disk)
    const [pointer] = await again.append([utf8('later')])
    expect(pointer).toMatchObject({ file: 4, position: 0 })
  })

  test('reveal a value that has rotted, and a file that is gone', async () => {
    const { disk, files: values } = await files()
    const [pointer] = await values.append([utf8('value')])
    const damaged = expect.objectContaining({ code: 'data-damaged' }) as Error
    expect(() => values.read({ ...(pointer as never as object), checksum: 1 } as never)).toThrow(
      damaged,
    )
    await expect(values.load({ ...(pointer as object), sizeBytes: 9 } as never)).rejects.toThrow(
      damaged,
    )
    await disk.unlink('/values/1-0')
    const { files: again } = await files(disk)
    expect(() => again.read(pointer as never)).toThrow(damaged)
  })

  test('write after a write that found no space as if it had not been', async () => {
    let isFull = false
    const disk = new DiskTwin({
      before: ({ kind, path }) => {
        if (isFull && kind === 'write') throw failure('ENOSPC', path)
      },
    })
    const { files: values } = await files(disk)
    const [first] = await values.append([utf8('first')])
    isFull = true
    await expect(values.append([utf8('none')])).rejects.toMatchObject({ code: 'ENOSPC' })
    isFull = false
    const [second] = await values.append([utf8('second')])
    expect(Buffer.from(values.read(first as never)).toString()).toBe('first')
    expect(Buffer.from(values.read(second as never)).toString()).toBe('second')
  })
})

describe('the collection of garbage', () => {
  async function expectState(engine: Engine, state: ReadonlyMap<string, string>): Promise<void> {
    const entries = await engine.scan({ gte: utf8(''), lt: utf8('\u{10ffff}'), limit: 10_000 })
    const found = entries.map(({ key, value }) => [
      Buffer.from(key).toString(),
      Buffer.from(value).toString().split(' ', 1)[0],
    ])
    expect(found).toEqual([...state].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  test('gives back the space of values that were replaced or deleted', async () => {
    const { engine, disk } = await open()
    for (let i = 0; i < 200; i++) await engine.commit([put(`k${i % 7}`, large(`${i}`))])
    await engine.commit([{ kind: 'delete', key: utf8('k3') }])
    const left = await settle(disk)
    expect(left.length).toBeLessThan(12)
    const state = new Map<string, string>()
    for (let i = 193; i < 200; i++) if (i % 7 !== 3) state.set(`k${i % 7}`, `${i}`)
    await expectState(engine, state)
  })

  test('keeps files that live', async () => {
    const { engine, disk } = await open()
    for (let i = 0; i < 60; i++) await engine.commit([put(`k${i}`, large(`${i}`))])
    expect((await settle(disk)).length).toBeGreaterThanOrEqual(12)
    await expectState(engine, new Map(Array.from({ length: 60 }, (_, i) => [`k${i}`, `${i}`])))
  })

  test('removes nothing as long as a value that lives is damaged, and stops nobody', async () => {
    const { engine, disk } = await open()
    await engine.commit(['a', 'b', 'damaged', 'c', 'd'].map((key) => put(key, large(key))))
    const file = await disk.open('/values/1-0', 'read')
    await file.write(utf8('?'), 5_000)
    for (let i = 0; i < 100; i++) {
      expect(await engine.commit([put(`${'abcd'[i % 4]}`, large(`${i}`))])).toEqual({ ok: true })
    }
    expect((await settle(disk)).length).toBeGreaterThan(20)
    expect(() => engine.get(utf8('damaged'))).toThrow('file 1 is damaged at byte 4000')
    expect(engine.get(utf8('d'))).toEqual(large('99'))
  })

  test('loses nothing to writes, scans and crashes that come in between', async () => {
    const seed = Date.now() % 1_000_000
    for (let round = 0; round < 60; round++) {
      const random = seededRandom(seed + round)
      const state = new Map<string, string>()
      const disk = new DiskTwin({ seed: seed + round })
      disk.haltAfter(100 + Math.floor(random() * 500))
      const life = async (): Promise<void> => {
        const { engine } = await open(disk)
        let writing: Promise<unknown> = Promise.resolve()
        for (let i = 0; ; i++) {
          const writes = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, at) => {
            const key = `k${Math.floor(random() * 20)}`
            const value = `${i}.${at}`
            return { key, value }
          })
          const scan =
            random() < 0.3 ? engine.scan({ gte: utf8('k'), lt: utf8('l'), limit: 99 }) : []
          const before = writing
          writing = Promise.all(
            writes.map(async ({ key, value }) => {
              const done = await engine.commit([put(key, large(value))])
              if (done.ok) state.set(key, value)
            }),
          )
          await before
          await scan
        }
      }
      await Promise.race([life(), disk.halted])
      const { engine } = await open(random() < 0.5 ? disk.crash() : disk.kill())
      for (const [key, value] of state) {
        const found =
          Buffer.from(engine.get(utf8(key)) ?? [])
            .toString()
            .split(' ', 1)[0] ?? ''
        // What was being written when the machine stopped may be there.
        const isNewer = Number(found.split('.')[0]) >= Number(value.split('.')[0])
        expect(isNewer, `replay with seed ${seed + round}: ${key} is ${found}, was ${value}`).toBe(
          true,
        )
      }
    }
  })
})
