import { type Engine, type EngineOperation, takeGroup } from '../../../storage/index.ts'

/**
 * The one way of this node's replicas to the disk. What they persist while a commit is under way goes down together in the
 * next one. A commit that finds no space takes everything queued behind it along, since that was decided on top of it.
 */
export class PersistQueue<T extends Persist> {
  readonly #engine: Engine
  readonly #listener: PersistListener<T>
  #items: T[] = []
  #waitingBytes = 0
  #committing: Promise<void> | undefined

  constructor(engine: Engine, listener: PersistListener<T>) {
    this.#engine = engine
    this.#listener = listener
  }

  /** Of the queue and of the commit under way. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Items are committed in the order of the calls. */
  push(item: T): void {
    this.#items.push(item)
    this.#waitingBytes += item.sizeBytes
    this.#committing ??= this.#commitAll()
  }

  /** What is queued never happens, and nobody is told. */
  clear(): void {
    this.#items = []
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#committing
  }

  async #commitAll(): Promise<void> {
    try {
      while (this.#items.length > 0) {
        await this.#listener.turn()
        const group = takeGroup(this.#items)
        const result = await this.#engine.commit(group.flatMap((item) => item.operations))
        if (!result.ok) group.push(...this.#items.splice(0))
        for (const { sizeBytes } of group) this.#waitingBytes -= sizeBytes
        if (result.ok) for (const item of group) this.#listener.committed(item)
        else this.#listener.refused(group)
      }
    } catch (fault) {
      this.#listener.failed(fault)
    }
    this.#committing = undefined
  }
}

/** Committed as one. */
export type Persist = {
  readonly operations: readonly EngineOperation[]
  /** What `operationBytes` says. */
  readonly sizeBytes: number
}

export type PersistListener<T> = {
  /**
   * Resolves when all input that has come has been taken: what is pushed until then goes down in the same commit. Each commit
   * is a sync or two, so that fewer and larger ones cost less.
   */
  turn(): Promise<void>
  committed(item: T): void
  /** All that was queued, oldest first: none of it happens. */
  refused(items: readonly T[]): void
  /** The engine has failed, or the listener. */
  failed(fault: unknown): void
}

/** The memory that operations hold while they wait. */
export function operationBytes(operations: readonly EngineOperation[]): number {
  let size = 0
  for (const operation of operations) {
    size += operation.key.length + (operation.kind === 'put' ? operation.value.length : 0)
  }
  return size
}
