/**
 * The snapshot file on a disk that loses and garbles whatever was not synced, stopped at every single step; and the proof that
 * this suite would notice a missing sync: it fails for each one that is left out.
 */
import { expect, test } from 'vitest'
import { assert } from '../../src/base/assert.ts'
import { text, utf8 } from '../../src/base/bytes.ts'
import { FailStop } from '../../src/storage/fail-stop.ts'
import { SnapshotFile } from '../../src/storage/snapshot.disk.ts'
import { DiskTwin } from '../twin/disk.ts'

const NEVER = Number.POSITIVE_INFINITY

type Plan = {
  readonly seed: number
  /** The process dies during this step of its first life, ... */
  readonly killAt: number
  /** ... and the power goes during this step of its second. */
  readonly crashAt: number
  /** Which sync of its first or second life does nothing. */
  readonly skipped?: { readonly life: 1 | 2; readonly sync: number }
}

/** What the world was told: this number is durable. What was begun after it may be there as well. */
type Promises = { saved: number; begun: number }

/** Runs a plan; returns how many steps and syncs each life had. */
async function run({ seed, killAt, crashAt, skipped }: Plan) {
  const promises = { saved: 0, begun: 0 }
  const syncs = [0, 0]
  const life = (number: 1 | 2) => ({
    seed,
    isSuppressed: () => {
      const sync = syncs[number - 1]!
      syncs[number - 1] = sync + 1
      return skipped?.life === number && skipped.sync === sync
    },
  })
  const first = new DiskTwin(life(1))
  first.haltAfter(killAt)
  await untilHalted(first, () => saveTwice(first, promises))
  const second = first.kill(life(2))
  second.haltAfter(crashAt)
  await untilHalted(second, () => saveTwice(second, promises))
  const third = second.crash({ isSuppressed: () => false })
  await saveTwice(third, promises)
  return { steps: [first.steps, second.steps], syncs }
}

/** What is there was begun and is not older than what was promised; what was shown is promised from then on. */
async function saveTwice(disk: DiskTwin, promises: Promises): Promise<void> {
  const options = { disk, path: '/snapshot', failStop: new FailStop(), admit: async () => true }
  const { file, content } = await SnapshotFile.open(options)
  const found = content === undefined ? 0 : Number(text(content).slice(0, 4))
  assert(found >= promises.saved, `found ${found}, promised ${promises.saved}`)
  assert(found <= promises.begun, `found ${found}, begun ${promises.begun}`)
  promises.saved = found
  for (let i = 0; i < 2; i++) {
    const next = ++promises.begun
    await file.save(utf8(`${next}`.padStart(4, '0').repeat(2_000)))
    promises.saved = next
  }
}

async function untilHalted(disk: DiskTwin, work: () => Promise<unknown>): Promise<unknown> {
  return Promise.race([work(), disk.halted])
}

async function* plans(): AsyncGenerator<Plan> {
  const { steps } = await run({ seed: 1, killAt: NEVER, crashAt: NEVER })
  for (let killAt = 0; killAt <= steps[0]!; killAt++)
    for (let crashAt = 0; crashAt <= steps[1]! + 1; crashAt++)
      for (let luck = 0; luck < 3; luck++)
        yield { seed: killAt * 1_000 + crashAt * 10 + luck, killAt, crashAt }
}

test('keeps every promise when the process dies and the power goes at any step', async () => {
  let count = 0
  for await (const plan of plans()) {
    await run(plan)
    count++
  }
  expect(count).toBeGreaterThan(300)
})

test('would notice any sync that is left out', async () => {
  const { syncs } = await run({ seed: 1, killAt: NEVER, crashAt: NEVER })
  // The sync at the first start of all protects nothing: there was no life before it.
  const needed = [
    Array.from({ length: syncs[0]! - 1 }, (_, i) => ({ life: 1 as const, sync: i + 1 })),
    Array.from({ length: syncs[1]! }, (_, i) => ({ life: 2 as const, sync: i })),
  ].flat()
  expect(needed).toHaveLength(9)
  for (const skipped of needed) {
    expect(await isNoticed(skipped), `sync ${skipped.sync} of life ${skipped.life}`).toBe(true)
  }
})

async function isNoticed(skipped: Plan['skipped'] & object): Promise<boolean> {
  for await (const plan of plans()) {
    const fails = run({ ...plan, skipped }).then(
      () => false,
      () => true,
    )
    if (await fails) return true
  }
  return false
}
