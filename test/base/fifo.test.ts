import { expect, test } from 'vitest'
import { Fifo } from '../../src/base/fifo.ts'

test('items leave in the order in which they came', () => {
  const fifo = new Fifo<number>()
  for (const item of [1, 2, 3]) fifo.push(item)
  expect(fifo.take(2)).toEqual([1, 2])
  fifo.push(4)
  expect(fifo.after(0)).toEqual([3, 4])
  expect(fifo.size).toBe(2)
})

test('looking at what follows the oldest changes nothing', () => {
  const fifo = new Fifo<number>()
  for (let item = 0; item < 10; item++) fifo.push(item)
  fifo.take(4)
  expect(fifo.after(2)).toEqual([6, 7, 8, 9])
  expect(fifo.size).toBe(6)
})

test('it behaves like an array, however much comes and goes', () => {
  const fifo = new Fifo<number>()
  const array: number[] = []
  for (let i = 0; i < 1_000; i++) {
    fifo.push(i)
    array.push(i)
    const count = Math.min(array.length, i % 3 === 0 ? 2 : (i % 50) - 48)
    if (count > 0) expect(fifo.take(count)).toEqual(array.splice(0, count))
    expect(fifo.after(0)).toEqual(array)
  }
})
