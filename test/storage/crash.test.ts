import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { DiskTwin, type DiskTwinOptions } from '../twin/disk.ts'
import { seededRandom } from '../twin/random.ts'
import { firstLife, firstLifeOfLargeBlob, Ledger, lastLife, laterLife } from './crash-lives.ts'

/** Every line of the source that makes something durable, and what is lost without it. A new one must be listed. */
const syncSites = [
  {
    file: 'storage.disk.ts',
    line: 'await disk.syncDirectory(parentDirectory(directory))',
    protects: 'the data directory itself',
  },
  {
    file: 'storage.disk.ts',
    line: 'await disk.syncDirectory(directory)',
    protects: 'the directories of the engine, the large values and the chunks',
  },
  {
    file: 'level-engine.ts',
    line: 'await disk.syncDirectory(directory)',
    protects: "the names of the engine's files",
  },
  {
    file: 'level-engine.ts',
    line: 'await this.#store.write(sealed.value, { sync: true })',
    protects: 'every commit',
  },
  {
    file: 'value-files.ts',
    line: 'await current.file.datasync()',
    protects: 'large values',
  },
  {
    file: 'value-files.ts',
    line: 'if (!current.isNamed) await this.#disk.syncDirectory(this.#directory)',
    protects: 'the names of the files of large values',
  },
  {
    file: 'file-replacement.disk.ts',
    line: 'await file.datasync()',
    protects: 'the bytes of the marks',
  },
  {
    file: 'file-replacement.disk.ts',
    line: 'await disk.syncDirectory(parentDirectory(path))',
    protects: 'the replacement of the marks',
  },
  {
    file: 'chunk-files.disk.ts',
    line: 'await disk.syncDirectory(directory)',
    protects: 'the directories of chunks, and the sign of an unclean end',
  },
  {
    file: 'chunk-stage.disk.ts',
    line: 'await chunk.file.datasync()',
    protects: 'the bytes of chunks',
  },
  {
    file: 'directory-sync.ts',
    line: 'const running = this.#disk.syncDirectory(directory)',
    protects: 'the names of chunks',
  },
  {
    file: 'chunk-files.disk.ts',
    line: 'if (count > 0) await this.disk.syncDirectory(directory)',
    protects: 'the removal of orphans before a clean end',
  },
] as const

/** The port, its fulfilment by the machine, and what has a crash suite of its own that leaves out each of its syncs. */
const portFiles = ['file-system.ts', 'disk.ts', 'log.disk.ts', 'snapshot.disk.ts']

function sourceLines(): { file: string; number: number; line: string }[] {
  const directory = new URL('../../src/storage/', import.meta.url)
  return readdirSync(directory)
    .filter((file) => !portFiles.includes(file))
    .flatMap((file) =>
      readFileSync(new URL(file, directory), 'utf8')
        .split('\n')
        .map((line, index) => ({ file, number: index + 1, line: line.trim() })),
    )
}

type Life = (disk: DiskTwin, ledger: Ledger) => Promise<void>
type Run = { readonly seed: number; readonly haltAfter: number }

/** Three lives. In the first the machine stops at a step; gives what was wrong later, or undefined. */
async function run(
  life: Life,
  { seed, haltAfter }: Run,
  options: DiskTwinOptions = {},
): Promise<string | undefined> {
  const random = seededRandom(seed)
  const ledger = new Ledger()
  try {
    const first = new DiskTwin({ ...options, seed })
    first.haltAfter(haltAfter)
    await Promise.race([life(first, ledger), first.halted])

    const isPowerLost = random() < 0.6
    const second = isPowerLost ? first.crash({ seed: seed + 1 }) : first.kill({ seed: seed + 1 })
    if (random() < 0.4) second.haltAfter(Math.floor(random() * 60))
    await Promise.race([laterLife(second, ledger), second.halted])

    await lastLife(second.crash({ seed: seed + 2 }), ledger)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The steps of a first life that is not disturbed, without most of the makings of directories. */
async function crashPoints(life: Life): Promise<number[]> {
  const kinds: string[] = []
  const disk = new DiskTwin({ before: ({ kind }) => void kinds.push(kind) })
  await life(disk, new Ledger())
  const steps = [...kinds.keys()].filter((i) => kinds[i] !== 'makeDirectory' || i % 64 === 0)
  return [...steps, kinds.length]
}

describe('storage through crashes', () => {
  for (const life of [firstLife, firstLifeOfLargeBlob]) {
    test(`keeps what was acknowledged and shows nothing half (${life.name})`, async () => {
      const points = await crashPoints(life)
      expect(points.length).toBeGreaterThan(30)
      for (const haltAfter of points) {
        for (let round = 0; round < (life === firstLife ? 2 : 1); round++) {
          const seed = haltAfter * 1_000 + round
          const violation = await run(life, { seed, haltAfter })
          expect(violation, `replay with seed ${seed}, haltAfter ${haltAfter}`).toBeUndefined()
        }
      }
    })
  }

  test('lists every sync in the source', () => {
    const found = sourceLines()
      .filter(({ line }) => /\.(datasync|syncDirectory)\(|sync: true/.test(line))
      .map(({ file, line }) => `${file}: ${line}`)
    expect(found.sort()).toEqual(syncSites.map(({ file, line }) => `${file}: ${line}`).sort())
  })

  for (const { file, line, protects } of syncSites) {
    test(`needs the sync of ${protects} (${file})`, async () => {
      const source = sourceLines().find((candidate) => {
        return candidate.file === file && candidate.line === line
      })
      const site = `${file}:${source?.number}`
      let suppressed = 0
      const isSuppressed: DiskTwinOptions['isSuppressed'] = (call) => {
        if (call.site === site) suppressed++
        return call.site === site
      }
      const points = (await crashPoints(firstLife)).reverse()
      let violation: string | undefined
      for (let round = 0; round < 20 && violation === undefined; round++) {
        for (const haltAfter of points) {
          const seed = haltAfter * 1_000 + round
          violation = await run(firstLife, { seed, haltAfter }, { isSuppressed })
          if (violation !== undefined) break
        }
      }
      expect(suppressed).toBeGreaterThan(0)
      expect(violation, `nothing is lost without ${site}`).toBeDefined()
    })
  }
})
