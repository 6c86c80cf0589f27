import { afterEach, describe, expect, test } from 'vitest'
import { text, utf8 } from '../../../src/base/bytes.ts'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import type { Condition, MapSpace } from '../../../src/base/port.ts'
import { RECORDS_RETAINED } from '../../../src/cluster/dht/replica/history.ts'
import { eventually } from './host-world.ts'
import { MapWorld, type MapWorldOptions } from './map-world.ts'

let world: MapWorld
let requestLast = 0

afterEach(async () => {
  await world.stop()
  expect(world.network.malformed).toBe(0)
})

async function openWorld(options: MapWorldOptions = {}): Promise<void> {
  world = await MapWorld.open({ waitMs: 3_000, ...options })
}

function space(place: number): MapSpace {
  return world.map(place).space('s')
}

function write(place: number, sortKey: string, value: string, condition?: Condition) {
  const operation = { kind: 'put' as const, sortKey, value: utf8(value) }
  const requestId = `request ${++requestLast}` as RequestId
  return space(place).write('p', [condition ? { ...operation, condition } : operation], {
    requestId,
  })
}

async function written(...args: Parameters<typeof write>) {
  const outcome = await write(...args)
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.error))
  return outcome.value.version
}

async function read(place: number, sortKey: string): Promise<string | undefined> {
  const found = await space(place).get('p', sortKey)
  if (!found.ok) throw new Error(found.error.reason)
  return found.value && text(found.value.value)
}

function known(place: number, sortKey: string): string | undefined {
  const found = space(place).peek('p', sortKey)
  return found && text(found.value)
}

const refusal = (kind: string) => ({ ok: false, error: { kind } })

describe('a failover', () => {
  test('is only a slow answer to those who call meanwhile', async () => {
    await openWorld()
    await written(3, 'k', '1')
    world.kill(1)
    const calls = [read(3, 'k'), read(2, 'k'), written(3, 'l', '2')] as const
    const version = space(2).version('p')
    const page = space(3).scan('p', 'k')
    setTimeout(() => world.elect(2), 30)
    expect(await calls[0]).toBe('1')
    expect(await calls[1]).toBe('1')
    expect(await calls[2]).toMatchObject({ epoch: 2 })
    expect(await version).toMatchObject({ ok: true })
    expect(await page).toMatchObject({ ok: true, value: { entries: [{ sortKey: 'k' }] } })
    expect(await read(3, 'l')).toBe('2')
  })

  test('does not wait for the answer of a primary that is gone', async () => {
    await openWorld({ waitMs: 60_000 })
    await written(3, 'k', '1')
    // The question does not arrive any more, and no answer will ever come.
    const writing = written(3, 'k', '2')
    world.network.pause(world.id(1))
    const asked = performance.now()
    world.elect(2)
    await writing
    expect(performance.now() - asked).toBeLessThan(1_900)
    expect(await read(2, 'k')).toBe('2')
  })

  test.each([1, 2, 3])('makes no write happen twice or not at all, seed %i', async (seed) => {
    await openWorld({ seed, waitMs: 20_000 })
    world.network.delayMs = 2
    let last: Condition = 'absent'
    // A write that happened twice, or was told to have failed, would leave another version.
    for (let i = 0; i < 12; i++) {
      const writing = written(3, 'k', `${i}`, last)
      await new Promise((resolve) => setTimeout(resolve, (i + seed) % 7))
      world.elect(1 + (i % 2))
      last = await writing
    }
    expect(await read(2, 'k')).toBe('11')
  })
})

describe('a write whose answer is lost', () => {
  /** Is made, and repeated by node 3 when the network heals and no sooner. */
  async function startWriting(value: string) {
    const [one, two, three] = world.ids as [NodeId, NodeId, NodeId]
    await written(3, 'l', 'first')
    world.network.silence(one, three)
    const writing = write(3, 'k', value)
    await eventually(() => expect(known(2, 'k')).toBe(value))
    world.network.cut(three, two)
    world.elect(2)
    return { writing }
  }

  async function writeMany(place: number): Promise<void> {
    for (let i = 0; i < RECORDS_RETAINED; i++) await written(place, 'k', `${i}`)
  }

  test('is made by the next primary, also for a node that has not written for long', async () => {
    await openWorld({ waitMs: 20_000 })
    const [one, , three] = world.ids as [NodeId, NodeId, NodeId]
    await writeMany(2)
    await written(2, 'k', 'last')
    await eventually(() => expect(known(3, 'k')).toBe('last'))
    world.network.silence(three, one)
    const writing = write(3, 'k', 'next')
    await new Promise(setImmediate)
    world.elect(2)
    expect(await writing).toMatchObject({ ok: true })
    expect(await read(2, 'k')).toBe('next')
  })

  test('is told to have happened while its record is kept', async () => {
    await openWorld({ waitMs: 20_000 })
    const { writing } = await startWriting('once')
    await written(2, 'k', 'newer')
    world.network.healAll()
    expect(await writing).toMatchObject({ ok: true, value: { version: { epoch: 1 } } })
    expect(await read(1, 'k')).toBe('newer')
  })

  test('is unknown when its record is gone, and is not made again', async () => {
    await openWorld({ waitMs: 20_000 })
    const { writing } = await startWriting('once')
    await writeMany(2)
    world.network.healAll()
    expect(await writing).toMatchObject(refusal('outcome-unknown'))
    expect(await read(1, 'k')).toBe(`${RECORDS_RETAINED - 1}`)
  })

  test('is not confused with a first one of a node that knows nothing of the latest', async () => {
    await openWorld()
    await writeMany(1)
    expect(await written(3, 'k', 'first')).toEqual({ epoch: 1, seq: RECORDS_RETAINED + 2 })
    await writeMany(2)
    await written(3, 'k', 'second')
    expect(await read(1, 'k')).toBe('second')
  })
})

