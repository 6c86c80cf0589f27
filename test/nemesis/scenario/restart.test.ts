/** Processes that end and start again (scenarios 28, 29, 39, 46 of the list). */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { sendRequest } from '../../fixture/cluster.ts'
import type { Arena } from '../arena.ts'
import { trial } from './trial.ts'

const THREE = ['n1', 'n2', 'n3']
const FIVE = ['n1', 'n2', 'n3', 'n4', 'n5']

/** How often a client tries before it calls an operation failed; each time through another node. */
const ATTEMPTS_MAX = 4

test('a rolling restart fails no operation that is repeated through another node, and does nothing twice', () =>
  trial(THREE, async ({ arena }) => {
    let isOver = false
    const writers = THREE.map(async (_, writer) => {
      let count = 0
      for (; !isOver; count++) await writeOnce(arena, `${writer}-${count}`, writer)
      return count
    })
    for (const id of THREE) {
      await arena.node(id).stop()
      await arena.node(id).start()
      await arena.node(id).ready()
    }
    isOver = true
    const counts = await Promise.all(writers)
    for (const [writer, count] of counts.entries()) {
      for (let at = 0; at < count; at++) {
        const answer = await request(arena, 'n1', `rolling/${writer}-${at}`)
        expect(answer).toMatchObject({ status: 200, body: `${writer}-${at}` })
      }
    }
    expect(Math.min(...counts)).toBeGreaterThan(10)
  }))

test('a node that starts beside one that lags behind does not go back', () =>
  trial(THREE, async ({ arena, outdate }) => {
    await arena.node('n3').kill()
    await outdate('n1')
    await arena.node('n1').kill()
    const { slot } = await arena.status('n2')
    await arena.node('n2').kill()
    // n3 has an old snapshot to offer, and is the only one whom n2 meets.
    await Promise.all(['n2', 'n3'].map((id) => arena.node(id).start()))
    const { slot: first } = await arena.until('n2', (status) => status.slot > 0)
    expect(first).toBeGreaterThanOrEqual(slot - 1)
    await arena.node('n2').ready()
    expect((await arena.status('n2')).slot).toBeGreaterThanOrEqual(slot)
    await arena.start()
  }))

test('a bare majority of five starts cold, in any order, one of them with an older state', () =>
  trial(FIVE, async ({ arena, workload, commits }) => {
    await arena.node('n5').kill()
    await commits(200)
    await Promise.all(FIVE.map((id) => arena.node(id).kill()))
    for (const order of [
      ['n5', 'n1', 'n2'],
      ['n4', 'n3', 'n5'],
    ]) {
      for (const id of order) {
        await arena.node(id).start()
        await sleep(300)
      }
      const members = arena.members
      arena.members = order
      // None of them may become ready: partitions that the two others held as well wait for one of these.
      await commits(20)
      arena.members = members
      await Promise.all(order.map((id) => arena.node(id).kill()))
    }
    await arena.start()
    expect(workload.outcomes.strange).toEqual([])
  }))

/** Writes a key that nobody has written, and repeats it under the same name until it is answered. */
async function writeOnce(arena: Arena, name: string, first: number): Promise<void> {
  let said = 'nothing'
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const node = THREE[(first + attempt) % THREE.length] ?? ''
    const answer = await request(arena, node, `rolling/${name}`, name).catch((cause) => cause)
    if (answer.status === 204) return
    said = `${answer.status ?? answer}`
    await sleep(100)
  }
  throw new Error(`${name} was not written in ${ATTEMPTS_MAX} attempts: ${said}`)
}

function request(arena: Arena, node: string, key: string, body?: string) {
  const { credentials } = arena.cluster
  return sendRequest(`${arena.node(node).origin}/api/v1/control/user/${key}`, {
    ...(body !== undefined && { method: 'PUT', body }),
    headers:
      body === undefined
        ? credentials
        : { ...credentials, 'Idempotency-Key': body, 'If-None-Match': '*' },
  })
}
