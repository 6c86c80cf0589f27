import { concat } from '../../base/bytes.ts'
import type { RequestId } from '../../base/ids.ts'
import type {
  ControlChange,
  ControlConflict,
  ControlEntry,
  ControlOperation,
  ControlPrecondition,
  ControlStore,
  OutcomeUnknown,
  Revision,
  Unavailable,
} from '../../base/port.ts'
import { err, ok, type Result } from '../../base/result.ts'
import type { Engine, EngineEntry, EngineOperation } from '../../storage/index.ts'
import { assertCommand, type ControlCommand } from './command.ts'
import {
  decodeEntry,
  decodeTransition,
  ENTRY_RANGE,
  encodeTransition,
  TRANSITION_RANGE,
} from './format.ts'
import { ControlState } from './state.ts'
import { Watch } from './watch.ts'

/**
 * The control state of a node that is alone, in its engine, beside the map. Rejects with an
 * AetherError `data-damaged` when parts of it are missing. The engine stays the caller's and is
 * closed after the store.
 */
export async function openLocalControl(engine: Engine): Promise<LocalControlStore> {
  const entries = await readAll(engine, ENTRY_RANGE)
  const history = (await readAll(engine, TRANSITION_RANGE)).map(decodeTransition)
  const state = new ControlState()
  state.restore({ entries: entries.map(decodeEntry), history })
  return new LocalControlStore(engine, state)
}

/** One write at a time: control state is changed rarely, and Rabia will order its commands. */
export class LocalControlStore implements ControlStore {
  /**
   * Resolves with the error when the engine has failed; the node has to stop. Pending otherwise.
   */
  readonly failed: Promise<unknown>
  readonly #engine: Engine
  readonly #state: ControlState
  readonly #fail: (fault: unknown) => void
  readonly #watches = new Set<Watch>()
  #lastTurn: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #refusal: Unavailable | undefined

  /** Use `openLocalControl`. */
  constructor(engine: Engine, state: ControlState) {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.failed = promise
    this.#fail = resolve
    this.#engine = engine
    this.#state = state
  }

  async get(key: string): Promise<Result<ControlEntry | undefined, Unavailable>> {
    return this.#refusal === undefined ? ok(this.#state.get(key)) : err(this.#refusal)
  }

  async list(
    prefix: string,
  ): Promise<Result<readonly (ControlEntry & { readonly key: string })[], Unavailable>> {
    return this.#refusal === undefined ? ok(this.#state.list(prefix)) : err(this.#refusal)
  }

  async write(
    operations: readonly ControlOperation[],
    options: {
      readonly preconditions?: readonly ControlPrecondition[]
      readonly requestId: RequestId
    },
  ): Promise<Result<Revision, ControlConflict | Unavailable | OutcomeUnknown>> {
    const { preconditions = [], requestId } = options
    const command = { operations, preconditions, requestId }
    assertCommand(command)
    if (this.#waiting >= WAITING_MAX) {
      return err({ kind: 'unavailable', reason: 'too many writes to the control state wait' })
    }
    this.#waiting++
    const turn = this.#lastTurn.then(() => this.#execute(command))
    this.#lastTurn = turn.finally(() => this.#waiting--)
    return turn
  }

  watch(prefix: string, from = this.#state.revision): AsyncIterable<ControlChange> {
    const watch = new Watch(this.#state, {
      prefix,
      from,
      onEnd: () => this.#watches.delete(watch),
    })
    this.#watches.add(watch)
    return watch
  }

  /** Waits for the writes under way and ends the watches. No call may follow. */
  async close(): Promise<void> {
    await this.#lastTurn
    for (const watch of this.#watches) watch.end()
  }

  async #execute(command: ControlCommand): Promise<ControlOutcome> {
    if (this.#refusal !== undefined) return err(this.#refusal)
    const decision = this.#state.decide(command)
    if (decision.kind === 'answered') return ok(decision.revision)
    if (decision.kind === 'refused') return err(decision.conflict)
    const { transition, forgotten } = decision
    const stored = await this.#commit(encodeTransition(transition, forgotten))
    if (!stored.ok) return stored
    this.#state.apply(transition)
    for (const watch of this.#watches) watch.wake()
    return ok(transition.revision)
  }

  async #commit(
    operations: readonly EngineOperation[],
  ): Promise<Result<void, Unavailable | OutcomeUnknown>> {
    try {
      const outcome = await this.#engine.commit(operations)
      return outcome.ok ? outcome : err({ kind: 'unavailable', reason: 'the disk is full' })
    } catch (fault) {
      const reason = 'the storage of this node has failed'
      this.#refusal = { kind: 'unavailable', reason }
      this.#fail(fault)
      return err({ kind: 'outcome-unknown', reason })
    }
  }
}

type ControlOutcome = Result<Revision, ControlConflict | Unavailable | OutcomeUnknown>

/**
 * Far more than a cluster's configuration ever changes at once: so many writes are a mistake
 * somewhere.
 */
const WAITING_MAX = 1_024

/**
 * In this many steps what is in the engine is read; a page of the largest values is still small.
 */
const PAGE_ENTRIES = 64

async function readAll(
  engine: Engine,
  { gte, lt }: { readonly gte: Uint8Array; readonly lt: Uint8Array },
): Promise<EngineEntry[]> {
  const all: EngineEntry[] = []
  for (let from = gte; ; ) {
    const page = await engine.scan({ gte: from, lt, limit: PAGE_ENTRIES })
    all.push(...page)
    const last = page.at(-1)
    if (last === undefined) return all
    from = concat([last.key, Uint8Array.of(0)])
  }
}
