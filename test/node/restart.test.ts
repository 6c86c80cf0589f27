import { afterEach, expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../src/base/ids.ts'
import type { ControlStore } from '../../src/base/port.ts'
import { RestartWishes } from '../../src/node/restart.ts'
import { hostReplicated } from '../cluster/control/replicated-host.ts'

const [n1, n2] = ['n1', 'n2'] as [NodeId, NodeId]

const host = hostReplicated(3)
const control: ControlStore = host.tenant
const opened: RestartWishes[] = []
afterEach(() => {
  for (const wishes of opened.splice(0)) wishes.close()
})

let requests = 0

/** A process of a node, as long as the test lasts. */
function open(self: NodeId, boot: string) {
  const wishes = new RestartWishes({
    control,
    self,
    boot,
    newRequestId: () => `restart ${++requests}` as RequestId,
    worthAsking: async () => {},
  })
  let isGranted = false
  void wishes.granted.then(() => {
    isGranted = true
  })
  opened.push(wishes)
  return { wishes, isGranted: () => isGranted }
}

async function keys(): Promise<readonly string[]> {
  const listed = await control.list('cluster/restart/')
  return listed.ok ? listed.value.map(({ key }) => key) : []
}

test('a wish that any node takes is granted by the process that it names, and removed by the next one', async () => {
  const asked = open(n1, 'b1')
  const target = open(n2, 'b2')
  void target.wishes.follow()
  expect(await asked.wishes.wish(n2, 'b2')).toEqual({ ok: true, value: undefined })
  await target.wishes.granted
  expect(asked.isGranted()).toBe(false)
  target.wishes.close()
  expect(await keys()).toEqual(['cluster/restart/n2'])

  const next = open(n2, 'b3')
  void next.wishes.follow()
  expect(await keys()).toEqual(['cluster/restart/n2'])
  next.wishes.ready()
  await expect.poll(keys).toEqual([])
  expect(next.isGranted()).toBe(false)
})

test('a wish that was made before the process looked is granted', async () => {
  await open(n1, 'b1').wishes.wish(n2, 'b4')
  const target = open(n2, 'b4')
  void target.wishes.follow()
  await target.wishes.granted
})

test('a wish for a process that is gone is none for the one that runs, nor what cannot be read', async () => {
  const target = open(n2, 'b6')
  target.wishes.ready()
  void target.wishes.follow()
  await open(n1, 'b1').wishes.wish(n2, 'b5')
  await expect.poll(keys).toEqual([])
  const value = '{"format":2,"boot":"b6"}'
  const operations = [{ kind: 'put' as const, key: 'cluster/restart/n2', value }]
  await control.write(operations, { requestId: 'newer' as RequestId })
  await expect.poll(keys).toEqual([])
  expect(target.isGranted()).toBe(false)
})
