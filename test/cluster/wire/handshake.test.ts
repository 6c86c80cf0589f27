import fc from 'fast-check'
import { expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import {
  AcceptingHandshake,
  DialingHandshake,
  HANDSHAKE_BYTES_MAX,
  type HandshakeOptions,
  type Introduction,
} from '../../../src/cluster/wire/handshake.ts'
import { type Hello, REFUSAL_REASONS } from '../../../src/cluster/wire/index.ts'
import { SECRET } from './fixture.ts'

const N1: Hello = {
  cluster: 'builds',
  roster: 'cafe',
  node: 'n1' as NodeId,
  incarnation: '00'.repeat(16),
  address: '10.0.0.1:8090',
  epoch: 3,
  isJoining: false,
}
const N2: Hello = {
  ...N1,
  isJoining: true,
  roster: undefined,
  node: 'n2' as NodeId,
  address: '[::1]:8090',
}
const TO_N2 = { to: N2.node, sought: 'aa'.repeat(16), hello: N1 }

const BOUND = { channelBinding: new Uint8Array(0) }
const DIALER: HandshakeOptions = { secret: SECRET, nonce: new Uint8Array(32).fill(1), ...BOUND }
const ACCEPTOR: HandshakeOptions = { secret: SECRET, nonce: new Uint8Array(32).fill(2), ...BOUND }

test('both learn who the other is, and agree on keys that differ by direction', () => {
  const { met, concluded, keys } = converse()
  expect(met).toEqual({ ok: true, value: TO_N2 })
  if (!concluded?.ok) throw new Error('no end')
  expect(concluded.value.hello).toEqual(N2)
  expect(concluded.value.admission).toEqual({ admit: true })
  expect(concluded.value.keys.sending).toEqual(keys?.receiving)
  expect(concluded.value.keys.receiving).toEqual(keys?.sending)
  expect(keys?.sending).not.toEqual(keys?.receiving)
})

test('a dialer may know no incarnation of the node that it wants to reach', () => {
  const introduction = { sought: undefined }
  const value = { ...TO_N2, ...introduction }
  expect(converse({ introduction }).met).toEqual({ ok: true, value })
})

test.each(REFUSAL_REASONS)('the dialer learns that it is refused: %s', (reason) => {
  const { concluded } = converse({ admission: { admit: false, reason } })
  expect(concluded).toMatchObject({ ok: true, value: { admission: { admit: false, reason } } })
})

test('another secret is unauthenticated on both sides', () => {
  const secret = utf8('another secret of 32 bytes or more')
  expect(converse({ dialer: { ...DIALER, secret } }).met).toEqual(UNAUTHENTICATED)
  const forged = converse({ acceptor: { ...ACCEPTOR, secret }, isTrusting: true })
  expect(forged.concluded).toEqual(UNAUTHENTICATED)
})

test('somebody between two TLS sessions is unauthenticated', () => {
  const [one, other] = [utf8('session 1'), utf8('session 2')]
  const dialer = { ...DIALER, channelBinding: one }
  expect(converse({ dialer, acceptor: { ...ACCEPTOR, channelBinding: one } }).met?.ok).toBe(true)
  const met = converse({ dialer, acceptor: { ...ACCEPTOR, channelBinding: other } }).met
  expect(met).toEqual(UNAUTHENTICATED)
})

test('the words of an earlier conversation prove nothing in a later one', () => {
  const early = converse()
  const acceptor = new AcceptingHandshake({ ...ACCEPTOR, nonce: new Uint8Array(32).fill(3) })
  expect(acceptor.meet(early.introduction)).toEqual(UNAUTHENTICATED)
  const dialer = new DialingHandshake({ ...DIALER, nonce: new Uint8Array(32).fill(4) })
  dialer.introduce(new AcceptingHandshake(ACCEPTOR).greet(), TO_N2)
  expect(dialer.conclude(early.answer as Uint8Array)).toEqual(UNAUTHENTICATED)
})

test('what a dialer has said cannot be said back to it', () => {
  const dialer = new DialingHandshake(DIALER)
  const introduction = dialer.introduce(new AcceptingHandshake(ACCEPTOR).greet(), TO_N2)
  expect(introduction.ok && dialer.conclude(introduction.value)).toEqual(UNAUTHENTICATED)
})

test('a word with any bit flipped is refused', () => {
  const clean = converse()
  for (const word of ['greeting', 'introduction', 'answer'] as const) {
    for (let bit = 0; bit < 8 * (clean[word] as Uint8Array).length; bit++) {
      const { met, concluded } = converse({ alter: { word, bit } })
      const isRefused = met === undefined || !met.ok || concluded?.ok === false
      expect(isRefused, `${word}, bit ${bit}`).toBe(true)
    }
  }
})

test('no bytes make either side throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(new AcceptingHandshake(ACCEPTOR).meet(bytes).ok).toBe(false)
      const dialer = new DialingHandshake(DIALER)
      expect(dialer.introduce(bytes, TO_N2).ok).toBe(false)
      dialer.introduce(new AcceptingHandshake(ACCEPTOR).greet(), TO_N2)
      expect(dialer.conclude(bytes).ok).toBe(false)
    }),
  )
})

