import { afterEach, expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../src/base/ids.ts'
import type { ControlStore } from '../../src/base/port.ts'
import { RestartWishes } from '../../src/node/restart.ts'
import { hostReplicated } from '../cluster/control/replicated-host.ts'

const members = ['n1', 'n2', 'n3'] as NodeId[]
const [n1, n2, n3] = members as [NodeId, NodeId, NodeId]

const KEY = 'cluster/restart'

const host = hostReplicated(3)
const control: ControlStore = host.tenant
const opened: RestartWishes[] = []
afterEach(async () => {
  for (const wishes of opened.splice(0)) wishes.close()
  await control.write([{ kind: 'delete', key: KEY }], { requestId: requestId() })
})

let requests = 0
const requestId = () => `restart ${++requests}` as RequestId

/** A process of a node, as long as the test lasts. */
function open(self: NodeId, boot: string) {
  const wishes = new RestartWishes({
    control,
    self,
    boot,
    newRequestId: requestId,
    worthAsking: async () => {},
  })
  let isGranted = false
  void wishes.granted.then(() => {
    isGranted = true
  })
  opened.push(wishes)
  return { wishes, isGranted: () => isGranted }
}

const wish = (node: NodeId, boot: string, among = members) =>
  open(n1, 'b1').wishes.wish(node, boot, among)

async function pending(): Promise<unknown> {
  const read = await control.get(KEY)
  return read.ok && read.value !== undefined ? JSON.parse(read.value.value) : undefined
}

const OK = { ok: true, value: undefined }
const refusedFor = (node: NodeId) => ({ ok: false, error: { kind: 'other-restart', node } })

test('a wish that any node takes is granted by the process that it names, and removed by the next one', async () => {
  const asked = open(n1, 'b1')
  const target = open(n2, 'b2')
  await Promise.all([asked.wishes.follow(), target.wishes.follow()])
  expect(await asked.wishes.wish(n2, 'b2', members)).toEqual(OK)
  await target.wishes.granted
  target.wishes.close()

  const next = open(n2, 'b3')
  await next.wishes.follow()
  expect(await pending()).toMatchObject({ node: 'n2', boot: 'b2' })
  await next.wishes.ready()
  expect(await pending()).toBeUndefined()
  expect([asked.isGranted(), next.isGranted()]).toEqual([false, false])
})

test('a wish that was made before the process looked is granted', async () => {
  await wish(n2, 'b2')
  const target = open(n2, 'b2')
  await target.wishes.follow()
  await target.wishes.granted
})

test('a wish for a process that is gone is none for the one that runs', async () => {
  const target = open(n2, 'b2')
  await target.wishes.ready()
  await target.wishes.follow()
  expect(await wish(n2, 'b1')).toEqual(OK)
  await expect.poll(pending).toBeUndefined()
  expect(target.isGranted()).toBe(false)
})

test('while one node restarts no other one is asked to', async () => {
  expect(await wish(n2, 'b2')).toEqual(OK)
  expect(await wish(n3, 'b3')).toEqual(refusedFor(n2))
  // The same one again is the same wish, and whoever restarts already may do so again.
  expect(await wish(n2, 'b2')).toEqual(OK)
  expect(await wish(n2, 'b4')).toEqual(OK)
  expect(await wish(n3, 'b3')).toEqual(refusedFor(n2))
  await open(n2, 'b5').wishes.ready()
  expect(await wish(n3, 'b3')).toEqual(OK)
  expect(await pending()).toMatchObject({ node: 'n3' })
})

test('of several nodes that are asked at once one is', async () => {
  const outcomes = await Promise.all([wish(n1, 'b1'), wish(n2, 'b2'), wish(n3, 'b3')])
  expect(outcomes.filter(({ ok }) => ok)).toEqual([OK])
  const { node } = (await pending()) as { node: NodeId }
  expect(outcomes.filter(({ ok }) => !ok)).toEqual([refusedFor(node), refusedFor(node)])
})

test("a wish for a node that was removed, or that cannot be read, stands in nobody's way", async () => {
  await wish(n2, 'b2')
  expect(await wish(n3, 'b3', [n1, n3])).toEqual(OK)
  const value = '{"format":2,"node":"n3","boot":"b3"}'
  await control.write([{ kind: 'put', key: KEY, value }], { requestId: requestId() })
  expect(await wish(n2, 'b2')).toEqual(OK)
})
