import fc from 'fast-check'
import { pack } from 'msgpackr'
import { expect, test } from 'vitest'
import type { Digest, NodeId } from '../../../src/base/ids.ts'
import type { Ballot, Batch, Message } from '../../../src/cluster/rabia/index.ts'
import { batchId } from '../../../src/cluster/rabia/index.ts'
import { decodeMessage, encodeMessage } from '../../../src/cluster/wire/index.ts'
import { a, b, Cluster, c } from '../rabia/fixture.ts'

const number = fc.maxSafeNat()
const positive = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })
const node = fc.constantFrom(a, b, c)
const boot = fc.constantFrom('0f', 'b/c')
const digest = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex') as Digest)

const id = fc.tuple(node, boot, number).map((parts) => batchId(...parts))

const request = fc.record({
  client: name,
  seq: positive,
  command: fc.string({ unit: 'binary', maxLength: 300 }),
})

const batch: fc.Arbitrary<Batch> = fc
  .record({ origin: node, boot, seq: number, stamp: number, requests: fc.array(request) })
  .map(({ boot, ...batch }) => ({ id: batchId(batch.origin, boot, batch.seq), ...batch }))

const ballot: fc.Arbitrary<Ballot> = fc.oneof(
  fc.constant<Ballot>({ stage: 'proposal', phase: 0, value: 0, batch: undefined }),
  id.map((batch): Ballot => ({ stage: 'proposal', phase: 0, value: 1, batch })),
  fc
    .tuple(fc.constantFrom('state' as const, 'vote' as const), positive)
    .map(([stage, phase]): Ballot => ({ stage, phase, value: 0, batch: undefined })),
  fc
    .tuple(fc.constantFrom('state' as const, 'vote' as const), positive, id)
    .map(([stage, phase, batch]): Ballot => ({ stage, phase, value: 1, batch })),
  fc
    .tuple(positive, id)
    .map(([phase, batch]): Ballot => ({ stage: 'vote', phase, value: '?', batch })),
)

/** One of each kind; a kind that is missing does not compile. */
const MESSAGES: { [K in Message['kind']]: fc.Arbitrary<Extract<Message, { kind: K }>> } = {
  ballots: fc.record({ epoch: number, slot: positive, repeats: fc.boolean() }).chain((place) =>
    fc.tuple(fc.array(ballot), fc.option(batch, { nil: undefined })).map(([others, batch]) => ({
      kind: 'ballots' as const,
      ...place,
      ballots: batch
        ? [{ stage: 'proposal' as const, phase: 0, value: 1 as const, batch: batch.id }, ...others]
        : others,
      batch,
    })),
  ),
  decided: fc
    .tuple(fc.nat(), fc.array(fc.option(batch)), fc.nat())
    .map(([first, decisions, more]) => ({
      kind: 'decided' as const,
      first,
      decisions,
      end: first + decisions.length + more,
    })),
  forward: fc.record({ kind: fc.constant('forward' as const), batch }),
  fetch: fc.record({ kind: fc.constant('fetch' as const), slot: number }),
  offer: fc.record({
    kind: fc.constant('offer' as const),
    slot: number,
    sizeBytes: number,
    sha256: digest,
  }),
  'snapshot-fetch': fc.record({
    kind: fc.constant('snapshot-fetch' as const),
    slot: number,
    sha256: digest,
    offset: number,
  }),
  'snapshot-chunk': fc.record({
    kind: fc.constant('snapshot-chunk' as const),
    slot: number,
    sha256: digest,
    offset: number,
    bytes: fc.uint8Array(),
  }),
  'mark-query': fc.record({ kind: fc.constant('mark-query' as const), round: name }),
  mark: fc.record({ kind: fc.constant('mark' as const), round: name, slot: number }),
  recall: fc.record({ kind: fc.constant('recall' as const), boot: name }),
  witness: fc.oneof(
    fc.record({
      kind: fc.constant('witness' as const),
      boot: name,
      slot: positive,
      ballot,
    }),
    fc.record({
      kind: fc.constant('witness' as const),
      boot: name,
      slot: fc.constant(0),
      ballot: fc.constant(undefined),
    }),
  ),
}

const anyMessage: fc.Arbitrary<Message> = fc.oneof(...Object.values(MESSAGES))

test.each(Object.entries(MESSAGES))('a message of kind %s is read as it was written', (_, kind) => {
  fc.assert(
    fc.property(kind as fc.Arbitrary<Message>, (message) => {
      expect(reread(message)).toEqual(message)
    }),
  )
})

test('whatever replicas say to each other on a lossy network is read as it was written', () => {
  const kinds = new Set<string>()
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(9)), (dice) => {
      const roll = () => dice.next().value as number
      const cluster = new Cluster([a, b, c], { limits: { decisions: 4, batchRequests: 2 } })
      cluster.link = ({ message }) => {
        kinds.add(message.kind)
        expect(reread(message)).toEqual(message)
        return roll() > 2
      }
      for (let i = 0; i < 8; i++) {
        cluster.request([a, b, c][roll() % 3]!, `client${i}`, `é ${i}`)
        if (roll() === 0) cluster.restart(b)
        if (roll() < 5) cluster.input(c, { kind: 'read', id: i })
        cluster.heal()
      }
    }),
    { numRuns: 20 },
  )
  for (const kind of ['ballots', 'decided', 'forward', 'fetch', 'mark-query', 'mark']) {
    expect(kinds).toContain(kind)
  }
})

