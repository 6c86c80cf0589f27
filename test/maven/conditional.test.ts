import { expect, test } from 'vitest'
import { type Decision, decide, type RequestConditions } from '../../src/maven/conditional.ts'

const etag = 'e'.repeat(64)
const modifiedMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const validators = { etag, modifiedMs, sizeBytes: 100 }
const modified = new Date(modifiedMs).toUTCString()
const earlier = new Date(modifiedMs - 1_000).toUTCString()
const later = new Date(modifiedMs + 1_000).toUTCString()

function decideOn(conditions: Partial<RequestConditions>): Decision {
  const none: RequestConditions = {
    ifMatch: undefined,
    ifNoneMatch: undefined,
    ifModifiedSince: undefined,
    ifUnmodifiedSince: undefined,
    ifRange: undefined,
    range: undefined,
  }
  return decide({ ...none, ...conditions }, validators)
}

test.each([
  ['bytes=0-9', 0, 10],
  ['bytes=90-', 90, 100],
  ['bytes=90-1000', 90, 100],
  ['bytes=-10', 90, 100],
  ['bytes=-1000', 0, 100],
  ['bytes=0-0', 0, 1],
  ['bytes=99-99', 99, 100],
])('%s is the part from %i up to %i', (range, start, end) => {
  expect(decideOn({ range })).toEqual({ kind: 'part', range: { start, end } })
})

test.each(['bytes=100-', 'bytes=100-200', 'bytes=-0'])('%s cannot be satisfied', (range) => {
  expect(decideOn({ range })).toEqual({ kind: 'unsatisfiable' })
})

test.each(['bytes=9-3', 'bytes=0-1,5-6', 'bytes=a-b', 'items=0-1', 'bytes=', 'bytes=-', '0-1'])(
  '%s is ignored, as the RFC asks of a malformed range and allows of several',
  (range) => {
    expect(decideOn({ range })).toEqual({ kind: 'full' })
  },
)

test('a matching If-None-Match answers not modified, also in a list, weakly or for any', () => {
  for (const ifNoneMatch of [`"${etag}"`, `"x", W/"${etag}"`, '*']) {
    expect(decideOn({ ifNoneMatch })).toEqual({ kind: 'not-modified' })
  }
  expect(decideOn({ ifNoneMatch: '"other"' })).toEqual({ kind: 'full' })
  expect(decideOn({ ifNoneMatch: etag })).toEqual({ kind: 'full' })
})

test('If-None-Match takes precedence over If-Modified-Since', () => {
  expect(decideOn({ ifNoneMatch: '"other"', ifModifiedSince: later })).toEqual({ kind: 'full' })
})

test('If-Modified-Since compares whole seconds and ignores what is no date', () => {
  expect(decideOn({ ifModifiedSince: modified })).toEqual({ kind: 'not-modified' })
  expect(decideOn({ ifModifiedSince: later })).toEqual({ kind: 'not-modified' })
  expect(decideOn({ ifModifiedSince: earlier })).toEqual({ kind: 'full' })
  expect(decideOn({ ifModifiedSince: 'yesterday' })).toEqual({ kind: 'full' })
})

test('If-Match compares strongly', () => {
  expect(decideOn({ ifMatch: `"${etag}"` })).toEqual({ kind: 'full' })
  expect(decideOn({ ifMatch: '*' })).toEqual({ kind: 'full' })
  expect(decideOn({ ifMatch: `W/"${etag}"` })).toEqual({ kind: 'precondition-failed' })
})

test('If-Unmodified-Since fails once the file is newer, which makes Maven start a resumed download again', () => {
  expect(decideOn({ ifUnmodifiedSince: modified, range: 'bytes=50-' })).toMatchObject({
    kind: 'part',
  })
  expect(decideOn({ ifUnmodifiedSince: earlier, range: 'bytes=50-' })).toEqual({
    kind: 'precondition-failed',
  })
})

test('If-Range gives the part only of the very file it names', () => {
  const range = 'bytes=50-'
  expect(decideOn({ range, ifRange: `"${etag}"` })).toMatchObject({ kind: 'part' })
  expect(decideOn({ range, ifRange: modified })).toMatchObject({ kind: 'part' })
  for (const ifRange of ['"other"', `W/"${etag}"`, later, earlier]) {
    expect(decideOn({ range, ifRange })).toEqual({ kind: 'full' })
  }
})