describe('without a primary', () => {
  test('a call waits, and is then refused as unavailable: nothing has happened', async () => {
    await openWorld({ waitMs: 500 })
    await written(3, 'k', '1')
    world.kill(1)
    const asked = performance.now()
    const unavailable = refusal('unavailable')
    expect(await write(3, 'k', '2')).toMatchObject(unavailable)
    expect(performance.now() - asked).toBeGreaterThan(490)
    const reads = [space(2).get('p', 'k'), space(2).scan('p', ''), space(2).version('p')]
    expect(await Promise.all(reads)).toMatchObject([unavailable, unavailable, unavailable])
  })

  test('a write that was sent and has no answer when its time is up is unknown', async () => {
    await openWorld({ waitMs: 500 })
    await written(3, 'k', '1')
    const writing = write(3, 'k', '2')
    world.network.pause(world.id(1))
    expect(await writing).toMatchObject(refusal('outcome-unknown'))
  })

  test('nothing is begun when the time is up', async () => {
    await openWorld({ waitMs: 20 })
    const [one, , three] = world.ids as [NodeId, NodeId, NodeId]
    world.network.cut(three, one)
    const writing = write(3, 'k', '2')
    // Between two attempts: another would be made, and get no answer.
    setTimeout(() => {
      world.network.heal(three, one)
      world.network.silence(one, three)
    }, 30)
    expect(await writing).toMatchObject(refusal('unavailable'))
  })

  test('the end of the node ends the calls that wait', async () => {
    await openWorld({ waitMs: 60_000 })
    await written(3, 'k', '1')
    world.kill(1)
    const waiting = space(3).get('p', 'k')
    await world.stop()
    expect(await waiting).toMatchObject(refusal('unavailable'))
  })
})

describe('what is known without asking', () => {
  test('is what the replica here has committed, also when nobody else is left', async () => {
    await openWorld({ waitMs: 500 })
    await written(3, 'k', '1')
    await eventually(() => expect(known(2, 'k')).toBe('1'))
    expect(space(2).peek('p', 'k')).toBe(space(2).peek('p', 'k'))
    world.kill(1)
    world.kill(3)
    expect(known(2, 'k')).toBe('1')
    expect(await space(2).get('p', 'k')).toMatchObject(refusal('unavailable'))
    expect(known(2, 'never written')).toBeUndefined()
  })

  test('follows what others write and delete', async () => {
    await openWorld()
    for (const value of ['1', '2', '3']) {
      await written(3, 'k', value)
      for (const place of [1, 2, 3]) await eventually(() => expect(known(place, 'k')).toBe(value))
    }
    const requestId = 'deletion' as RequestId
    await space(1).write('p', [{ kind: 'delete', sortKey: 'k' }], { requestId })
    for (const place of [1, 2, 3]) {
      await eventually(() => expect(known(place, 'k')).toBeUndefined())
    }
  })

  test('is never what a write in flight may yet take back', async () => {
    await openWorld({ waitMs: 500 })
    await written(1, 'k', '1')
    await eventually(() => expect(known(2, 'k')).toBe('1'))
    world.network.cut(world.id(1), world.id(2))
    world.network.cut(world.id(1), world.id(3))
    const lost = write(1, 'k', 'lost')
    await eventually(() => expect(known(1, 'k')).toBeUndefined())
    world.elect(2)
    await lost
    expect(known(2, 'k')).toBe('1')
    await written(3, 'k', '2')
    world.network.healAll()
    await eventually(() => expect(known(1, 'k')).toBe('2'))
  })

  test('is learnt again after a restart from the first answer of the primary', async () => {
    await openWorld()
    await written(1, 'k', '1')
    await eventually(() => expect(known(2, 'k')).toBe('1'))
    world.kill(2)
    await world.start()
    await eventually(async () => {
      expect(await read(2, 'k')).toBe('1')
      expect(known(2, 'k')).toBe('1')
    })
  })
})

test('large values come in as many pages as it takes', async () => {
  await openWorld()
  const names = Array.from({ length: 30 }, (_, i) => `k${String(i).padStart(2, '0')}`)
  for (const half of [names.slice(0, 15), names.slice(15)]) {
    const value = new Uint8Array(256 * 1_024)
    const operations = half.map((sortKey) => ({ kind: 'put' as const, sortKey, value }))
    const requestId = `request ${++requestLast}` as RequestId
    expect(await space(3).write('p', operations, { requestId })).toMatchObject({ ok: true })
  }
  const seen: string[] = []
  let after: string | undefined
  do {
    const page = await space(3).scan('p', '', after === undefined ? {} : { after })
    if (!page.ok) throw new Error(page.error.reason)
    seen.push(...page.value.entries.map(({ sortKey }) => sortKey))
    expect(page.value.entries.length).toBeLessThanOrEqual(16)
    after = page.value.next
  } while (after !== undefined)
  expect(seen).toEqual(names)
})

test('an eventual space is served through other nodes too', async () => {
  await openWorld()
  const [one, other] = [1, 3].map((place) =>
    world.map(place).space('e', { consistency: 'eventual' }),
  )
  const requestId = 'eventual' as RequestId
  const put = { kind: 'put' as const, sortKey: 'k', value: utf8('1') }
  expect(await other?.write('p', [put], { requestId })).toMatchObject({ ok: true })
  expect(await one?.get('p', 'k')).toEqual(await other?.get('p', 'k'))
})
