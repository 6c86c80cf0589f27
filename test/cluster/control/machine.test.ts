import { expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import { ControlMachine } from '../../../src/cluster/control/machine.ts'
import { encodeOrdered, type OrderedCommand } from '../../../src/cluster/control/ordered.ts'

const [a, b, c] = ['a', 'b', 'c'] as NodeId[] as [NodeId, NodeId, NodeId]

/** A command of the format after the one this program knows. */
const FROM_THE_FUTURE = JSON.stringify({ format: 2, kind: 'teleport', to: 'mars' })

function run(machine: ControlMachine, command: OrderedCommand): unknown {
  const applied = machine.apply(encodeOrdered(command))
  return applied.kind === 'applied' ? JSON.parse(applied.result) : applied
}

test('a command above the gate is refused alike by a program that knows it and one that does not', () => {
  for (const knows of [1, 2]) {
    expect(new ControlMachine([a, b], knows).apply(FROM_THE_FUTURE)).toEqual({
      kind: 'applied',
      result: '{"kind":"refused","why":"format-not-enabled"}',
    })
  }
})

test('the gate rises when all members have announced to know the format, and not before', () => {
  const machine = new ControlMachine([a, b])
  const refused = { kind: 'refused', why: 'format-not-known-by-all' }
  expect(run(machine, { kind: 'enable', upTo: 2 })).toEqual(refused)
  run(machine, { kind: 'announce', node: a, knows: 2 })
  expect(run(machine, { kind: 'enable', upTo: 2 })).toEqual(refused)
  run(machine, { kind: 'announce', node: b, knows: 3 })
  expect(run(machine, { kind: 'enable', upTo: 2 })).toEqual({ kind: 'done' })
})

test('an older program stops in front of an enabled command that it does not know', () => {
  const machine = new ControlMachine([a])
  run(machine, { kind: 'announce', node: a, knows: 2 })
  run(machine, { kind: 'enable', upTo: 2 })
  expect(machine.apply(FROM_THE_FUTURE)).toEqual({
    kind: 'stalled',
    reason: 'a command of format 2, this program knows 1',
  })
})

test('a node that does not know the enabled formats cannot become a member', () => {
  const machine = new ControlMachine([a])
  run(machine, { kind: 'announce', node: a, knows: 2 })
  run(machine, { kind: 'enable', upTo: 2 })
  const join = { kind: 'members', epoch: 1, members: [a, b] } as const
  expect(run(machine, join)).toEqual({ kind: 'refused', why: 'format-not-known-by-all' })
  run(machine, { kind: 'announce', node: b, knows: 2 })
  expect(run(machine, join)).toEqual({ kind: 'done' })
  expect(machine.electorate()).toEqual({ epoch: 2, members: [a, b] })
})

test('the electorate changes by one node at a time, and of two changes at once one takes place', () => {
  const machine = new ControlMachine([a, b])
  const notOne = { kind: 'refused', why: 'not-one-node' }
  expect(run(machine, { kind: 'members', epoch: 1, members: [a, c] })).toEqual(notOne)
  expect(run(machine, { kind: 'members', epoch: 1, members: [b, a] })).toEqual(notOne)
  expect(run(machine, { kind: 'members', epoch: 1, members: [c, a, b] })).toEqual({ kind: 'done' })
  expect(machine.electorate()).toEqual({ epoch: 2, members: [a, b, c] })
  const late = run(machine, { kind: 'members', epoch: 1, members: [a] })
  expect(late).toEqual({ kind: 'refused', why: 'other-epoch' })
})

test('the last member cannot be removed', () => {
  const machine = new ControlMachine([a])
  const removal = run(machine, { kind: 'members', epoch: 1, members: [] })
  expect(removal).toEqual({ kind: 'refused', why: 'not-one-node' })
})

test('a retry of a write gets the first answer from whichever session it comes', () => {
  const machine = new ControlMachine([a])
  const write: OrderedCommand = {
    kind: 'write',
    operations: [{ kind: 'put', key: 'k', value: 'v' }],
    preconditions: [{ key: 'k', revision: 'absent' }],
    requestId: 'id' as RequestId,
  }
  expect(run(machine, write)).toEqual({ kind: 'written', revision: 1 })
  expect(run(machine, write)).toEqual({ kind: 'written', revision: 1 })
  expect(run(machine, { ...write, requestId: 'other' as RequestId })).toEqual({
    kind: 'conflict',
    key: 'k',
    current: 1,
  })
})
