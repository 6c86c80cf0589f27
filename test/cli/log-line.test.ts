import { pino } from 'pino'
import { expect, test } from 'vitest'
import { readableLine } from '../../src/cli/log-line.ts'

/** What a node's log writes, at a time that is known. */
function logged(log: (logger: pino.Logger) => void): string {
  let line = ''
  const timestamp = () => ',"time":"2026-01-02T03:04:05.678Z"'
  const formatters = { level: (level: string) => ({ level }) }
  log(pino({ base: null, timestamp, formatters }, { write: (text) => (line = text.trimEnd()) }))
  return line
}

test('a line of the log is the time, the message and its fields', () => {
  const line = logged((logger) => logger.info({ url: 'http://x', count: 2, list: ['a'] }, 'ready'))
  expect(readableLine(line)).toBe('03:04:05 ready url=http://x count=2 list=["a"]')
})

test('what is wrong stands out, with the reason at the end', () => {
  const line = logged((logger) =>
    logger.error({ err: new Error('the disk is gone'), slot: 3 }, 'it stops'),
  )
  expect(readableLine(line)).toBe('03:04:05 ERROR it stops slot=3 (the disk is gone)')
})

test.each(['', 'plain text', '{"cut', 'null'])('%j stays as it is', (line) => {
  expect(readableLine(line)).toBe(line)
})

test('nothing in it steers the terminal', () => {
  const line = logged((logger) => logger.info({ url: '/\u001b[2J\n' }, 'a\u0007b'))
  expect(readableLine(line)).toBe('03:04:05 a b url=/ [2J ')
  expect(readableLine('x\u001b[2J')).toBe('x [2J')
})
