import { expect, test } from 'vitest'
import { Ledger } from './ledger.ts'

const PATH = 'releases/g/a/1/a-1.jar'

function contest(): Ledger {
  const ledger = new Ledger()
  ledger.begin(PATH, 'one')
  ledger.begin(PATH, 'two')
  return ledger
}

const seen = (...digests: (string | undefined)[]) => digests.map((sha256) => ({ sha256 }))

test('an acknowledged content has to be there, everywhere, and no other', () => {
  const ledger = contest()
  ledger.acknowledge(PATH, 'one')
  ledger.refuse(PATH, 'two')
  expect(ledger.faults).toEqual([])
  expect(ledger.misfit(PATH, seen('one', 'one'))).toBeUndefined()
  expect(ledger.misfit(PATH, seen('one', undefined))).toContain('differ')
  expect(ledger.misfit(PATH, seen('two', 'two'))).toContain('not what was acknowledged')
  expect(ledger.misfit(PATH, seen(undefined, undefined))).toContain('not there')
})

test('an upload without an answer is there whole or not at all', () => {
  const ledger = contest()
  expect(ledger.misfit(PATH, seen(undefined, undefined))).toBeUndefined()
  expect(ledger.misfit(PATH, seen('two', 'two'))).toBeUndefined()
  expect(ledger.misfit(PATH, seen('half', 'half'))).toContain('nobody sent')
  ledger.refuse(PATH, 'two')
  expect(ledger.misfit(PATH, seen('two', 'two'))).toContain('refused')
})

test('a path takes one content', () => {
  const ledger = contest()
  ledger.acknowledge(PATH, 'one')
  ledger.acknowledge(PATH, 'one')
  expect(ledger.faults).toEqual([])
  ledger.acknowledge(PATH, 'two')
  expect(ledger.faults).toEqual([`${PATH}: two contents were acknowledged`])
})

test('an answer does not take another one back', () => {
  const ledger = contest()
  ledger.refuse(PATH, 'one')
  ledger.acknowledge(PATH, 'one')
  ledger.refuse(PATH, 'one')
  expect(ledger.faults).toHaveLength(2)
})

test('nobody is refused for the sake of bytes that nobody sent', () => {
  const ledger = new Ledger()
  ledger.begin(PATH, 'one')
  ledger.refuse(PATH, 'one')
  expect(ledger.faults).toEqual([`${PATH}: refused, and nobody sent other bytes`])
})

test('versions are kept by artifact, and what was asked for does not grow', () => {
  const ledger = new Ledger()
  ledger.acknowledgeVersion('releases/g/a', '1')
  const before = ledger.versions('releases/g/a')
  ledger.acknowledgeVersion('releases/g/a', '2')
  expect(before).toEqual(['1'])
  expect(ledger.versions('releases/g/a')).toEqual(['1', '2'])
  expect(ledger.artifacts()).toEqual(['releases/g/a'])
  expect(ledger.versions('releases/g/b')).toEqual([])
})
