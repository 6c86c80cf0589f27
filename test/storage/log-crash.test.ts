/**
 * The consensus log on a disk that loses and garbles whatever was not synced, stopped at every single step; and the proof that
 * this suite would notice a missing sync: it fails for each one that is left out.
 */
import { expect, test } from 'vitest'
import { assert } from '../../src/base/assert.ts'
import type { ConsensusLog } from '../../src/storage/log.disk.ts'
import type { LogEntry } from '../../src/storage/log-frame.ts'
import { entry, openLog } from '../conformance/consensus-log.ts'
import { type DiskCall, DiskTwin, type DiskTwinOptions, failure } from '../twin/disk.ts'

const directory = '/log'
const SEEDS = [1, 2, 3, 4]
/** So that both drops of the first life happen in one segment. */
const SEGMENT_BYTES = 4 * 4_096
const NEVER = Number.POSITIVE_INFINITY

/** What the world has been told: these slots are durable, those below `needed` may be gone. */
type Promises = { last: number; sent: number; needed: number }

/** Appends `from` to `to`, each when the one before is durable. */
async function append(log: ConsensusLog, from: number, to: number, promises: Promises) {
  for (let slot = from; slot <= to; slot++) {
    promises.sent = slot
    const entries: LogEntry[] = [entry(slot, slot % 3 === 0 ? 6_000 : 100)]
    await log.append(slot, entries)
    promises.last = slot
  }
}

function drop(log: ConsensusLog, needed: number, promises: Promises): void {
  promises.needed = needed
  log.dropBelow(needed)
}

/** Opens; what is there is a prefix of what was sent and holds everything promised and still needed. */
async function reopen(disk: DiskTwin, promises: Promises): Promise<ConsensusLog> {
  const { log, slots } = await openLog(disk, directory, SEGMENT_BYTES)
  const first = slots[0] ?? promises.last + 1
  const last = slots.at(-1) ?? 0
  assert(
    slots.every((slot, i) => slot === first + i),
    `replayed in this order: ${slots}`,
  )
  assert(first <= Math.max(1, promises.needed), `begins at ${first}, needed ${promises.needed}`)
  assert(last >= promises.last, `ends at ${last}, promised ${promises.last}`)
  assert(last <= promises.sent, `ends at ${last}, sent ${promises.sent}`)
  // What it was shown, the node acts on: from now on all of that is promised.
  promises.last = last
  promises.sent = last
  return log
}

async function untilHalted(disk: DiskTwin, work: () => Promise<unknown>): Promise<boolean> {
  return Promise.race([work().then(() => false), disk.halted.then(() => true)])
}

/** The directory of the log and its name. */
const SETUP_STEPS = 2

type Plan = {
  readonly seed: number
  /** The process dies during this step of its first life, ... */
  readonly killAt: number
  /** ... and the power goes during this step of its second. */
  readonly crashAt: number
  /** Which sync of its first or second life does nothing. */
  readonly skipped?: Skipped
  /** Which datasync of its first life fails, and leaves clean pages that are not on disk. */
  readonly failedSync?: number
}

type Skipped = { readonly life: 1 | 2; readonly sync: number }

type Lives = readonly [Life, Life]
/** `syncSteps` are the steps that were syncs. */
type Life = { steps: number; syncSteps: number[]; datasyncs: number }

/** Runs a plan; returns how many steps and syncs each life had. */
async function run(plan: Plan): Promise<Lives> {
  const promises: Promises = { last: 0, sent: 0, needed: 0 }
  const counts: [Life, Life] = [
    { steps: 0, syncSteps: [], datasyncs: 0 },
    { steps: 0, syncSteps: [], datasyncs: 0 },
  ]
  let isSetUp = false
  const life = (number: 1 | 2): DiskTwinOptions => ({
    seed: plan.seed,
    isSuppressed: ({ kind }) => {
      const { syncSteps } = counts[number - 1]!
      if (!isSetUp) return false
      if (kind === 'datasync') counts[number - 1]!.datasyncs++
      const sync = syncSteps.push((number === 1 ? first : second).steps - 1) - 1
      return plan.skipped?.life === number && plan.skipped.sync === sync
    },
    before: failing(number === 1 ? plan.failedSync : undefined),
  })

  const first = new DiskTwin(life(1))
  await first.makeDirectory(directory)
  await first.syncDirectory('/')
  isSetUp = true
  first.haltAfter(plan.killAt)
  await untilHalted(first, async () => {
    const { log } = await openLog(first, directory, SEGMENT_BYTES)
    await append(log, 1, 10, promises)
    drop(log, 7, promises)
    await append(log, 11, 11, promises)
    // Nothing is created between the two drops, so that the first one's removals have only their own syncs.
    drop(log, 10, promises)
    await log.close()
  }).catch((fault) => expect(fault).toMatchObject({ code: 'disk-failed' }))
  counts[0].steps = first.steps - SETUP_STEPS

  const second = first.kill(life(2))
  second.haltAfter(plan.crashAt)
  await untilHalted(second, async () => {
    const log = await reopen(second, promises)
    await append(log, promises.sent + 1, promises.sent + 4, promises)
    await log.close()
  })
  counts[1].steps = second.steps

  const third = second.crash({ isSuppressed: () => false })
  const log = await reopen(third, promises)
  await append(log, promises.sent + 1, promises.sent + 2, promises)
  await log.close()
  await reopen(third.crash(), promises)
  return counts
}

