import { expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import { ControlMachine } from '../../../src/cluster/control/machine.ts'
import { encodeResult } from '../../../src/cluster/control/ordered.ts'
import { ReplicatedControlStore } from '../../../src/cluster/control/replicated.ts'
import type { Input } from '../../../src/cluster/rabia/index.ts'
import { describeControlCrashes, describeControlStore } from '../../conformance/control.ts'
import { hostReplicated } from './replicated-host.ts'
import { rosterOf } from './roster.ts'

for (const size of [1, 3]) {
  const name = `the replicated control state of ${size} node${size > 1 ? 's' : ''}`
  describeControlStore(name, async () => hostReplicated(size))
  describeControlCrashes(name, async () => hostReplicated(size))
}

test('a write that gets no answer in time is of unknown outcome, a read is unavailable', async () => {
  const { store } = lonely()
  const write = store.write([], { requestId: 'id' as RequestId })
  const read = store.get('k')
  for (let i = 0; i < 500; i++) store.tick()
  expect(await write).toMatchObject({ ok: false, error: { kind: 'outcome-unknown' } })
  expect(await read).toMatchObject({ ok: false, error: { kind: 'unavailable' } })
})

test('a session whose request was given up is not used again', async () => {
  const { store, inputs } = lonely()
  const first = store.write([], { requestId: 'first' as RequestId })
  for (let i = 0; i < 500; i++) store.tick()
  await first
  const second = store.write([], { requestId: 'second' as RequestId })
  const clients = inputs.map((input) => input.kind === 'request' && input.request.client)
  expect(new Set(clients).size).toBe(2)
  store.close()
  await second
})

test('a busy log makes the store unavailable, says why, and leaves the session usable', async () => {
  const { store, inputs } = lonely()
  const write = store.write([], { requestId: 'id' as RequestId })
  const [input] = inputs
  const { client, seq } = input?.kind === 'request' ? input.request : { client: '', seq: 0 }
  store.take({ kind: 'reply', client, seq, outcome: { kind: 'busy', reason: 'too much' } })
  expect(await write).toEqual({ ok: false, error: { kind: 'unavailable', reason: 'too much' } })
  const again = store.write([], { requestId: 'id' as RequestId })
  expect(inputs[1]).toMatchObject({ request: { client, seq } })
  store.close()
  await again
})

test('a full state makes writes unavailable and says what to do', async () => {
  const { store, inputs } = lonely()
  const write = store.write([], { requestId: 'id' as RequestId })
  const [input] = inputs
  const { client, seq } = input?.kind === 'request' ? input.request : { client: '', seq: 0 }
  const result = encodeResult({ kind: 'refused', why: 'state-full' })
  store.take({ kind: 'reply', client, seq, outcome: { kind: 'applied', result } })
  const reason = expect.stringMatching(/full: delete keys/)
  expect(await write).toEqual({ ok: false, error: { kind: 'unavailable', reason } })
})

/** The store of a node whose replica never answers. */
function lonely() {
  const a = 'a' as NodeId
  const inputs: Input[] = []
  const store = new ReplicatedControlStore({
    node: a,
    boot: '1',
    machine: new ControlMachine(rosterOf([a])),
    input: (input) => inputs.push(input),
  })
  return { store, inputs }
}