test('a message that is cut off is malformed, and so is one with more behind it', () => {
  fc.assert(
    fc.property(anyMessage, fc.nat(), (message, place) => {
      const bytes = encodeMessage(message)
      const cut = bytes.subarray(0, place % bytes.length)
      expect(decodeMessage(cut)).toMatchObject({ ok: false, error: { kind: 'malformed' } })
      const more = Uint8Array.of(...bytes, 1)
      expect(decodeMessage(more)).toMatchObject({ ok: false, error: { kind: 'malformed' } })
    }),
  )
})

test('no bytes make the decoder throw, and what it lets pass is a message', () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }).map(packed),
    fc.tuple(fc.constantFrom(...Object.keys(MESSAGES)), fc.anything({ maxDepth: 4 })).map(packed),
    fc.tuple(anyMessage, fc.nat(), fc.nat(255)).map(([message, place, byte]) => {
      const bytes = Uint8Array.from(encodeMessage(message))
      bytes[place % bytes.length] = byte
      return bytes
    }),
  )
  fc.assert(
    fc.property(garbage, (bytes) => {
      const decoded = decodeMessage(bytes)
      if (decoded.ok) expect(reread(decoded.value)).toEqual(asPlain(decoded.value))
    }),
    { numRuns: 2_000 },
  )
})

const BATCH = ['a/0f/1', 'a', 1, 1, [['client', 1, 'put']]]
const DIGEST = 'a'.repeat(64)

test.each([
  ['no list', { kind: 'fetch', slot: 1 }],
  ['an unknown kind', ['gossip', [1]]],
  ['a property of all objects as its kind', ['toString', [1]]],
  ['too few parts', ['fetch', []]],
  ['too many parts', ['fetch', [1, 2]]],
  ['a negative slot', ['fetch', [-1]]],
  ['a fractional slot', ['fetch', [1.5]]],
  ['a slot beyond what a double counts', ['fetch', [2 ** 53]]],
  ['a slot that is no number', ['fetch', [Number.NaN]]],
  ['a text for a slot', ['fetch', ['1']]],
  ['an empty round', ['mark-query', ['']]],
  ['a round without end', ['mark-query', ['x'.repeat(513)]]],
  ['a digest in capitals', ['offer', [1, 1, 'A'.repeat(64)]]],
  ['a text for bytes', ['snapshot-chunk', [1, DIGEST, 0, 'bytes']]],
  ['a chunk that is too large', ['snapshot-chunk', [1, DIGEST, 0, Buffer.alloc(262_145)]]],
  ['a batch that is not named after its origin', ['forward', [['b/0f/1', ...BATCH.slice(1)]]]],
  ['a batch that is not named after its count', ['forward', [['a/0f/2', ...BATCH.slice(1)]]]],
  ['a request numbered 0', ['forward', [[...BATCH.slice(0, 4), [['client', 0, 'put']]]]]],
  ['a batch that the ballots do not propose', ['ballots', [1, 1, [], BATCH, false]]],
  ['a proposal with a phase', ['ballots', [1, 1, [['proposal', 1, 0, null]], null, false]]],
  ['a state without a phase', ['ballots', [1, 1, [['state', 0, 0, null]], null, false]]],
  ['a state that is undecided', ['ballots', [1, 1, [['state', 1, '?', 'a/0f/1']], null, false]]],
  ['a vote for a batch without a name', ['ballots', [1, 1, [['vote', 1, 1, null]], null, false]]],
  ['a vote against a batch', ['ballots', [1, 1, [['vote', 1, 0, 'a/0f/1']], null, false]]],
  ['a value of 2', ['ballots', [1, 1, [['vote', 1, 2, 'a/0f/1']], null, false]]],
  ['ballots on the state before the first slot', ['ballots', [1, 0, [], null, false]]],
  ['a number for a flag', ['ballots', [1, 1, [], null, 1]]],
  ['decisions beyond the end', ['decided', [5, [null, null], 6]]],
  ['a witness of nothing in a slot', ['witness', ['0f', 3, null]]],
  ['a witness of a ballot in no slot', ['witness', ['0f', 0, ['state', 1, 0, null]]]],
])('refuses %s', (_, value) => {
  expect(decodeMessage(packed(value))).toMatchObject({ ok: false, error: { kind: 'malformed' } })
})

test('a list that claims four billion entries takes no memory for them', () => {
  const before = process.memoryUsage.rss()
  for (let i = 0; i < 100; i++) {
    expect(decodeMessage(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1)).ok).toBe(false)
  }
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1_024 * 1_024)
})

test('lists within lists without end are malformed', () => {
  expect(decodeMessage(new Uint8Array(1_000_000).fill(0x91)).ok).toBe(false)
})

test('a name of a node is only text to the codec', () => {
  const batch = { id: batchId('ä b' as NodeId, '0', 1), origin: 'ä b' as NodeId, seq: 1, stamp: 0 }
  const message: Message = { kind: 'forward', batch: { ...batch, requests: [] } }
  expect(decodeMessage(encodeMessage(message))).toEqual({ ok: true, value: message })
})

/** What is read of `message` once it is written, its bytes as a plain array whatever class they come in. */
function reread(message: Message): Message {
  const decoded = decodeMessage(encodeMessage(message))
  if (!decoded.ok) throw new Error(decoded.error.reason)
  return asPlain(decoded.value)
}

function asPlain(message: Message): Message {
  if (message.kind !== 'snapshot-chunk') return message
  return { ...message, bytes: Uint8Array.from(message.bytes) }
}

function packed(value: unknown): Uint8Array {
  try {
    return pack(value)
  } catch {
    // What cannot be packed comes from nobody.
    return pack(null)
  }
}
