import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Digest } from '../../../src/base/ids.ts'
import {
  decodeQuestion,
  decodeReadAnswer,
  decodeStoreAnswer,
  encodeAbandon,
  encodeNothing,
  encodeRead,
  encodeStoreAnswer,
  readAnswer,
  storeLength,
  writeStore,
} from '../../../src/cluster/dht/blob/chunk-question.ts'
import { CHUNK_BYTES } from '../../../src/storage/chunk-store.ts'
import { SEGMENT_BYTES } from '../../../src/storage/segment-pool.ts'

const digest = '0123456789abcdef'.repeat(4) as Digest
const transfer = 2 ** 40 + 7

function store(sizeBytes: number, position: number): Uint8Array {
  const question = new Uint8Array(storeLength(sizeBytes, position))
  writeStore(question, { transfer, digest, sizeBytes, position }).fill(7)
  return question
}

test.each([
  [1, 0, 1],
  [CHUNK_BYTES, CHUNK_BYTES - SEGMENT_BYTES, SEGMENT_BYTES],
  [SEGMENT_BYTES + 5, SEGMENT_BYTES, 5],
])(
  'of a chunk of %d bytes the segment at %d goes there and back',
  (sizeBytes, position, length) => {
    const bytes = new Uint8Array(length).fill(7)
    const decoded = decodeQuestion(store(sizeBytes, position))
    expect(decoded).toEqual({ kind: 'store', transfer, digest, sizeBytes, position, bytes })
  },
)

test('the other questions go there and back', () => {
  expect(decodeQuestion(encodeAbandon(transfer))).toEqual({ kind: 'abandon', transfer })
  const read = { digest, position: CHUNK_BYTES - 3, length: 3 }
  expect(decodeQuestion(encodeRead(read))).toEqual({ kind: 'read', ...read })
})

test('answers go there and back', () => {
  for (const answer of ['taken', 'stored', 'busy', 'no-space', 'unexpected'] as const) {
    expect(decodeStoreAnswer(encodeStoreAnswer(answer))).toBe(answer)
  }
  const { answer, bytes } = readAnswer(2)
  bytes.set([8, 9])
  expect(decodeReadAnswer(answer, 2)).toEqual(Uint8Array.of(8, 9))
  expect(decodeReadAnswer(encodeNothing(), 2)).toBe('nothing')
})

test('what is no question is refused', () => {
  const tooLong = { digest, position: 0, length: SEGMENT_BYTES + 1 }
  const beyond = { digest, position: CHUNK_BYTES - 2, length: 3 }
  const refused = [
    new Uint8Array(),
    Uint8Array.of(9),
    encodeAbandon(1).subarray(1),
    Uint8Array.of(...encodeAbandon(1), 0),
    encodeRead(tooLong),
    encodeRead(beyond),
    encodeRead({ digest, position: 0, length: 0 }),
    encodeRead({ digest, position: 0, length: 1 }).subarray(0, 40),
    store(10, 0).subarray(0, 56),
    Uint8Array.of(...store(10, 0), 0),
    store(CHUNK_BYTES + 1, 0),
    store(SEGMENT_BYTES + 10, 5),
  ]
  for (const question of refused) expect(decodeQuestion(question)).toBeUndefined()
})

test('what is no answer is refused', () => {
  expect(decodeStoreAnswer(Uint8Array.of(5))).toBeUndefined()
  expect(decodeStoreAnswer(Uint8Array.of(0, 0))).toBeUndefined()
  expect(decodeStoreAnswer(new Uint8Array())).toBeUndefined()
  expect(decodeReadAnswer(readAnswer(3).answer, 2)).toBeUndefined()
  expect(decodeReadAnswer(Uint8Array.of(1, 0), 1)).toBeUndefined()
  expect(decodeReadAnswer(new Uint8Array(), 1)).toBeUndefined()
})

test('no bytes make it throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0, max: 3 }), (bytes, kind) => {
      decodeQuestion(Uint8Array.of(kind, ...bytes))
      decodeReadAnswer(bytes, 3)
      decodeStoreAnswer(bytes)
    }),
  )
})
