/**
 * The control state as a value: what commands do to it, in order, and what is remembered of them.
 * Pure and deterministic, so that replicas which apply the same commands hold the same state;
 * whoever owns it makes commands durable before it applies them and before anyone hears of them.
 *
 * 1. Every accepted command has the next revision, also one that changes nothing.
 * 2. A request id among the retained revisions gets its first answer and changes nothing. Refusals
 *    are not remembered.
 * 3. What would make the entries too large is refused; what makes them smaller never is.
 * 4. The retained revisions are consecutive and end with the latest: a watcher sees each change
 *    once, or learns that it is late.
 */
import { compareBytes, utf8 } from '../../base/bytes.ts'
import { AetherError } from '../../base/fault.ts'
import { Fifo } from '../../base/fifo.ts'
import type { RequestId } from '../../base/ids.ts'
import type {
  ControlChange,
  ControlConflict,
  ControlEntry,
  ControlOperation,
  Revision,
} from '../../base/port.ts'
import { Answered } from './answered.ts'
import type { ControlCommand } from './command.ts'

/** Enough for a watcher that was away for a while; what it missed beyond it lists anew. */
const REVISIONS_RETAINED = 1_024

/**
 * Bounds the memory of the retained values: ten times what a cluster's configuration usually comes
 * to.
 */
const HISTORY_BYTES_MAX = 4 * 1_024 * 1_024

/**
 * Of keys and values together, in UTF-16 units. A snapshot of them is made in one piece, on every node at the same slot,
 * while nothing is decided: for a fraction of a second with so much. Its JSON, up to six times as long, still is a string.
 */
export const CONTROL_STATE_UNITS_MAX = 64 * 1_024 * 1_024

/** Empty at first, with revision 0. */
export class ControlState {
  readonly #cells = new Map<string, Cell>()
  readonly #history = new Fifo<Transition>()
  readonly #answered = new Answered()
  #historyBytes = 0
  #entryUnits = 0
  #revision: Revision = 0

  /** The latest. */
  get revision(): Revision {
    return this.#revision
  }

  get(key: string): ControlEntry | undefined {
    return this.#cells.get(key)?.entry
  }

