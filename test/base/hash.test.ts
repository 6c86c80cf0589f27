import { expect, test } from 'vitest'
import { hex, utf8 } from '../../src/base/bytes.ts'
import { gmac } from '../../src/base/hash.ts'

const KEY = new Uint8Array(32)
const NONCE = new Uint8Array(12)

test('a GMAC is the one that the specification of GCM gives for its test case 13', () => {
  expect(hex(gmac(KEY, NONCE))).toBe('530f8afbc74536b9a963b4f1c4cb738b')
})

test('a GMAC of parts is the one of the whole, and no other text or nonce has it', () => {
  const whole = gmac(KEY, NONCE, utf8('two parts'))
  expect(gmac(KEY, NONCE, utf8('two '), utf8('parts'))).toEqual(whole)
  expect(gmac(KEY, NONCE, utf8('two pasts'))).not.toEqual(whole)
  expect(gmac(KEY, NONCE.with(11, 1), utf8('two parts'))).not.toEqual(whole)
})
