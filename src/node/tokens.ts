import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestId } from '../base/ids.ts'
import type { ControlStore } from '../base/port.ts'
import { digestOf, type StoredToken } from './auth.ts'

/**
 * The tokens of the cluster as this node knows them: read once, then kept up to date by watching, so that no request waits
 * for the control state. While the node is cut off, the last known ones count.
 */
export class TokenBook {
  readonly #options: TokenBookOptions
  #changes: AsyncIterator<unknown> | undefined
  #isClosed = false

  constructor(options: TokenBookOptions) {
    this.#options = options
  }

  /** Hands the tokens over once the control state answers, and then with every change; resolves after the first time. */
  async open(): Promise<void> {
    this.#watch()
    await this.#load()
    void this.#follow()
  }

  /**
   * Makes the administrator's token when the cluster has none yet. Of several nodes that do so at once one succeeds: it gets
   * the text, which is kept nowhere, and has to show it now or never. Undefined otherwise.
   */
  async claim(): Promise<string | undefined> {
    if ((await this.#load()).includes(ADMIN_TOKEN)) return undefined
    const { control, newRequestId, worthAsking } = this.#options
    const text = TOKEN_PREFIX + randomBytes(32).toString('base64url')
    const value = JSON.stringify({ format: 1, sha256: digestOf(text).toString('hex') })
    const operations = [{ kind: 'put' as const, key: ADMIN_TOKEN, value }]
    const preconditions = [{ key: ADMIN_TOKEN, revision: 'absent' as const }]
    // The same one for all attempts: when it is not known what became of the first, the next one tells.
    const requestId = newRequestId()
    while (!this.#isClosed) {
      await worthAsking()
      const written = await control.write(operations, { preconditions, requestId })
      if (!written.ok && written.error.kind !== 'conflict') {
        await sleep(RETRY_MS)
        continue
      }
      await this.#load()
      return written.ok ? text : undefined
    }
    return undefined
  }

  /** Nothing is handed over any more. */
  close(): void {
    this.#isClosed = true
    void this.#changes?.return?.()
  }

  /** Hands the tokens over and gives their keys; none when it was closed meanwhile. */
  async #load(): Promise<readonly string[]> {
    const { control, use, worthAsking } = this.#options
    while (!this.#isClosed) {
      await worthAsking()
      const listed = await control.list(TOKENS)
      if (this.#isClosed) break
      if (listed.ok) {
        use(listed.value.map(parseToken))
        return listed.value.map(({ key }) => key)
      }
      await sleep(RETRY_MS)
    }
    return []
  }

  /** Begins before a look, so that no change falls between the two. */
  #watch(): void {
    this.#changes = this.#options.control.watch(TOKENS)[Symbol.asyncIterator]()
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const change = await this.#changes?.next()
        if (change === undefined || change.done === true) return
      } catch {
        // It fell behind what the history keeps, and begins again from now.
        this.#watch()
      }
      await this.#load()
    }
  }
}

export type TokenBookOptions = {
  readonly control: ControlStore
  readonly newRequestId: () => RequestId
  /** Takes all tokens that there are. */
  readonly use: (tokens: readonly StoredToken[]) => void
  /** Resolves when the control state may answer; at once when nothing speaks against it. */
  readonly worthAsking: () => Promise<void>
}

const TOKEN_PREFIX = 'aether_'
const TOKENS = 'tokens/'
const ADMIN_TOKEN = `${TOKENS}admin`

/** After an answer that did not come: the cluster may just be choosing whom to go on with. */
const RETRY_MS = 100

function parseToken(entry: { readonly key: string; readonly value: string }): StoredToken {
  const { sha256 } = JSON.parse(entry.value) as { sha256: string }
  const name = entry.key.slice(TOKENS.length)
  return {
    digest: Buffer.from(sha256, 'hex'),
    principal: { name, isAnonymous: false, may: () => true },
  }
}