  /** In ascending UTF-8 order of the keys. */
  list(prefix: string): (ControlEntry & { readonly key: string })[] {
    const found = [...this.#cells].filter(([key]) => key.startsWith(prefix))
    return found
      .map(([key, { entry }]) => ({ key, ...entry }))
      .sort((a, b) => compareBytes(utf8(a.key), utf8(b.key)))
  }

  /** Carries out the next command of the log, which changes no key twice (`assertCommand`). What is refused changes nothing. */
  execute({ operations, preconditions, requestId }: ControlCommand): ControlOutcome {
    const first = this.#answered.find(requestId)
    if (first !== undefined) return { kind: 'written', revision: first.revision }
    for (const { key, revision } of preconditions) {
      const current = this.get(key)?.revision
      if (current === (revision === 'absent' ? undefined : revision)) continue
      return { kind: 'conflict', key, current }
    }
    // Each key is looked up once: a text that is new costs a `Map` more than the rest of a write.
    const cells = operations.map(({ key }) => this.#cells.get(key))
    const growth = growthOf(operations, cells)
    if (growth > 0 && this.#entryUnits + growth > CONTROL_STATE_UNITS_MAX) return { kind: 'full' }
    this.#entryUnits += growth
    const revision = this.#revision + 1
    const changes: ControlChange[] = []
    for (const [at, operation] of operations.entries()) {
      const change = this.#change(operation, cells[at], revision)
      if (change !== undefined) changes.push(change)
    }
    const transition = { revision, requestId, changes }
    this.#makeRoom(sizeOf(transition))
    this.#remember(transition)
    return { kind: 'written', revision }
  }

  /**
   * What `restore` takes back, as plain JSON. Replicas that applied the same commands have the same
   * entries in the same order.
   */
  snapshot(): ControlStateSnapshot {
    const entries = [...this.#cells].map(([key, { entry }]) => [key, entry] as const)
    return { entries, history: this.#history.after(0) }
  }

  /**
   * Replaces the state by what was stored of one: its entries, and the retained transitions that
   * led to it, oldest first. Throws an AetherError `data-damaged` when some are missing.
   */
  restore({ entries, history }: ControlStateSnapshot): void {
    this.#clear()
    for (const transition of history) {
      const isNext = this.#history.size === 0 || transition.revision === this.#revision + 1
      if (!isNext) throw damaged(`revision ${transition.revision} follows ${this.#revision}`)
      this.#remember(transition)
    }
    for (const [key, entry] of entries) {
      if (entry.revision > this.#revision) throw damaged(`revision ${entry.revision} is missing`)
      this.#cells.set(key, { entry })
      this.#entryUnits += unitsOf(key, entry.value)
    }
  }

  /**
   * The transitions after `revision`, oldest first; undefined when some of them are not retained
   * any more.
   */
  after(revision: Revision): readonly Transition[] | undefined {
    const oldest = this.#revision - this.#history.size
    return revision < oldest ? undefined : this.#history.after(revision - oldest)
  }

  #clear(): void {
    this.#cells.clear()
    this.#history.take(this.#history.size)
    this.#answered.clear()
    this.#historyBytes = 0
    this.#entryUnits = 0
    this.#revision = 0
  }

  /** A deletion of what is not there is no change. */
  #change(
    operation: ControlOperation,
    cell: Cell | undefined,
    revision: Revision,
  ): ControlChange | undefined {
    const { key } = operation
    if (operation.kind === 'put') {
      const { value } = operation
      if (cell === undefined) this.#cells.set(key, { entry: { value, revision } })
      else cell.entry = { value, revision }
      return { key, value, revision }
    }
    return this.#cells.delete(key) ? { key, value: undefined, revision } : undefined
  }

  #remember(transition: Transition): void {
    this.#revision = transition.revision
    this.#history.push(transition)
    this.#historyBytes += sizeOf(transition)
    this.#answered.add(transition)
  }

  /** The oldest retained transitions make way for one of that size. */
  #makeRoom(sizeBytes: number): void {
    while (
      this.#history.size >= REVISIONS_RETAINED ||
      (this.#history.size > 0 && this.#historyBytes + sizeBytes > HISTORY_BYTES_MAX)
    ) {
      for (const old of this.#history.take(1)) {
        this.#answered.removeOldest(old)
        this.#historyBytes -= sizeOf(old)
      }
    }
  }
}

/** What a command has come to; `written` also when it was before, with the revision of then. */
export type ControlOutcome =
  | { readonly kind: 'written'; readonly revision: Revision }
  | ControlConflict
  /** The entries would take more than `CONTROL_STATE_UNITS_MAX`. */
  | { readonly kind: 'full' }

/** Where the entry of a key is. */
type Cell = { entry: ControlEntry }

/** Entries, and the retained transitions that led to them, oldest first. */
export type ControlStateSnapshot = {
  readonly entries: readonly StoredEntry[]
  readonly history: readonly Transition[]
}

/** A key and its entry. */
export type StoredEntry = readonly [key: string, entry: ControlEntry]

/** What one command did. A deletion of what was not there is no change. */
export type Transition = {
  readonly revision: Revision
  readonly requestId: RequestId
  readonly changes: readonly ControlChange[]
}

/** About the memory it takes. */
function sizeOf({ changes }: Transition): number {
  let size = 100
  for (const { key, value } of changes) size += 100 + key.length + (value?.length ?? 0)
  return size
}

/** By how much the entries grow, in units, when the `operations` replace what is in their `cells`. */
function growthOf(
  operations: readonly ControlOperation[],
  cells: readonly (Cell | undefined)[],
): number {
  let growth = 0
  for (const [at, operation] of operations.entries()) {
    const value = operation.kind === 'put' ? operation.value : undefined
    growth += unitsOf(operation.key, value) - unitsOf(operation.key, cells[at]?.entry.value)
  }
  return growth
}

/** Of an entry, with what surrounds it in a snapshot; none for a key without a value. */
function unitsOf(key: string, value: string | undefined): number {
  return value === undefined ? 0 : 100 + key.length + value.length
}

function damaged(detail: string): AetherError {
  return new AetherError(
    'data-damaged',
    `the control state has lost acknowledged writes: ${detail}`,
    'restore the data directory from a backup, and check the disk before using it again',
  )
}
