import type { NodeId, RequestId } from '../../base/ids.ts'
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
import type { Effect, Input, Outcome } from '../rabia/index.ts'
import { assertCommand } from './command.ts'
import type { ControlMachine } from './machine.ts'
import { decodeResult, encodeOrdered, type OrderedCommand, type OrderedResult } from './ordered.ts'
import { Watch } from './watch.ts'

/**
 * The control state of a cluster, as one of its nodes serves it: writes are commands of the log, reads wait until this
 * node has applied whatever was acknowledged anywhere before. A watch without `from` begins with what this node has
 * applied, which may be a little less.
 *
 * The owner runs the log: it passes `input` on to the node's replica, hands over every effect, and counts the time.
 */
export class ReplicatedControlStore implements ControlStore {
  readonly #options: ReplicatedControlOptions
  /** By the client of their session, in the order of their deadlines. */
  readonly #writes = new Map<string, Write>()
  readonly #reads = new Map<number, Waiting<boolean>>()
  readonly #watches = new Set<Watch>()
  /** Sessions of the log without a request under way: a session has one at a time. */
  readonly #idle: Session[] = []
  #sessions = 0
  #lastRead = 0
  #tick = 0

  constructor(options: ReplicatedControlOptions) {
    this.#options = options
  }

  async get(key: string): Promise<Result<ControlEntry | undefined, Unavailable>> {
    const { state } = this.#options.machine
    return (await this.#catchUp()) ? ok(state.get(key)) : err(CUT_OFF)
  }

  async list(
    prefix: string,
  ): Promise<Result<readonly (ControlEntry & { readonly key: string })[], Unavailable>> {
    const { state } = this.#options.machine
    return (await this.#catchUp()) ? ok(state.list(prefix)) : err(CUT_OFF)
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
    const outcome = await this.execute({ kind: 'write', ...command })
    if (!outcome.ok) return outcome
    const result = outcome.value
    if (result.kind === 'written') return ok(result.revision)
    if (result.kind === 'conflict') return err(result)
    if (result.kind === 'refused' && result.why === 'state-full') return err(FULL)
    return err({ kind: 'unavailable', reason: `the cluster refuses the command: ${result.kind}` })
  }

  /** Has the log order the command, and answers with what came of it. */
  async execute(command: OrderedCommand): Promise<OrderedOutcome> {
    const text = encodeOrdered(command)
    const session = this.#idle.pop() ?? this.#newSession()
    const { client, seq } = session
    const { promise, resolve } = Promise.withResolvers<OrderedOutcome>()
    this.#writes.set(client, { seq, resolve, deadline: this.#tick + TICKS_MAX })
    this.#options.input({ kind: 'request', request: { client, seq, command: text } })
    return promise
  }

  watch(prefix: string, from = this.#options.machine.state.revision): AsyncIterable<ControlChange> {
    const watch = new Watch(this.#options.machine.state, {
      prefix,
      from,
      onEnd: () => this.#watches.delete(watch),
    })
    this.#watches.add(watch)
    return watch
  }

  /** An effect of the replica, after it has been carried out in its state. */
  take(effect: Effect): void {
    if (effect.kind === 'reply') this.#answer(effect, effect.outcome)
    if (effect.kind === 'readable') this.#release(effect.id, true)
    if (effect.kind === 'applied' || effect.kind === 'restored')
      for (const watch of this.#watches) watch.wake()
  }

  /** Time has passed, as for the replica. What waits too long is answered without it. */
  tick(): void {
    this.#tick++
    for (const [client, write] of this.#writes) {
      if (write.deadline > this.#tick) break
      this.#writes.delete(client)
      const reason = 'the cluster did not answer in time'
      write.resolve(err({ kind: 'outcome-unknown', reason }))
    }
    for (const [id, read] of this.#reads) {
      if (read.deadline > this.#tick) break
      this.#release(id, false)
    }
  }

  /** Ends the watches and answers whatever waits. No call may follow. */
  close(): void {
    this.#tick += TICKS_MAX
    this.tick()
    for (const watch of this.#watches) watch.end()
  }

  #catchUp(): Promise<boolean> {
    if (this.#reads.size >= READS_MAX) return Promise.resolve(false)
    const id = ++this.#lastRead
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#reads.set(id, { resolve, deadline: this.#tick + TICKS_MAX })
    this.#options.input({ kind: 'read', id })
    return promise
  }

  #release(id: number, isRecent: boolean): void {
    this.#reads.get(id)?.resolve(isRecent)
    this.#reads.delete(id)
  }

  #answer({ client, seq }: Session, outcome: Outcome): void {
    const waiting = this.#writes.get(client)
    // Nobody waits any more: the session stays unused, for its request was given up.
    if (waiting?.seq !== seq) return
    this.#writes.delete(client)
    switch (outcome.kind) {
      case 'applied':
        this.#idle.push({ client, seq: seq + 1 })
        waiting.resolve(ok(decodeResult(outcome.result)))
        break
      case 'busy':
        this.#idle.push({ client, seq })
        waiting.resolve(err({ kind: 'unavailable', reason: outcome.reason }))
        break
      case 'expired':
      case 'superseded':
        // This copy of the request has changed nothing; an earlier one may have.
        waiting.resolve(err({ kind: 'outcome-unknown', reason: 'the session has ended' }))
        break
    }
  }

  #newSession(): Session {
    const { node, boot } = this.#options
    return { client: `${node}/${boot}/${++this.#sessions}`, seq: 1 }
  }
}

export type ReplicatedControlOptions = {
  readonly node: NodeId
  /** The same as of the node's replica: never the same for two starts. */
  readonly boot: string
  /** The replica's. */
  readonly machine: ControlMachine
  /** Has the replica take the input; its effects, also of this call, come back through `take`. */
  readonly input: (input: Input) => void
}

export type OrderedOutcome = Result<OrderedResult, Unavailable | OutcomeUnknown>

type Session = { readonly client: string; readonly seq: number }

type Waiting<T> = { readonly resolve: (value: T) => void; readonly deadline: number }

type Write = Waiting<OrderedOutcome> & { readonly seq: number }

/** At a tick of 20 ms this is ten seconds: a cluster that is well answers in a few milliseconds. */
const TICKS_MAX = 500

/** Reads are answered together, so many waiting ones mean that there is no quorum. */
const READS_MAX = 65_536

const CUT_OFF: Unavailable = {
  kind: 'unavailable',
  reason: 'too few nodes of the cluster answer to know the latest state',
}

const FULL: Unavailable = {
  kind: 'unavailable',
  reason: 'the control state is full: delete keys that are not needed any more',
}
