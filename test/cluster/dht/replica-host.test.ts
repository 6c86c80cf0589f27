import { afterEach, expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import { REPLICA_CHANNEL } from '../../../src/cluster/wire/index.ts'
import { eventually, HostWorld } from './host-world.ts'

const P = 7
/** The eventual partition that is placed by the same row. */
const EVENTUAL = 1_024 + P

let world: HostWorld

afterEach(async () => {
  expect(world.network.malformed).toBe(0)
  await world.close()
})

async function writeUntilOk(place: number, partition: number, key: string, value: string) {
  const requestId = `${key} ${value}` as RequestId
  return eventually(async () => {
    const outcome = await world.node(place).write(partition, key, value, requestId)
    expect(outcome).toMatchObject({ ok: true })
    return outcome
  })
}

function allAreEqual(partition: number): Promise<void> {
  return eventually(async () => {
    const [first, ...others] = await Promise.all(
      world.ids.map((_, index) => world.node(index + 1).dump(partition)),
    )
    expect(first?.length).toBeGreaterThan(0)
    for (const other of others) expect(other).toEqual(first)
  })
}

test('what is written at the primary comes to be on all nodes', async () => {
  world = await HostWorld.start([P])
  await writeUntilOk(1, P, 'k', 'first')
  const many = Array.from({ length: 50 }, (_, i) => world.node(1).write(P, `k${i}`, `${i}`))
  for (const outcome of await Promise.all(many)) expect(outcome).toMatchObject({ ok: true })
  expect(await world.node(1).read(P, 'k7')).toMatchObject({ ok: true, text: '7' })
  await allAreEqual(P)
  expect(world.node(3).shown(P, 'k49')).toBe('49')
  expect(await world.node(2).write(P, 'k', 'x')).toEqual({
    ok: false,
    error: { kind: 'not-primary' },
  })
})

test('another primary has everything that was answered, and the first one comes back', async () => {
  world = await HostWorld.start([P])
  await writeUntilOk(1, P, 'k', 'first')
  world.kill(1)
  world.elect(P, 2)
  await writeUntilOk(2, P, 'l', 'second')
  expect(await world.node(2).read(P, 'k')).toMatchObject({ ok: true, text: 'first' })
  await eventually(() => expect(world.node(2).host.health().lagging.get(world.ids[0])).toBe(1))
  expect([...(await world.open(world.ids[0])).behind]).toEqual([P])
  await allAreEqual(P)
  await eventually(() => expect(world.node(1).behind.size).toBe(0))
  await eventually(() => expect(world.node(2).host.health().lagging.size).toBe(0))
  expect(world.node(2).host.health()).toMatchObject({ led: 1, takeovers: 1, behind: 0 })
})

test('a node that was away for more writes than are kept gets all entries', async () => {
  world = await HostWorld.start([P])
  await writeUntilOk(1, P, 'k', 'first')
  world.kill(3)
  for (let i = 0; i < 10; i++) {
    await Promise.all(
      Array.from({ length: 30 }, (_, j) => writeUntilOk(1, P, `k${i}/${j}`, 'x'.repeat(100))),
    )
  }
  await world.open(world.ids[2])
  await allAreEqual(P)
})

test('a primary that is cut off answers nothing, and drops what was not answered', async () => {
  world = await HostWorld.start([P])
  await writeUntilOk(1, P, 'k', 'first')
  world.network.cut(world.ids[0], world.ids[1])
  world.network.cut(world.ids[0], world.ids[2])
  const lost = world.node(1).write(P, 'lost', 'x')
  const asked = world.node(1).read(P, 'k')
  world.elect(P, 2, [1])
  await writeUntilOk(2, P, 'k', 'second')
  world.network.healAll()
  expect(await lost).toMatchObject({ ok: false, error: { kind: 'outcome-unknown' } })
  expect(await asked).toMatchObject({ ok: false, error: { kind: 'not-primary' } })
  await allAreEqual(P)
  expect(world.node(1).shown(P, 'lost')).toBe(undefined)
  expect(world.node(1).shown(P, 'k')).toBe('second')
  expect(world.node(2).host.health().fenced + world.node(3).host.health().fenced).toBeGreaterThan(0)
})

test('without a quorum nothing is answered, and that is counted', async () => {
  world = await HostWorld.start([P])
  await writeUntilOk(1, P, 'k', 'first')
  world.kill(2)
  world.kill(3)
  const outcomes = await Promise.all([world.node(1).write(P, 'k', 'x'), world.node(1).read(P, 'k')])
  expect(outcomes).toMatchObject([
    { error: { kind: 'outcome-unknown' } },
    { error: { kind: 'unavailable' } },
  ])
  expect(world.node(1).host.health().quorumRefusals).toBe(2)
})

test('an eventual partition answers alone, and loses only what no other node had', async () => {
  world = await HostWorld.start([P])
  await writeUntilOk(1, EVENTUAL, 'k', 'replicated')
  await allAreEqual(EVENTUAL)
  world.network.cut(world.ids[0], world.ids[1])
  world.network.cut(world.ids[0], world.ids[2])
  expect(await world.node(1).write(EVENTUAL, 'l', 'alone')).toMatchObject({ ok: true })
  world.elect(EVENTUAL, 2, [1])
  await writeUntilOk(2, EVENTUAL, 'm', 'later')
  expect(world.node(2).shown(EVENTUAL, 'k')).toBe('replicated')
  world.network.healAll()
  world.elect(EVENTUAL, 2)
  await allAreEqual(EVENTUAL)
  expect(world.node(1).shown(EVENTUAL, 'l')).toBe(undefined)
})

test('what others have written is told when it can be read', async () => {
  world = await HostWorld.start([P])
  const told: string[] = []
  const two = world.node(2)
  two.host.onApplied((partition, entries) => {
    for (const { space, partitionKey, sortKey, value } of entries) {
      const text = value === undefined ? undefined : Buffer.from(value).toString()
      expect(two.shown(partition, sortKey)).toBe(text)
      told.push(`${partition} ${space} ${partitionKey} ${sortKey} ${text}`)
    }
  })
  world.node(1).host.onApplied(() => told.push('its own'))
  await writeUntilOk(1, P, 'k', 'x')
  await eventually(() => expect(told).toEqual([`${P} s p k x`]))
})

test('what is no frame of replicas is refused', async () => {
  world = await HostWorld.start([P])
  await writeUntilOk(1, P, 'k', 'x')
  const end = world.network.join('n4' as NodeId)
  for (const bytes of [[], [0xc1], [0x93, 7, 1, 2], [0x91, 0xc0]]) {
    end.send(world.ids[0], REPLICA_CHANNEL, Uint8Array.from(bytes))
  }
  await eventually(() => expect(world.network.malformed).toBe(4))
  world.network.malformed = 0
  expect(await world.node(1).write(P, 'k', 'y')).toMatchObject({ ok: true })
})

test('a node that was restarted and has missed nothing comes to know it', async () => {
  world = await HostWorld.start([P])
  await writeUntilOk(1, P, 'k', 'x')
  await allAreEqual(P)
  await world.node(3).close()
  const three = await world.open(world.ids[2])
  expect([...three.behind]).toEqual([P])
  await eventually(() => expect(three.behind.size).toBe(0))
})

test('a node with data gives them to those that its partitions grow to', async () => {
  world = await HostWorld.start([])
  world.shrink(P)
  expect(world.node(1).behind.size).toBe(0)
  const sent = world.network.sent
  for (let i = 0; i < 200; i++) await writeUntilOk(1, P, `k${i}`, `${i}`)
  expect(world.network.sent).toBe(sent)
  expect(world.node(1).behind.size).toBe(0)
  world.grow(P, [1, 2, 3])
  expect([...world.node(2).behind]).toEqual([P])
  await writeUntilOk(1, P, 'l', 'grown')
  await allAreEqual(P)
  await eventually(() => expect(world.node(2).behind.size + world.node(3).behind.size).toBe(0))
  world.kill(1)
  world.elect(P, 3)
  await writeUntilOk(3, P, 'm', 'without the first')
  expect(await world.node(3).read(P, 'k199')).toMatchObject({ ok: true, text: '199' })
})