test.each<[string, Partial<Hello>]>([
  ['a node without a name', { node: '' as NodeId }],
  ['a name with a line break', { node: 'n1\n' as NodeId }],
  ['a name without end', { node: 'n'.repeat(256) as NodeId }],
  ['no incarnation', { incarnation: '' }],
  ['an address without a port', { address: '10.0.0.1' }],
  ['an address with a path', { address: '10.0.0.1:80/x' }],
  ['a port out of range', { address: '10.0.0.1:65536' }],
  ['a cluster without end', { cluster: 'c'.repeat(256) }],
])('a node cannot say %s', (_, part) => {
  const dialer = new DialingHandshake(DIALER)
  const greeting = new AcceptingHandshake(ACCEPTOR).greet()
  expect(() => dialer.introduce(greeting, { ...TO_N2, hello: { ...N1, ...part } })).toThrow(
    'a peer accepts',
  )
})

test('the longest hello fits into a handshake', () => {
  const longest: Hello = {
    cluster: '\uffff'.repeat(255),
    roster: '\uffff'.repeat(255),
    node: 'n'.repeat(255) as NodeId,
    incarnation: 'i'.repeat(255),
    address: `${'h'.repeat(253)}:65535`,
    epoch: 2 ** 48 - 1,
    isJoining: true,
  }
  const { node: to, incarnation: sought } = longest
  const { met, introduction, concluded, answer } = converse({
    hello: longest,
    introduction: { to, sought },
  })
  expect(met).toEqual({ ok: true, value: { to, sought, hello: longest } })
  expect(concluded?.ok).toBe(true)
  expect(introduction.length).toBeLessThanOrEqual(HANDSHAKE_BYTES_MAX)
  expect(answer?.length).toBeLessThanOrEqual(HANDSHAKE_BYTES_MAX)
})

const UNAUTHENTICATED = { ok: false, error: 'unauthenticated' }

type Conversation = {
  readonly dialer?: HandshakeOptions
  readonly acceptor?: HandshakeOptions
  readonly hello?: Hello
  readonly introduction?: Partial<Introduction>
  readonly admission?: Parameters<AcceptingHandshake['answer']>[1]
  readonly alter?: { readonly word: string; readonly bit: number }
  /** The acceptor answers whatever it has heard. */
  readonly isTrusting?: boolean
}

/** The whole conversation, as far as it gets. */
function converse(options: Conversation = {}) {
  const { hello = N1, admission = { admit: true }, alter } = options
  const dialing = new DialingHandshake(options.dialer ?? DIALER)
  const accepting = new AcceptingHandshake(options.acceptor ?? ACCEPTOR)
  const carry = (word: string, bytes: Uint8Array) => {
    const carried = Uint8Array.from(bytes)
    if (alter?.word === word) carried[alter.bit >> 3]! ^= 1 << (alter.bit & 7)
    return carried
  }
  const greeting = carry('greeting', accepting.greet())
  const introduced = dialing.introduce(greeting, { ...TO_N2, ...options.introduction, hello })
  const introduction = carry('introduction', introduced.ok ? introduced.value : new Uint8Array(0))
  if (!introduced.ok) return { greeting, introduction }
  const met = accepting.meet(introduction)
  if (!met.ok && !options.isTrusting) return { greeting, introduction, met }
  const answered = accepting.answer(hello === N1 ? N2 : hello, admission)
  const answer = carry('answer', answered.answer)
  const concluded = dialing.conclude(answer)
  return { greeting, introduction, met, answer, concluded, keys: answered.keys }
}
