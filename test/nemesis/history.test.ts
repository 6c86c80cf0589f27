import { expect, test } from 'vitest'
import { checkHistory, type Expected, type StoreOperation } from './history.ts'

function put(
  [called, returned]: readonly [number, number?],
  value: string,
  revision?: number,
  expected?: Expected,
): StoreOperation {
  const input = {
    kind: 'put',
    key: 'k',
    value,
    ...(expected !== undefined && { expected }),
  } as const
  if (returned === undefined) return { input, called }
  return { input, called, returned, output: { kind: 'written', revision } }
}
function conflict(
  [called, returned]: readonly [number, number],
  expected: Expected,
  current?: number,
): StoreOperation {
  const input = { kind: 'put', key: 'k', value: `never ${called}`, expected } as const
  return { input, called, returned, output: { kind: 'conflict', current } }
}
function remove([called, returned]: readonly [number, number]): StoreOperation {
  const output = { kind: 'written', revision: undefined } as const
  return { input: { kind: 'delete', key: 'k' }, called, returned, output }
}
function get(
  [called, returned]: readonly [number, number],
  value?: string,
  revision = 0,
): StoreOperation {
  const found = value === undefined ? undefined : { value, revision }
  return { input: { kind: 'get', key: 'k' }, called, returned, output: { kind: 'found', found } }
}
function verdict(...history: StoreOperation[]): string {
  return checkHistory(history).kind
}

test('accepts what one copy would have done', () => {
  expect(
    verdict(
      get([1, 2]),
      put([3, 4], 'a', 5, 'absent'),
      get([5, 6], 'a', 5),
      conflict([7, 8], 'absent', 5),
      put([9, 10], 'b', 7, { value: 'a', revision: 5 }),
      conflict([11, 12], { value: 'a', revision: 5 }, 7),
      remove([13, 14]),
      get([15, 16]),
      conflict([17, 18], { value: 'b', revision: 7 }),
      put([19, 20], 'c', 9),
    ),
  ).toBe('linearizable')
})

test('rejects a stale read, a lost value and one from nowhere', () => {
  expect(verdict(put([1, 2], 'a', 1), put([3, 4], 'b', 2), get([5, 6], 'a', 1))).toBe('violation')
  expect(verdict(put([1, 2], 'a', 1), get([3, 4]))).toBe('violation')
  expect(verdict(get([1, 2], 'refused', 1))).toBe('violation')
})

test('accepts a write without an answer as done late, or never, or seen once its revision is read', () => {
  expect(verdict(put([1], 'a'), get([2, 3]), get([9, 10], 'a', 4), get([11, 12], 'a', 4))).toBe(
    'linearizable',
  )
  expect(verdict(put([1], 'a'), get([2, 3]), put([4, 5], 'b', 1), get([9, 10], 'b', 1))).toBe(
    'linearizable',
  )
  expect(verdict(put([1], 'a'), get([2, 3], 'a', 4), get([4, 5], 'a', 5))).toBe('violation')
})

test('accepts a conditional write without an answer only where its condition held', () => {
  const lost = put([3], 'b', undefined, { value: 'a', revision: 1 })
  expect(verdict(put([1, 2], 'a', 1), lost, get([4, 5], 'b', 2))).toBe('linearizable')
  expect(verdict(put([1, 2], 'a', 1), put([2.1, 2.2], 'c', 2), lost, get([4, 5], 'b', 3))).toBe(
    'violation',
  )
})

test('rejects two successful writes on one condition', () => {
  expect(
    verdict(put([1, 5], 'a', 1, 'absent'), put([2, 6], 'b', 2, 'absent'), get([7, 8], 'b', 2)),
  ).toBe('violation')
})

test('rejects a conflict that nothing explains, and one that names a wrong revision', () => {
  expect(verdict(conflict([1, 2], 'absent', 1))).toBe('violation')
  expect(verdict(put([1, 2], 'a', 1), conflict([3, 4], { value: 'a', revision: 1 }, 1))).toBe(
    'violation',
  )
  expect(verdict(put([1, 2], 'a', 1), conflict([3, 4], 'absent', 2))).toBe('violation')
})

test('rejects a value that is read with the revision of another write', () => {
  expect(verdict(put([1, 2], 'a', 3), get([3, 4], 'a', 4))).toBe('violation')
})

test('rejects revisions that do not grow with time, also across keys, and one given twice', () => {
  const other = (operation: StoreOperation): StoreOperation => ({
    ...operation,
    input: { ...operation.input, key: 'other' },
  })
  expect(verdict(put([1, 2], 'a', 5), other(put([3, 4], 'b', 4)))).toBe('revisions-disordered')
  expect(verdict(put([1, 4], 'a', 5), other(put([3, 6], 'b', 5)))).toBe('revisions-disordered')
  expect(verdict(put([1, 4], 'a', 5), other(put([3, 6], 'b', 4)))).toBe('linearizable')
})

test('counts keys', () => {
  expect(checkHistory([put([1, 2], 'a', 1)])).toEqual({ kind: 'linearizable', keys: 1 })
})
