import { expect, test } from 'vitest'
import { Guard, isLoopback } from '../../src/node/guard.ts'

const guard = new Guard('127.0.0.1', ['repo.example'])

test.each([
  'localhost',
  'LOCALHOST:8080',
  '127.0.0.1:8080',
  '[::1]:8080',
  'repo.example',
  'repo.example:443',
])('the host %s is ours', (host) => {
  expect(guard.check('GET', host, undefined)).toBeUndefined()
  expect(guard.check('GET', host, undefined)).toBeUndefined()
})

test.each([
  'evil.example',
  'localhost.evil.example',
  '127.0.0.1.evil.example:80',
  'evil.example:8080',
  '',
])('the host %j is refused, with the setting that would allow it', (host) => {
  expect(guard.check('GET', host, undefined)).toMatchObject({
    kind: 'unknown-host',
    detail: expect.stringContaining("'hosts'"),
  })
})

test('a request without a Host is refused', () => {
  expect(guard.check('GET', undefined, undefined)).toMatchObject({ kind: 'bad-request' })
})

test.each(['PUT', 'POST', 'DELETE', 'PATCH'])('a foreign page may not %s', (method) => {
  for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example']) {
    expect(guard.check(method, 'localhost', origin)).toMatchObject({ kind: 'foreign-origin' })
  }
  expect(guard.check(method, 'localhost', 'http://localhost:8080')).toBeUndefined()
  expect(guard.check(method, 'localhost', 'https://repo.example')).toBeUndefined()
})

test('a foreign page may read, since browsers hide the answer from it', () => {
  expect(guard.check('GET', 'localhost', 'https://evil.example')).toBeUndefined()
})

test('only addresses that stay on this machine are loopback', () => {
  expect(['localhost', '::1', '127.0.0.1', '127.1.2.3'].every(isLoopback)).toBe(true)
  expect(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.evil', 'example'].some(isLoopback)).toBe(false)
})
