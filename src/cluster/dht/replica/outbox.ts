import type { NodeId } from '../../../base/ids.ts'
import type { Version } from '../../../base/port.ts'
import type { EngineOperation, EngineRange } from '../../../storage/index.ts'
import type { Answer, ReplicaEffect, Role } from './effect.ts'
import type { ReplicaMessage } from './message.ts'

/**
 * The effects of one step, in order, and what awaits the disk: `Pending` says what each commit is
 * for.
 */
export class Outbox<Pending> {
  #effects: ReplicaEffect[] = []
  readonly #pending: { readonly token: number; readonly item: Pending }[] = []
  #tokenLast = 0

  /** Whether everything persisted is durable. */
  get isDurable(): boolean {
    return this.#pending.length === 0
  }

  /** Whether something of this sort awaits the disk. */
  awaits(isOfSort: (item: Pending) => boolean): boolean {
    return this.#pending.some(({ item }) => isOfSort(item))
  }

  persist(operations: readonly EngineOperation[], version: Version | undefined, item: Pending) {
    const token = ++this.#tokenLast
    this.#pending.push({ token, item })
    this.#effects.push({ kind: 'persist', operations, token, version })
  }

  /** What the oldest commit was for, which is that of `token`; undefined if it is not. */
  persisted(token: number): Pending | undefined {
    return this.#pending[0]?.token === token ? this.#pending.shift()?.item : undefined
  }

  /** What the commit of `token` and all later ones were for, oldest first. */
  refused(token: number): readonly Pending[] {
    const place = this.#pending.findIndex((pending) => pending.token === token)
    return place === -1 ? [] : this.#pending.splice(place).map(({ item }) => item)
  }

  reply(answer: Answer): void {
    this.#effects.push({ kind: 'reply', ...answer })
  }

  send(to: NodeId, message: ReplicaMessage): void {
    this.#effects.push({ kind: 'send', to, message })
  }

  scan(range: EngineRange): number {
    const token = ++this.#tokenLast
    this.#effects.push({ kind: 'scan', range, token })
    return token
  }

  role(role: Role, epoch: number): void {
    this.#effects.push({ kind: 'role', role, epoch })
  }

  /** Everything since the last call. */
  drain(): readonly ReplicaEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}
