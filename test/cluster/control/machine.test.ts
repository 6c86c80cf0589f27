import { expect, test } from 'vitest'
import type { NodeId, RequestId } from '../../../src/base/ids.ts'
import type { ControlOperation } from '../../../src/base/port.ts'
import { ControlMachine } from '../../../src/cluster/control/machine.ts'
import {
  encodeOrdered,
  type OrderedCommand,
  type OrderedResult,
} from '../../../src/cluster/control/ordered.ts'
import { CONTROL_STATE_UNITS_MAX } from '../../../src/cluster/control/state.ts'
import { rosterOf } from './roster.ts'

const [a, b] = ['a', 'b'] as NodeId[] as [NodeId, NodeId]

/** A command of the format after the one this program knows. */
const FROM_THE_FUTURE = JSON.stringify({ format: 2, kind: 'teleport', to: 'mars' })

function run(machine: ControlMachine, command: OrderedCommand): unknown {
  const applied = machine.apply(encodeOrdered(command))
  return applied.kind === 'applied' ? JSON.parse(applied.result) : applied
}

test('a command above the gate is refused alike by a program that knows it and one that does not', () => {
  for (const knows of [1, 2]) {
    expect(new ControlMachine(rosterOf([a, b]), knows).apply(FROM_THE_FUTURE)).toEqual({
      kind: 'applied',
      result: '{"kind":"refused","why":"format-not-enabled"}',
    })
  }
})

test('the gate rises when all members have announced to know the format, and not before', () => {
  const machine = new ControlMachine(rosterOf([a, b]))
  const refused = { kind: 'refused', why: 'format-not-known-by-all' }
  expect(run(machine, { kind: 'enable', upTo: 2 })).toEqual(refused)
  run(machine, { kind: 'announce', node: a, knows: 2 })
  expect(run(machine, { kind: 'enable', upTo: 2 })).toEqual(refused)
  run(machine, { kind: 'announce', node: b, knows: 3 })
  expect(run(machine, { kind: 'enable', upTo: 2 })).toEqual({ kind: 'done' })
})

test('an older program stops in front of an enabled command that it does not know', () => {
  const machine = new ControlMachine(rosterOf([a]))
  run(machine, { kind: 'announce', node: a, knows: 2 })
  run(machine, { kind: 'enable', upTo: 2 })
  expect(machine.apply(FROM_THE_FUTURE)).toEqual({
    kind: 'stalled',
    reason: 'a command of format 2, this program knows 1',
  })
})

test('a node that does not know the enabled formats gets no vote', () => {
  const machine = new ControlMachine(rosterOf([a]))
  run(machine, { kind: 'announce', node: a, knows: 2 })
  run(machine, { kind: 'enable', upTo: 2 })
  run(machine, { kind: 'add', epoch: 1, node: b, incarnation: 'i', address: 'b:1' })
  const promote = { kind: 'promote', epoch: 2, node: b } as const
  expect(run(machine, promote)).toEqual({ kind: 'refused', why: 'format-not-known-by-all' })
  run(machine, { kind: 'announce', node: b, knows: 2 })
  expect(run(machine, promote)).toEqual({ kind: 'done' })
  expect(machine.electorate()).toEqual({ epoch: 3, members: [a, b] })
})

test('a change of the members says why it does not take place', () => {
  const machine = new ControlMachine(rosterOf([a]))
  const removal = run(machine, { kind: 'remove', epoch: 1, node: a })
  expect(removal).toEqual({ kind: 'refused', why: 'last-voter' })
})

test('a retry of a write gets the first answer from whichever session it comes', () => {
  const machine = new ControlMachine(rosterOf([a]))
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

test('a write for which the entries have no room is refused, what does not make them grow is not', () => {
  const machine = new ControlMachine(rosterOf([a]))
  const value = 'x'.repeat(64 * 1_024)
  const count = Math.floor(CONTROL_STATE_UNITS_MAX / (value.length + 105))
  const history = [{ revision: 1, requestId: 'first' as RequestId, changes: [] }]
  machine.state.restore({
    entries: Array.from({ length: count }, (_, i) => [`k${i}`, { value, revision: 1 }]),
    history,
  })
  const put = (key: string) => ({ kind: 'put', key, value }) as const
  const write = (...operations: ControlOperation[]) => {
    const requestId = `after ${machine.state.revision}` as RequestId
    return run(machine, { kind: 'write', operations, preconditions: [], requestId })
  }
  const full = { kind: 'refused', why: 'state-full' }
  const room = [put('room 1'), put('room 2')].map((one) => (write(one) as OrderedResult).kind)
  expect(room.at(-1)).toBe('refused')
  const { revision } = machine.state
  expect(write(put('more'))).toEqual(full)
  expect(write(put('k1'))).toEqual({ kind: 'written', revision: revision + 1 })
  expect(write({ kind: 'delete', key: 'k1' }, put('k'))).toMatchObject({ kind: 'written' })
  expect(write({ kind: 'delete', key: 'k2' })).toMatchObject({ kind: 'written' })
  expect(write(put('more'))).toEqual({ kind: 'written', revision: revision + 4 })
  expect(write(put('even more'))).toEqual(full)
})