/** A power loss at every step of the first life. */
function* firstLife(lives: Lives): Generator<Plan> {
  for (let killAt = 0; killAt <= lives[0].steps; killAt++)
    for (const seed of SEEDS) yield { seed, killAt, crashAt: 0 }
}

/** A kill at every step of the first life, each with a power loss at some steps of the start after it or at its end. */
function* secondLife(lives: Lives): Generator<Plan> {
  for (let killAt = 0; killAt <= lives[0].steps; killAt++)
    for (const crashAt of killAt % 2 === 0 ? [1, 3, 5] : [2, 4, NEVER])
      yield { seed: killAt, killAt, crashAt }
  yield* atEnd(lives)
}

/** The first life in full, and a power loss at every step of the second. */
function* atEnd(lives: Lives): Generator<Plan> {
  for (let crashAt = 0; crashAt <= lives[1].steps; crashAt++)
    for (const seed of SEEDS) yield { seed, killAt: NEVER, crashAt }
}

/** Each sync of the first life fails, with a power loss at every step of the start after it. */
function* failedSyncs(lives: Lives): Generator<Plan> {
  for (let failedSync = 1; failedSync < lives[0].datasyncs; failedSync++)
    for (const seed of SEEDS.slice(0, 2))
      for (let crashAt = 0; crashAt < 6; crashAt++)
        yield { seed, killAt: NEVER, crashAt, failedSync }
}

test('keeps every promise when the power goes at any step', async () => {
  const lives = await run({ seed: 1, killAt: NEVER, crashAt: NEVER })
  expect(lives[0].steps).toBeGreaterThan(40)
  for (const plan of firstLife(lives)) await run(plan)
  for (const plan of secondLife(lives)) await run(plan)
})

test('keeps every promise when a sync has failed and left its pages clean', async () => {
  const lives = await run({ seed: 1, killAt: NEVER, crashAt: NEVER })
  for (const plan of failedSyncs(lives)) await run(plan)
})

test('would notice any sync that is left out', async () => {
  const lives = await run({ seed: 1, killAt: NEVER, crashAt: NEVER })
  // The sync after the last removal protects the removals after it, and there are none.
  const needed = [lives[0].syncSteps.slice(0, -1), lives[1].syncSteps] as const
  for (const life of [1, 2] as const)
    for (const [sync, step] of needed[life - 1]!.entries()) {
      const noticed = await isNoticed(lives, { life, sync }, step)
      expect(noticed, `sync ${sync} of life ${life} is not needed`).toBe(true)
    }
})

/** Looks first where it matters most: shortly after the sync. */
async function isNoticed(lives: Lives, skipped: Skipped, step: number): Promise<boolean> {
  const plans = skipped.life === 1 ? firstLife(lives) : atEnd(lives)
  const soon = [...plans].filter(({ killAt, crashAt }) => {
    const after = skipped.life === 1 ? killAt + SETUP_STEPS - step : crashAt - step
    return after > 0 && after <= 10
  })
  for (const each of [soon, secondLife(lives), failedSyncs(lives)])
    for (const plan of each) if (await fails({ ...plan, skipped })) return true
  return false
}

function fails(plan: Plan): Promise<boolean> {
  return run(plan).then(
    () => false,
    () => true,
  )
}

function failing(failedSync: number | undefined): (call: DiskCall) => void {
  let datasyncs = 0
  return ({ kind, path }) => {
    if (kind === 'datasync' && datasyncs++ === failedSync) throw failure('EIO', path)
  }
}
