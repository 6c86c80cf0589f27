import { expect, test } from 'vitest'
import { Turns } from '../../../src/cluster/dht/turns.ts'

const pending = () => Promise.withResolvers<string>()

test('turns are taken first come, first served, and refused when too many wait', async () => {
  const turns = new Turns(1, 1)
  const first = pending()
  const taken = turns.take(() => first.promise)
  const next = turns.take(async () => 'next')
  expect(await turns.take(async () => 'third')).toBeUndefined()
  first.resolve('first')
  expect([await taken, await next]).toEqual(['first', 'next'])
})

test('who gives up waiting has no turn, and takes none from those behind', async () => {
  const turns = new Turns(1, 4)
  const [first, givenUp] = [pending(), pending()]
  const taken = turns.take(() => first.promise)
  const impatient = turns.take(async () => 'impatient', givenUp.promise)
  const patient = turns.take(async () => 'patient')
  givenUp.resolve('')
  expect(await impatient).toBeUndefined()
  first.resolve('first')
  expect([await taken, await patient]).toEqual(['first', 'patient'])
})

test('to give up when the turn has come changes nothing', async () => {
  const turns = new Turns(1, 4)
  const [first, givenUp] = [pending(), pending()]
  const taken = turns.take(() => first.promise, givenUp.promise)
  givenUp.resolve('')
  first.resolve('first')
  expect(await taken).toBe('first')
})
