/** Changes of the members while clients write (scenarios 30, 31, 32 of the list). */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { sendRequest } from '../../fixture/cluster.ts'
import { Arena } from '../arena.ts'
import { trial } from './trial.ts'

const THREE = ['n1', 'n2', 'n3']

test('nodes are added, removed and replaced while one voter is down', () =>
  trial(THREE, async ({ arena, commits }) => {
    await arena.node('n3').kill()
    const fourth = await arena.cluster.prepareJoiner('n4')
    fourth.launch()
    await arena.admit('n4', 'n1')
    await commits(20)
    await arena.remove('n3', 'n2')
    const fifth = await arena.cluster.prepareJoiner('n5')
    fifth.launch()
    await arena.admit('n5', 'n4')
    const ended = arena.node('n1').ends()
    await arena.remove('n1', 'n5')
    expect((await ended).code).not.toBeNull()
    expect(arena.node('n1').logTail()).toMatch(/removed|no member/)
    await commits(20)
    expect(arena.members).toEqual(['n2', 'n4', 'n5'])
  }))

test('a cluster grows from one to five under load and shrinks back to one', () =>
  trial(['n1'], async ({ arena, commits }) => {
    for (const id of ['n2', 'n3', 'n4', 'n5']) {
      const node = await arena.cluster.prepareJoiner(id)
      node.launch()
      await arena.admit(id, 'n1')
      await node.ready()
      await commits(10)
    }
    for (const id of ['n1', 'n4', 'n2', 'n5']) {
      const ended = arena.node(id).ends()
      await arena.remove(id, 'n3')
      await ended
      await commits(10)
    }
    expect(arena.members).toEqual(['n3'])
  }))

test('of several changes at once each is done or refused, and all nodes agree on what came of it', () =>
  trial(THREE, async ({ arena }) => {
    for (const id of ['n4', 'n5']) (await arena.cluster.prepareJoiner(id)).launch()
    await arena.until('n1', ({ waiting }) => waiting.length === 2)
    await arena.until('n2', ({ waiting }) => waiting.length === 2)
    // The one that is removed may stop before it has answered.
    const ended = arena.node('n1').ends()
    const answers = await Promise.all([
      send(arena, 'n1', 'POST', '', { id: 'n4' }),
      send(arena, 'n2', 'POST', '', { id: 'n5' }),
      send(arena, 'n3', 'DELETE', '/n1'),
      send(arena, 'n2', 'DELETE', '/n1'),
    ])
    const done = answers.filter(({ status }) => status < 300)
    expect(done.length).toBeGreaterThan(0)
    for (const { status, kind } of answers)
      if (status >= 300) expect(['other-change', 'not-a-member', 'outcome-unknown']).toContain(kind)
    const { members } = await arena.until('n3', ({ hasQuorum }) => hasQuorum)
    const kept = members.map(({ id }) => id as string)
    if (!kept.includes('n1')) await ended
    arena.members = kept.toSorted()
    for (const id of ['n4', 'n5']) if (!kept.includes(id)) await arena.admit(id, 'n3')
  }))

test('a node that was removed while it was cut off changes nothing when it comes back', () =>
  trial(THREE, async ({ arena, commits }) => {
    for (const other of ['n2', 'n3']) arena.proxy.setBoth('n1', other, { kind: 'cut' })
    await arena.until('n2', ({ members }) => !members.every((member) => member.isConnected))
    const node = await arena.cluster.prepareJoiner('n4')
    node.launch()
    await arena.remove('n1', 'n2')
    await arena.admit('n4', 'n3')
    await commits(20)
    expect(arena.node('n1').isRunning).toBe(true)
    const ended = arena.node('n1').ends()
    arena.proxy.heal()
    expect((await ended).code).not.toBe(0)
    expect(arena.node('n1').logTail()).toContain('n1')
    await commits(20)
  }))

test('of two rosters that meet only the one with a majority of its own forms a cluster', async () => {
  const arena = await Arena.open({ seed: 1, founders: [...THREE, 'n4'] })
  try {
    arena.cluster.declare('n1', THREE)
    arena.cluster.declare('n2', THREE)
    arena.cluster.declare('n3', ['n1', 'n3', 'n4'])
    await Promise.all(THREE.map((id) => arena.node(id).start()))
    await Promise.all(['n1', 'n2'].map((id) => arena.node(id).ready()))
    await sleep(2_000)
    const { status } = await sendRequest(`${arena.node('n3').origin}/health/ready`)
    expect(status).toBe(503)
  } finally {
    await arena.close()
  }
})

async function send(
  arena: Arena,
  through: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; kind?: string }> {
  const url = `${arena.node(through).origin}/api/v1/cluster/members${path}`
  const answer = await sendRequest(url, {
    method,
    headers: arena.cluster.credentials,
    timeoutMs: 30_000,
    ...(body && { body: JSON.stringify(body) }),
  }).catch(() => undefined)
  if (answer === undefined) return { status: 504, kind: 'outcome-unknown' }
  if (answer.status < 300) return { status: answer.status }
  return { status: answer.status, kind: (JSON.parse(answer.body) as { kind: string }).kind }
}
