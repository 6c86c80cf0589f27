import { expect, test } from 'vitest'
import type { Digest } from '../../src/base/ids.ts'
import { fileHead } from '../../src/maven/head.http.ts'
import { parseLayout } from '../../src/maven/layout.ts'

const record = {
  sizeBytes: 1,
  timeMs: 0,
  inline: true,
  sums: { sha256: '0'.repeat(64) as Digest, sha1: '0'.repeat(40) },
  verified: [],
  mismatched: [],
  publisher: 'someone',
}

test('a release may be kept for ever, but by no cache that would show it to those without a token', () => {
  const { fields } = fileHead(parseLayout('com/acme/app/1.0/app-1.0.jar'), record)
  const cacheControl = fields[fields.indexOf('Cache-Control') + 1]
  expect(cacheControl).toContain('immutable')
  expect(cacheControl).not.toContain('public')
})
