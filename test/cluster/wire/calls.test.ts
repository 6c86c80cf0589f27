import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { text, utf8 } from '../../../src/base/bytes.ts'
import type { NodeId } from '../../../src/base/ids.ts'
import { type CallServer, Calls } from '../../../src/cluster/wire/calls.driver.ts'
import type { ChannelListener, PeerNetwork } from '../../../src/cluster/wire/index.ts'

const CHANNEL = 4
const A = 'a' as NodeId
const B = 'b' as NodeId

/** One end of a connection between two nodes. What is sent arrives in a later turn, unless the test keeps it back. */
class End implements PeerNetwork {
  readonly #self: NodeId
  other: End | undefined
  listener: ChannelListener | undefined
  isUp = true
  hasRoom = true
  isHeld = false
  held: Uint8Array[] = []
  malformed = 0

  constructor(self: NodeId) {
    this.#self = self
  }

  send(_to: NodeId, _channel: number, payload: Uint8Array): boolean {
    if (!this.isUp || !this.hasRoom) return false
    if (this.isHeld) this.held.push(payload)
    else queueMicrotask(() => this.deliver(payload))
    return true
  }

  deliver(payload: Uint8Array): void {
    const { other } = this
    if (other?.listener?.receive(this.#self, payload) === false) other.malformed++
  }

  isConnected(): boolean {
    return this.isUp
  }

  listen(_channel: number, listener: ChannelListener): void {
    this.listener = listener
  }
}

let a: End
let b: End
let serve: CallServer
let asking: Calls
let open: Calls[]

beforeEach(() => {
  a = new End(A)
  b = new End(B)
  a.other = b
  b.other = a
  serve = async (_from, question) => utf8(`${text(question)}!`)
  const limits = { asked: 3, askedBytes: 100, served: 2, servedBytes: 1_000 }
  asking = new Calls({ network: a, channel: CHANNEL, serve: async () => utf8(''), limits })
  const serving = new Calls({
    network: b,
    channel: CHANNEL,
    serve: (from, question) => serve(from, question),
    limits,
  })
  open = [asking, serving]
})

afterEach(() => {
  for (const calls of open) calls.close()
})

function call(question: string, timeoutMs = 10_000) {
  return asking.call(B, utf8(question), { timeoutMs, decode: (bytes) => text(bytes) })
}

const failure = (kind: string) => ({ ok: false, error: { kind } })

/** Lets everything happen that waits for nothing else. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe('a call', () => {
  test('gets the answer to its own question, in whatever order they come', async () => {
    const gates = new Map([1, 2, 3].map((i) => [`${i}`, Promise.withResolvers<void>()]))
    serve = async (_from, question) => {
      await gates.get(text(question))?.promise
      return utf8(`answer ${text(question)}`)
    }
    open[1]?.close()
    open[1] = new Calls({ network: b, channel: CHANNEL, serve: (...args) => serve(...args) })
    const answers = ['1', '2', '3'].map((question) => call(question))
    for (const [i, gate] of [...gates].reverse()) {
      gate.resolve()
      expect(await answers[Number(i) - 1]).toEqual({ ok: true, value: `answer ${i}` })
    }
  })

  test('is not sent where nothing is reached, or too much waits already', async () => {
    a.hasRoom = false
    expect(await call('x')).toMatchObject(failure('not-sent'))
    a.isUp = false
    expect(await call('x')).toMatchObject(failure('not-sent'))
  })

  test('has no answer when its time is up, and a late one is of no interest', async () => {
    b.isHeld = true
    expect(await call('x', 5)).toMatchObject(failure('no-answer'))
    for (const payload of b.held) b.deliver(payload)
    expect(a.malformed).toBe(0)
  })

  test('has no answer when the connection ends', async () => {
    b.isHeld = true
    const answer = call('x')
    a.listener?.disconnected?.(B)
    expect(await answer).toMatchObject(failure('no-answer'))
  })

  test('has no answer when the other side fails at it', async () => {
    serve = () => Promise.reject(new Error('broken'))
    expect(await call('x')).toMatchObject(failure('no-answer'))
  })

  test('has no answer when the bytes of the answer make no sense, which are counted', async () => {
    const answer = asking.call(B, utf8('x'), { timeoutMs: 10_000, decode: () => undefined })
    expect(await answer).toMatchObject(failure('no-answer'))
    expect(a.malformed).toBe(1)
  })

  test('has no answer when this node stops', async () => {
    b.isHeld = true
    const answer = call('x')
    asking.close()
    expect(await answer).toMatchObject(failure('no-answer'))
    expect(await call('y')).toMatchObject(failure('not-sent'))
  })
})

describe('limits', () => {
  test('more calls to one peer than may be under way are not sent, until one has ended', async () => {
    a.isHeld = true
    const answers = ['1', '2', '3'].map((question) => call(question))
    expect(await call('4')).toMatchObject(failure('not-sent'))
    a.listener?.disconnected?.(B)
    await Promise.all(answers)
    a.isHeld = false
    expect(await call('5')).toEqual({ ok: true, value: '5!' })
  })

  test('so are more bytes, but one question is always sent', async () => {
    a.isHeld = true
    const large = 'x'.repeat(200)
    const answer = call(large)
    expect(await call('y')).toMatchObject(failure('not-sent'))
    a.listener?.disconnected?.(B)
    expect(await answer).toMatchObject(failure('no-answer'))
  })

  test('more than the other side takes is not begun there', async () => {
    const gate = Promise.withResolvers<void>()
    let begun = 0
    serve = async (_from, question) => {
      begun++
      await gate.promise
      return question
    }
    const answers = ['1', '2', '3'].map((question) => call(question))
    expect(await answers[2]).toMatchObject(failure('not-sent'))
    gate.resolve()
    expect(await Promise.all(answers.slice(0, 2))).toEqual([
      { ok: true, value: '1' },
      { ok: true, value: '2' },
    ])
    expect(begun).toBe(2)
  })

  test('an answer that the network does not take goes out when it has room, and counts until then', async () => {
    b.hasRoom = false
    const answers = [call('1'), call('2')]
    await settled()
    const third = call('3', 20)
    await settled()
    b.hasRoom = true
    expect(await third).toMatchObject({ ok: false })
    b.listener?.drained?.(A)
    expect(await Promise.all(answers)).toEqual([
      { ok: true, value: '1!' },
      { ok: true, value: '2!' },
    ])
    expect(await call('4')).toEqual({ ok: true, value: '4!' })
  })

  test('answers that nobody can get any more are dropped', async () => {
    b.hasRoom = false
    const answers = [call('1', 20), call('2', 20)]
    await settled()
    b.isUp = false
    b.listener?.disconnected?.(A)
    await Promise.all(answers)
    b.isUp = true
    b.hasRoom = true
    expect(await call('3')).toEqual({ ok: true, value: '3!' })
  })
})

test('a payload that is neither question nor answer is malformed', async () => {
  serve = () => undefined
  const hostile = ['', 'x', '\x09\0\0\0\0\0\0', '\0\0\0\0\0\0\0', '\x03\0\0\0\0\0\x01more']
  for (const payload of hostile) a.deliver(utf8(payload))
  expect(b.malformed).toBe(hostile.length)
  expect(await call('no question', 20)).toMatchObject(failure('no-answer'))
  expect(b.malformed).toBe(hostile.length + 1)
})
