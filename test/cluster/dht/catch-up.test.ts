import { afterEach, beforeEach, expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import { PULLS_MAX } from '../../../src/cluster/dht/host/pulls.ts'
import { decodeParcel, type Parcel } from '../../../src/cluster/dht/host/replica-codec.ts'
import { eventually, HostWorld } from './host-world.ts'

/** More than may ask at once. */
const ROWS = Array.from({ length: PULLS_MAX + 24 }, (_, row) => row)

let world: HostWorld
/** What the third node has asked for, and what it was sent. */
let pulls: Parcel[]
let pages: Parcel[]
let release: () => void
let released: Promise<void>

beforeEach(() => {
  pulls = []
  pages = []
  const gate = Promise.withResolvers<void>()
  released = gate.promise
  release = gate.resolve
})

afterEach(async () => {
  release()
  await world.close()
})

/** The third node has missed a write of every row. */
async function startBehind(): Promise<void> {
  world = await HostWorld.start(ROWS)
  await writeAll('first')
  await eventually(() => {
    for (const row of ROWS) expect(world.node(3).shown(row, 'k')).toBe('first')
  })
  world.kill(3)
  await writeAll('second')
}

function writeAll(value: string): Promise<void> {
  return eventually(async () => {
    const outcomes = await Promise.all(ROWS.map((row) => world.node(1).write(row, 'k', value)))
    for (const outcome of outcomes) expect(outcome).toMatchObject({ ok: true })
  })
}

/** `isHeld`: frames with pages for the third node wait for `release`. */
function observe(isHeld: boolean): void {
  world.network.observe = (from: NodeId, to: NodeId, payload: Uint8Array) => {
    const parcel = decodeParcel(payload)
    const kind = parcel?.message.kind
    if (parcel && from === world.idOf(3) && kind === 'pull') pulls.push(parcel)
    if (parcel === undefined || to !== world.idOf(3)) return undefined
    if (kind !== 'records' && kind !== 'entries') return undefined
    pages.push(parcel)
    return isHeld ? released : undefined
  }
}

function asked(): number {
  return new Set(pulls.map(({ partition }) => partition)).size
}

function allAreHere(): Promise<void> {
  return eventually(() => {
    for (const row of ROWS) expect(world.node(3).shown(row, 'k')).toBe('second')
    expect(world.node(3).behind.size).toBe(0)
  })
}

test('a node that comes back asks for a few partitions at a time', async () => {
  await startBehind()
  observe(true)
  // Nothing is asked again within this test.
  world.options = { tickMs: 100_000 }
  await world.open(world.idOf(3))
  await eventually(() => expect(world.node(3).host.health().behind).toBe(ROWS.length))
  await eventually(() => expect(asked()).toBeGreaterThan(0))
  expect(asked()).toBeLessThanOrEqual(PULLS_MAX)
  release()
  await allAreHere()
  expect(pulls).toHaveLength(ROWS.length)
})

test('partitions whose primary does not answer hold up no others', async () => {
  await startBehind()
  observe(true)
  await world.open(world.idOf(3))
  await eventually(() => expect(asked()).toBe(ROWS.length))
  release()
  await allAreHere()
})

test('what a slow disk cannot take is asked for again', async () => {
  await startBehind()
  observe(false)
  world.diskHolds.set(world.idOf(3), released)
  world.options = { tickMs: 10, waitingBytesMax: 1 }
  await world.open(world.idOf(3))
  const questions = () =>
    pulls.map(({ partition, message }) => JSON.stringify([partition, message]))
  await eventually(() => {
    expect(pages.length).toBeGreaterThan(PULLS_MAX)
    expect(new Set(questions()).size).toBeLessThan(pulls.length)
  })
  release()
  await allAreHere()
})
