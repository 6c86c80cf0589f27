import { randomBytes } from 'node:crypto'
import type { RequestId } from '../base/ids.ts'
import { digestOf, type StoredToken } from './auth.ts'
import { ControlFollower, type FollowerOptions } from './control-follower.ts'

/**
 * The tokens of the cluster as this node knows them: read once, then kept up to date by watching, so that no request waits
 * for the control state. While the node is cut off, the last known ones count.
 */
export class TokenBook {
  readonly #options: TokenBookOptions
  readonly #follower: ControlFollower

  constructor(options: TokenBookOptions) {
    this.#options = options
    this.#follower = new ControlFollower(options)
  }

  /** Hands the tokens over once the control state answers, and then with every change; resolves after the first time. */
  open(): Promise<void> {
    return this.#follower.follow(TOKENS, () => this.#load())
  }

  /**
   * Makes the administrator's token when the cluster has none yet. Of several nodes that do so at once one succeeds: it gets
   * the text, which is kept nowhere, and has to show it now or never. Undefined otherwise.
   */
  async claim(): Promise<string | undefined> {
    if ((await this.#load()).includes(ADMIN_TOKEN)) return undefined
    const text = TOKEN_PREFIX + randomBytes(32).toString('base64url')
    const value = JSON.stringify({ format: 1, sha256: digestOf(text).toString('hex') })
    const operations = [{ kind: 'put' as const, key: ADMIN_TOKEN, value }]
    const preconditions = [{ key: ADMIN_TOKEN, revision: 'absent' as const }]
    // The same one for all attempts: when it is not known what became of the first, the next one tells.
    const requestId = this.#options.newRequestId()
    const written = await this.#follower.answer((control) =>
      control.write(operations, { preconditions, requestId }),
    )
    await this.#load()
    return written?.ok ? text : undefined
  }

  /** Nothing is handed over any more. */
  close(): void {
    this.#follower.close()
  }

  /** Hands the tokens over and gives their keys; none when it was closed meanwhile. */
  async #load(): Promise<readonly string[]> {
    const listed = await this.#follower.answer((control) => control.list(TOKENS))
    if (!listed?.ok) return []
    this.#options.use(listed.value.map(parseToken))
    return listed.value.map(({ key }) => key)
  }
}

export type TokenBookOptions = FollowerOptions & {
  readonly newRequestId: () => RequestId
  /** Takes all tokens that there are. */
  readonly use: (tokens: readonly StoredToken[]) => void
}

const TOKEN_PREFIX = 'aether_'
const TOKENS = 'tokens/'
const ADMIN_TOKEN = `${TOKENS}admin`

function parseToken(entry: { readonly key: string; readonly value: string }): StoredToken {
  const { sha256 } = JSON.parse(entry.value) as { sha256: string }
  const name = entry.key.slice(TOKENS.length)
  return {
    digest: Buffer.from(sha256, 'hex'),
    principal: { name, isAnonymous: false, may: () => true },
  }
}
