import fc from 'fast-check'
import { expect, test } from 'vitest'
import { concat, utf8 } from '../../../src/base/bytes.ts'
import { gmac } from '../../../src/base/hash.ts'
import {
  FRAME_BYTES_MAX,
  FrameReader,
  FrameWriter,
  PAYLOAD_BYTES_MAX,
  PROTOCOL_VERSION,
} from '../../../src/cluster/wire/frame.ts'
import { Splitter } from '../../../src/cluster/wire/splitter.ts'

const KEY = new Uint8Array(32).fill(7)
const OTHER_KEY = new Uint8Array(32).fill(8)

test('frames of any messages, cut anywhere, come out as they went in', () => {
  const message = fc.record({ channel: fc.nat(255), payload: fc.uint8Array({ maxLength: 300 }) })
  const cuts = fc.array(fc.nat(400), { minLength: 1 })
  fc.assert(
    fc.property(fc.array(fc.array(message)), cuts, (frames, cuts) => {
      const writer = new FrameWriter(KEY)
      const stream = concat(frames.flatMap((messages) => writer.frame(messages)))
      const receiver = new Receiver()
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = Math.max(1, cuts[i % cuts.length] as number)
        receiver.push(stream.slice(at, at + size))
        at += size
      }
      expect(receiver.received).toEqual(frames.flat())
    }),
  )
})

test('what has come out is not touched by what follows', () => {
  const writer = new FrameWriter(KEY)
  const receiver = new Receiver()
  const frames = ['first', 'second', 'third'].map((word) => frameOf(writer, word))
  const stream = concat(frames)
  for (let at = 0; at < stream.length; at += 5) receiver.push(stream.slice(at, at + 5))
  const words = receiver.received.map(({ payload }) => new TextDecoder().decode(payload))
  expect(words).toEqual(['first', 'second', 'third'])
})

test('a frame with any bit flipped is refused, and so is one with any byte missing', () => {
  const frame = frameOf(new FrameWriter(KEY), 'a ballot')
  for (let bit = 0; bit < 8 * frame.length; bit++) {
    const altered = Uint8Array.from(frame)
    altered[bit >> 3]! ^= 1 << (bit & 7)
    // What a length that has grown is still waiting for.
    const receiver = new Receiver()
    receiver.push(concat([altered, new Uint8Array(300)]))
    expect(receiver.received).toEqual([])
    expect(['foreign', 'malformed', 'oversized', 'incomplete']).toContain(receiver.fault)
    if (bit >= 32) expect(receiver.fault).toBe('foreign')
  }
  for (let size = 4; size < frame.length; size++) {
    const cut = frame.slice(0, size)
    new DataView(cut.buffer).setUint32(0, size - 4)
    const receiver = new Receiver()
    receiver.push(cut)
    expect(receiver.received).toEqual([])
    expect(receiver.fault).toBe(size < 27 ? 'malformed' : 'foreign')
  }
})

test('a frame of another connection is foreign', () => {
  const receiver = new Receiver()
  receiver.push(frameOf(new FrameWriter(OTHER_KEY), 'a ballot'))
  expect(receiver.fault).toBe('foreign')
})

test.each([
  ['repeated', [0, 0]],
  ['left out', [0, 2]],
  ['moved', [1, 0]],
])('a frame that is %s is noticed', (_, order) => {
  const writer = new FrameWriter(KEY)
  const frames = ['a', 'b', 'c'].map((word) => frameOf(writer, word))
  const receiver = new Receiver()
  for (const place of order) receiver.push(frames[place] as Uint8Array)
  expect(receiver.fault).toBe('replayed')
})

test('a sound frame of another version is malformed', () => {
  const sealed = Uint8Array.of(1, 0, 0, 0, 0, 0, 0)
  const piece = concat([sealed, gmac(KEY, nonceOf(sealed))])
  expect(new FrameReader(KEY).read(piece)).toEqual({ ok: false, error: 'malformed' })
})

test.each([
  ['ends within a label', [1, 0, 0, 0]],
  ['promises more than there is', [1, 0, 0, 0, 3, 65, 66]],
  ['goes on after its last message', [1, 0, 0, 0, 1, 65, 1]],
])('a sealed frame that %s is malformed', (_, body) => {
  const sealed = Uint8Array.of(PROTOCOL_VERSION, 0, 0, 0, 0, 0, 0)
  const mac = gmac(KEY, nonceOf(sealed), Uint8Array.from(body))
  const piece = concat([sealed, mac, Uint8Array.from(body)])
  expect(new FrameReader(KEY).read(piece)).toEqual({ ok: false, error: 'malformed' })
})

test('a length beyond every frame is refused as soon as it is read', () => {
  const splitter = new Splitter()
  for (const length of [FRAME_BYTES_MAX + 1, 0xff_ff_ff_ff]) {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setUint32(0, length)
    splitter.push(bytes)
    expect(splitter.take(FRAME_BYTES_MAX)).toBe('oversized')
  }
})

test('a length up to that takes no memory before its bytes arrive', () => {
  const before = process.memoryUsage().arrayBuffers
  const splitters = Array.from({ length: 200 }, () => new Splitter())
  for (const splitter of splitters) {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setUint32(0, FRAME_BYTES_MAX)
    splitter.push(bytes)
    splitter.push(Uint8Array.of(1))
    expect(splitter.take(FRAME_BYTES_MAX)).toBe('incomplete')
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_024 * 1_024)
})

test('the largest payload fits, and one byte more is a bug of the sender', () => {
  const payload = new Uint8Array(PAYLOAD_BYTES_MAX)
  const receiver = new Receiver()
  receiver.push(new FrameWriter(KEY).frame([{ channel: 1, payload }])[0] as Uint8Array)
  for (let at = 0; at < payload.length; at += 65_536) {
    receiver.push(payload.slice(at, at + 65_536))
  }
  expect(receiver.received[0]?.payload.length).toBe(PAYLOAD_BYTES_MAX)
  const larger = new Uint8Array(PAYLOAD_BYTES_MAX + 1)
  expect(() => new FrameWriter(KEY).frame([{ channel: 1, payload: larger }])).toThrow(
    'more than it may',
  )
})

/** What arrives on one connection. */
class Receiver {
  readonly received: { readonly channel: number; readonly payload: Uint8Array }[] = []
  fault: string | undefined
  readonly #splitter = new Splitter()
  readonly #reader = new FrameReader(KEY)

  push(chunk: Uint8Array): void {
    this.#splitter.push(chunk)
    while (this.fault === undefined || this.fault === 'incomplete') {
      const piece = this.#splitter.take(FRAME_BYTES_MAX)
      this.fault = typeof piece === 'string' ? piece : undefined
      if (typeof piece === 'string') return
      const frame = this.#reader.read(piece)
      if (frame.ok) this.received.push(...frame.value)
      else this.fault = frame.error
    }
  }
}

function frameOf(writer: FrameWriter, word: string): Uint8Array {
  return concat(writer.frame([{ channel: 1, payload: utf8(word) }]))
}

/** Of a frame with these first bytes. */
function nonceOf(sealed: Uint8Array): Uint8Array {
  return concat([sealed, new Uint8Array(5)])
}
