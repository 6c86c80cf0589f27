import { expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import type { ControlChange } from '../../../src/base/port.ts'
import { controlGenesis } from '../../../src/cluster/control/genesis.ts'
import { ControlMachine } from '../../../src/cluster/control/machine.ts'
import { encodeOrdered, type OrderedCommand } from '../../../src/cluster/control/ordered.ts'
import { ReplicatedControlStore } from '../../../src/cluster/control/replicated.ts'
import { ControlState } from '../../../src/cluster/control/state.ts'
import { decodeSnapshot, Rabia } from '../../../src/cluster/rabia/index.ts'
import { rosterOf } from './roster.ts'

const [a, b] = ['a', 'b'] as NodeId[] as [NodeId, NodeId]

function run(machine: ControlMachine, command: OrderedCommand): unknown {
  const applied = machine.apply(encodeOrdered(command))
  return applied.kind === 'applied' ? JSON.parse(applied.result) : applied
}

function put(machine: ControlMachine, key: string, value: string): void {
  const requestId = `${key} ${value}` as RequestId
  run(machine, {
    kind: 'write',
    operations: [{ kind: 'put', key, value }],
    preconditions: [],
    requestId,
  })
}

function remove(machine: ControlMachine, key: string): void {
  const requestId = `remove ${key}` as RequestId
  run(machine, {
    kind: 'write',
    operations: [{ kind: 'delete', key }],
    preconditions: [],
    requestId,
  })
}

/** A machine in which each kind of state has something. */
function lived(): ControlMachine {
  const machine = new ControlMachine(rosterOf([a]))
  put(machine, 'k', '1')
  put(machine, 'gone', '1')
  remove(machine, 'gone')
  put(machine, 'k', 'ü')
  run(machine, { kind: 'bind', node: a, incarnation: 'disk of a' })
  run(machine, { kind: 'add', epoch: 2, node: b, incarnation: 'disk of b', address: 'b:1' })
  run(machine, { kind: 'announce', node: a, knows: 2 })
  run(machine, { kind: 'enable', upTo: 2 })
  return machine
}

test('a restored control state goes on as the one it was taken of, in equal bytes', () => {
  const machine = lived()
  const copy = new ControlMachine()
  copy.restore(machine.snapshot())
  expect(copy.snapshot()).toBe(machine.snapshot())
  expect(copy.state.list('')).toEqual(machine.state.list(''))
  for (const one of [machine, copy]) {
    expect(run(one, { kind: 'promote', epoch: 3, node: b })).toMatchObject({
      why: 'format-not-known-by-all',
    })
    run(one, { kind: 'announce', node: b, knows: 2 })
    expect(run(one, { kind: 'promote', epoch: 3, node: b })).toEqual({ kind: 'done' })
    put(one, 'k', '1')
    put(one, 'k', '3')
  }
  expect(copy.state.revision).toBe(5)
  expect(copy.electorate()).toEqual(machine.electorate())
  expect(copy.snapshot()).toBe(machine.snapshot())
})

test('restoring leaves nothing of the state before', () => {
  const machine = lived()
  const empty = new ControlMachine(rosterOf([b]))
  machine.restore(empty.snapshot())
  expect(machine.snapshot()).toBe(empty.snapshot())
  expect(machine.state.get('k')).toBeUndefined()
  expect(machine.state.revision).toBe(0)
  put(machine, 'k', '1')
  expect(machine.state.revision).toBe(1)
})

test('founders that name each other in any order begin with the same bytes', () => {
  const one = controlGenesis(rosterOf([a, b]))
  const other = controlGenesis(rosterOf([b, a]))
  expect(other).toEqual(one)
  expect(one).toMatchObject({ slot: 0, digest: '' })
  const machine = new ControlMachine()
  expect(machine.electorate()).toEqual({ epoch: 0, members: [] })
  machine.restore(decodeSnapshot(one.bytes).machine)
  expect(machine.electorate()).toEqual({ epoch: 1, members: [a, b] })
})

test('the genesis of a node that was alone until now has its control state', () => {
  const alone = new ControlState()
  const change = { key: 'k', value: 'v', revision: 1 }
  const transition = { revision: 1, requestId: 'id' as RequestId, changes: [change] }
  alone.restore({ entries: [['k', { value: 'v', revision: 1 }]], history: [transition] })
  const machine = new ControlMachine()
  const rabia = new Rabia({ self: a, cluster: 'test', boot: '1', machine })
  rabia.step({ kind: 'restore', snapshot: controlGenesis(rosterOf([a]), alone) })
  expect(machine.state.get('k')).toEqual({ value: 'v', revision: 1 })
  expect(machine.state.after(0)).toEqual([transition])
  expect(rabia.status()).toMatchObject({ slot: 1, isVoter: true })
})

test('commands that were written before membership was part of the log still apply', () => {
  const machine = new ControlMachine(rosterOf([a]))
  const write =
    '{"format":1,"kind":"write","operations":[{"kind":"put","key":"k","value":"v"}],"preconditions":[],"requestId":"id"}'
  expect(machine.apply(write)).toEqual({
    kind: 'applied',
    result: '{"kind":"written","revision":1}',
  })
  for (const command of [
    '{"format":1,"kind":"announce","node":"a","knows":2}',
    '{"format":1,"kind":"enable","upTo":2}',
  ]) {
    expect(machine.apply(command)).toEqual({ kind: 'applied', result: '{"kind":"done"}' })
  }
})

test.each([
  ['goes on without a gap over a snapshot that has what it missed', 3],
  ['is told that it is late when the snapshot no longer has what it missed', 1_200],
])('a watch %s', async (outcome, writes) => {
  const machine = new ControlMachine(rosterOf([a]))
  put(machine, 'k', '0')
  const input = (): void => {}
  const store = new ReplicatedControlStore({ node: a, boot: '1', machine, input })
  const watch = store.watch('k', 0)[Symbol.asyncIterator]() as AsyncIterator<ControlChange>
  expect(await watch.next()).toMatchObject({ value: { value: '0' } })
  const next = watch.next()
  const ahead = new ControlMachine(rosterOf([a]))
  for (let i = 0; i <= writes; i++) put(ahead, 'k', `${i}`)
  machine.restore(ahead.snapshot())
  store.take({ kind: 'restored', slot: writes + 1, digest: '' })
  if (outcome.startsWith('goes on')) {
    expect(await next).toMatchObject({ value: { value: '1', revision: 2 } })
    expect(await watch.next()).toMatchObject({ value: { value: '2', revision: 3 } })
  } else {
    await expect(next).rejects.toMatchObject({ name: 'WatchTooLateError' })
  }
  store.close()
})
