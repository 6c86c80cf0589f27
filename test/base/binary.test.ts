import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BinaryReader, encodeBinary } from '../../src/base/binary.ts'
import { hex, utf8 } from '../../src/base/bytes.ts'

test('numbers have their most significant byte first', () => {
  const bytes = encodeBinary((writer) =>
    writer
      .uint8(1)
      .uint16(2)
      .uint32(3)
      .uint48(2 ** 40 + 4),
  )
  expect(hex(bytes)).toBe('01000200000003010000000004')
})

test('a reader gives back what was written', () => {
  const number = fc.nat({ max: 2 ** 48 - 1 })
  fc.assert(
    fc.property(number, fc.string({ unit: 'binary' }), fc.uint8Array(), (count, word, rest) => {
      const bytes = encodeBinary((writer) => writer.uint48(count).sizedText(word).bytes(rest))
      const reader = new BinaryReader(bytes)
      expect([reader.uint48(), reader.sizedText()]).toEqual([count, word])
      expect(hex(reader.rest())).toBe(hex(rest))
    }),
  )
})

test('encodings grow beyond the first memory and do not run into each other', () => {
  const large = 'é'.repeat(10_000)
  const outer = encodeBinary((writer) => {
    writer.text('a')
    expect(encodeBinary((inner) => inner.text(large))).toEqual(utf8(large))
    writer.text('b')
  })
  expect(outer).toEqual(utf8('ab'))
  expect(() => encodeBinary((writer) => writer.uint8(1).uint8(256))).toThrow('not a number')
  expect(encodeBinary((writer) => writer.uint8(2))).toEqual(Uint8Array.of(2))
})

test('a reader throws when bytes are missing', () => {
  expect(() => new BinaryReader(Uint8Array.of(1)).uint16()).toThrow(RangeError)
})
