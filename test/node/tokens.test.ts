import { createHash } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import type { RequestId } from '../../src/base/ids.ts'
import type { ControlStore } from '../../src/base/port.ts'
import { Authenticator } from '../../src/node/auth.ts'
import { TokenBook } from '../../src/node/tokens.ts'
import { hostReplicated } from '../cluster/control/replicated-host.ts'

const books: TokenBook[] = []
afterEach(() => {
  for (const book of books.splice(0)) book.close()
})

let requests = 0

/** What a node has of the tokens: those in use, and how often it was given new ones. */
function open(control: ControlStore) {
  const authenticator = new Authenticator('none')
  const changed = Promise.withResolvers<void>()
  let waiting = changed
  const book = new TokenBook({
    control,
    newRequestId: () => `token ${++requests}` as RequestId,
    worthAsking: async () => {},
    use: (tokens) => {
      authenticator.use(tokens)
      waiting.resolve()
    },
  })
  books.push(book)
  return {
    book,
    authenticator,
    isKnown: (token: string) => authenticator.authenticate(`Bearer ${token}`) !== undefined,
    /** Resolves with the next tokens. */
    next: () => {
      waiting = Promise.withResolvers<void>()
      return waiting.promise
    },
  }
}

function put(control: ControlStore, name: string, token: string) {
  const sha256 = createHash('sha256').update(token).digest('hex')
  const value = JSON.stringify({ format: 1, sha256 })
  const requestId = `put ${name} ${token}` as RequestId
  return control.write([{ kind: 'put', key: `tokens/${name}`, value }], { requestId })
}

test('of nodes that start at once exactly one makes a token, and all know it', async () => {
  const host = hostReplicated(3)
  const control = host.tenant
  const nodes = [open(control), open(control), open(control)]
  await Promise.all(nodes.map(({ book }) => book.open()))
  const texts = await Promise.all(nodes.map(({ book }) => book.claim()))
  const made = texts.filter((text) => text !== undefined)
  expect(made).toHaveLength(1)
  expect(nodes.every(({ isKnown }) => isKnown(`${made[0]}`))).toBe(true)
  await host.close()
})

test('a token that is there is used, and none made', async () => {
  const host = hostReplicated(1)
  const control = host.tenant
  await put(control, 'admin', 'aether_old')
  const { book, isKnown } = open(control)
  await book.open()
  expect(await book.claim()).toBeUndefined()
  expect(isKnown('aether_old')).toBe(true)
  await host.close()
})

test('a change at any node is known here without being asked for', async () => {
  const host = hostReplicated(1)
  const control = host.tenant
  const { book, isKnown, next } = open(control)
  await book.open()
  let changed = next()
  await put(control, 'builds', 'aether_new')
  await changed
  expect(isKnown('aether_new')).toBe(true)
  changed = next()
  const requestId = 'delete' as RequestId
  await control.write([{ kind: 'delete', key: 'tokens/builds' }], { requestId })
  await changed
  expect(isKnown('aether_new')).toBe(false)
  await host.close()
})

test('an answer that was lost does not cost the token', async () => {
  const host = hostReplicated(1)
  const control = host.tenant
  const { write } = control
  let lost = 0
  const deaf: ControlStore = Object.assign(Object.create(control), {
    get: control.get.bind(control),
    list: control.list.bind(control),
    watch: control.watch.bind(control),
    async write(...call: Parameters<ControlStore['write']>) {
      const outcome = await write.apply(control, call)
      if (lost++ > 0) return outcome
      return { ok: false, error: { kind: 'outcome-unknown', reason: 'lost' } }
    },
  })
  const { book, isKnown } = open(deaf)
  await book.open()
  const text = await book.claim()
  expect(lost).toBe(2)
  expect(isKnown(`${text}`)).toBe(true)
  await host.close()
})

test('before they are known nobody gets in by a token', () => {
  const { tenant: control } = hostReplicated(1)
  const { authenticator } = open(control)
  expect(authenticator.isReady).toBe(false)
  expect(authenticator.authenticate('Bearer aether_any')).toBeUndefined()
  expect(authenticator.authenticate(undefined)).toBeDefined()
})
