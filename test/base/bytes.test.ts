import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes, concat, hex, text, utf8 } from '../../src/base/bytes.ts'

test('utf8 and text are inverse', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      expect(text(utf8(value))).toBe(value)
    }),
  )
})

test('text keeps a byte order mark, wherever it is', () => {
  for (const value of ['\ufeff', '\ufeffa', 'a\ufeff', '\ufeff\ufeff']) {
    expect(text(utf8(value))).toBe(value)
  }
})

test('compareBytes agrees with Buffer.compare', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
    }),
  )
})

test('concat joins in order and hex is lowercase', () => {
  expect(hex(concat([new Uint8Array([0xab]), new Uint8Array(), new Uint8Array([1, 255])]))).toBe(
    'ab01ff',
  )
})
