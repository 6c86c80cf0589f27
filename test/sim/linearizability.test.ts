import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkLinearizability, type Operation, type SequentialModel } from './linearizability.ts'

type Input =
  | { kind: 'read'; key: string }
  | { kind: 'write'; key: string; value: number }
  | { kind: 'swap'; key: string; expected: number; value: number }
type Output = number | boolean

const register: SequentialModel<number, Input, Output> = {
  initial: 0,
  partition: (input) => input.key,
  step(state, input, output) {
    switch (input.kind) {
      case 'read':
        return output === undefined || output === state ? state : undefined
      case 'write':
        return input.value
      case 'swap': {
        const swapped = state === input.expected
        if (output !== undefined && output !== swapped) return undefined
        return swapped ? input.value : state
      }
    }
  },
  digest: (state) => String(state),
}

function read(called: number, returned: number, output: number, key = 'x') {
  return { input: { kind: 'read', key }, called, returned, output } as const
}
function write(called: number, returned: number | undefined, value: number, key = 'x') {
  const input = { kind: 'write', key, value } as const
  return returned === undefined ? { input, called } : { input, called, returned, output: true }
}
function swap(called: number, returned: number, expected: number, value: number, output: boolean) {
  return { input: { kind: 'swap', key: 'x', expected, value }, called, returned, output } as const
}
function verdict(...history: Operation<Input, Output>[]): string {
  return checkLinearizability(register, history).kind
}

test('accepts an empty and a sequential history', () => {
  expect(verdict()).toBe('linearizable')
  expect(verdict(write(1, 2, 1), read(3, 4, 1), write(5, 6, 2), read(7, 8, 2))).toBe('linearizable')
})

test('accepts either value while a write is in flight', () => {
  expect(verdict(write(1, 10, 1), read(2, 3, 0), read(4, 5, 1))).toBe('linearizable')
})

test('rejects reads that go backwards while a write is in flight', () => {
  expect(verdict(write(1, 10, 1), read(2, 3, 1), read(4, 5, 0))).toBe('violation')
})

test('rejects a stale read after an acknowledged write', () => {
  expect(verdict(write(1, 2, 1), read(3, 4, 0))).toBe('violation')
})

test('accepts calls that touch at one instant as concurrent', () => {
  expect(verdict(write(1, 3, 1), read(3, 4, 0))).toBe('linearizable')
})

test('accepts an unknown write that took effect late, and one that never did', () => {
  expect(verdict(write(1, undefined, 1), read(2, 3, 0), read(50, 51, 1))).toBe('linearizable')
  expect(verdict(write(1, undefined, 1), read(2, 3, 0), read(50, 51, 0))).toBe('linearizable')
})

test('rejects an unknown write that takes effect twice', () => {
  expect(
    verdict(write(1, undefined, 1), read(2, 3, 1), write(4, 5, 2), read(6, 7, 2), read(8, 9, 1)),
  ).toBe('violation')
})

test('rejects an unknown write seen before its call', () => {
  expect(verdict(read(1, 2, 1), write(3, undefined, 1))).toBe('violation')
})

test('rejects two successful swaps from one value, accepts one', () => {
  expect(verdict(swap(1, 5, 0, 1, true), swap(2, 6, 0, 2, true))).toBe('violation')
  expect(verdict(swap(1, 5, 0, 1, true), swap(2, 6, 0, 2, false))).toBe('linearizable')
})

test('rejects a lost update', () => {
  expect(verdict(swap(1, 2, 0, 1, true), swap(3, 4, 0, 2, true), read(5, 6, 2))).toBe('violation')
})

test('judges partitions apart and names the one that fails', () => {
  const history = [write(1, 2, 1, 'x'), read(3, 4, 0, 'y'), write(3, 4, 7, 'y'), read(5, 6, 7, 'y')]
  expect(checkLinearizability(register, history).kind).toBe('linearizable')
  const bad = checkLinearizability(register, [...history, read(7, 8, 0, 'y')])
  expect(bad).toMatchObject({ kind: 'violation', partition: 'y' })
})

test('gets through many concurrent unknown writes by remembering configurations', () => {
  const writes = Array.from({ length: 8 }, (_, i) => write(i, undefined, i % 3))
  const reads = Array.from({ length: 40 }, (_, i) => read(100 + 2 * i, 101 + 2 * i, 2))
  expect(verdict(...writes, ...reads)).toBe('linearizable')
  expect(verdict(...writes, ...reads, read(1_000, 1_001, 9))).toBe('violation')
})

/** Every order of the completed operations, tried one by one: slow, and obviously right. */
function naive(history: Operation<Input, Output>[]): boolean {
  function extend(rest: Operation<Input, Output>[], state: number): boolean {
    if (rest.every((operation) => operation.returned === undefined)) return true
    return rest.some((operation) => {
      const others = rest.filter((other) => other !== operation)
      if (others.some((other) => (other.returned ?? Number.POSITIVE_INFINITY) < operation.called))
        return false
      const next = register.step(state, operation.input, operation.output)
      return next !== undefined && extend(others, next)
    })
  }
  return extend(history, 0)
}

test('agrees with trying every order', () => {
  const value = fc.integer({ min: 0, max: 2 })
  const times = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 6 }))
  const operation = fc.oneof(
    fc.tuple(times, value).map(([[at, ms], v]) => read(at, at + ms, v)),
    fc.tuple(times, value).map(([[at, ms], v]) => write(at, ms === 6 ? undefined : at + ms, v)),
    fc
      .tuple(times, value, value, fc.boolean())
      .map(([[at, ms], from, to, done]) => swap(at, at + ms, from, to, done)),
  )
  const seen = { linearizable: 0, violation: 0, undecided: 0 }
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (history) => {
      const { kind } = checkLinearizability(register, history)
      seen[kind]++
      expect(kind === 'linearizable').toBe(naive(history))
    }),
    { numRuns: 2_000 },
  )
  expect(Math.min(seen.linearizable, seen.violation)).toBeGreaterThan(100)
})
