/**
 * Where every partition is, now: what was committed of the tables, as this node has applied it. Forms them in a new cluster, and
 * changes roles when members go down, stop and return.
 *
 * Every voter would do the same, so nothing depends on who does: by convention the lowest one that is not down writes, and each
 * further one when it has waited half a second longer. A write holds for the table it was decided on, or not at all. What is not
 * urgent changes the table once a second at most.
 */
import { randomUUID } from 'node:crypto'
import type { NodeId, PartitionId, RequestId } from '../../base/ids.ts'
import type { ControlEntry, ControlStore, Revision } from '../../base/port.ts'
import type { Report } from '../report.ts'
import { growing, grown } from './growth.ts'
import { type Candidate, plan } from './planner.ts'
import { behindIn, type Progress } from './progress.ts'
import {
  decodeTable,
  encodeTable,
  formTable,
  type PartitionRow,
  type PartitionTable,
  partitionsLed,
  rowOf,
  type TableFault,
  tableKey,
} from './table.ts'
import { type RoleChange, type Standings, type Transition, transition } from './transition.ts'
import { zoneKey } from './zone.ts'

export class PartitionDirectory {
  readonly #options: DirectoryOptions
  readonly #alone: PartitionTable | undefined
  readonly #listeners: ((table: PartitionTable) => void)[] = []
  #table: PartitionTable | undefined
  #fault: TableFault | undefined
  #revision: Revision | undefined
  #led = 0
  #failovers = 0
  #isWriting = false
  /** The question that was last answered with nothing to do. */
  #settled = ''
  #dueTicks = 0
  /** Since the table was last seen to change. */
  #calmTicks = 0
  /** Until a write that failed is tried again. */
  #pauseTicks = 0
  #lastFailure: string | undefined
  /** Since a first table could have been written. */
  #formingTicks = 0

  constructor(options: DirectoryOptions) {
    this.#options = options
    if (!options.isAlone) return
    const members = [{ id: options.self, zone: undefined }]
    this.#alone = formTable(REPLICATION_FACTOR, plan({ members, factor: 1 }))
    this.#led = this.#alone.rows.length
  }

  /** As this node has last applied it; undefined until a cluster has one. A node that is alone leads everything. */
  get table(): PartitionTable | undefined {
    return this.#table ?? this.#alone
  }

  /** The row of a partition now: the same object until it changes. Undefined while there is no table. */
  row(partition: PartitionId): PartitionRow | undefined {
    return this.table === undefined ? undefined : rowOf(this.table, partition)
  }

  /** `listener` is called with the table now, if there is one, and whenever it changes, before anything else is done with it. */
  follow(listener: (table: PartitionTable) => void): void {
    this.#listeners.push(listener)
    if (this.table !== undefined) listener(this.table)
  }

  /** How many partitions this node leads. */
  get led(): number {
    return this.#led
  }

  /** Failovers that this node has carried out, one for each member that was down. */
  get failovers(): number {
    return this.#failovers
  }

  /** Why this node cannot know where the partitions are, if so. */
  get fault(): string | undefined {
    const { kind, reason } = this.#fault ?? {}
    if (kind === undefined) return undefined
    return kind === 'newer'
      ? `the partition table was written by a newer Aether (${reason}); update this node`
      : `the partition table is damaged: ${reason}`
  }

  /** The control state may have changed. Cheap when the table has not. */
  refresh(): void {
    const entry = this.#options.read(tableKey(REPLICATION_FACTOR))
    if (entry?.revision === this.#revision) return
    this.#revision = entry?.revision
    const decoded = entry === undefined ? undefined : decodeTable(entry.value)
    const before = this.#table
    this.#table = decoded?.ok ? decoded.value : undefined
    this.#fault = decoded?.ok === false ? decoded.error : undefined
    this.#calmTicks = 0
    if (this.fault !== undefined) this.#options.report('warn', this.fault, {})
    if (this.#table !== undefined) for (const listener of this.#listeners) listener(this.#table)
    this.#tellLed()
    for (const id of relieved(before, this.#table)) this.#options.relieved(id)
  }

  /** Time has passed. `canWrite`: whether enough voters are reached. */
  tick(situation: Situation, canWrite: () => boolean): void {
    this.#calmTicks++
    if (this.#pauseTicks > 0) this.#pauseTicks--
    const { standings, voters } = situation
    const isIdle = this.#alone !== undefined || this.#isWriting || this.#pauseTicks > 0
    if (isIdle || !voters.includes(this.#options.self) || !canWrite()) return
    const live = voters.filter((id) => standings.get(id) !== 'down')
    const rank = live.indexOf(this.#options.self)
    if (this.#fault === undefined && rank >= 0) this.#review(situation, rank)
    const isZoneSaid = this.#zoneOf(this.#options.self) === (this.#options.zone ?? '')
    if (!isZoneSaid && !this.#isWriting && this.#pauseTicks === 0) void this.#writeZone()
  }

  #review(situation: Situation, rank: number): void {
    const { standings, progress, voters } = situation
    const zones = voters.map((id) => [id, this.#zoneOf(id)])
    const question = JSON.stringify([this.#revision, [...standings], [...progress], zones])
    if (question === this.#settled) return
    const next = this.#next(situation)
    if (next === undefined) {
      this.#settled = question
      this.#dueTicks = 0
    } else if (next !== 'later' && this.#dueTicks++ >= rank * RANK_TICKS) {
      this.#dueTicks = 0
      void this.#write(next())
    }
  }

  /** What is to be done, not worked out yet: a plan takes a while, and the turn may be another voter's. */
  #next({ standings, progress, voters }: Situation): (() => Transition) | 'later' | undefined {
    const table = this.#table
    const members = voters.map((id) => this.#candidate(id))
    if (table === undefined) {
      const isKnown = voters.every((id) => this.#zoneOf(id) !== undefined)
      if (!isKnown && this.#formingTicks++ < FORMING_TICKS_MAX) return 'later'
      return () => ({ table: formation(members), changes: [] })
    }
    const isBehind = behindIn(table, progress)
    const next = transition(table, standings, isBehind)
    const isCalm = this.#calmTicks >= CALM_TICKS
    if (next !== undefined) {
      const isUrgent = next.changes.some(({ kind }) => kind !== 'return')
      return isUrgent || isCalm ? () => next : 'later'
    }
    const known = members.filter(({ id }) => this.#zoneOf(id) !== undefined)
    const options = { table, members: known, standings, isBehind }
    const partitions = growing(options)
    if (partitions.length === 0) return undefined
    return isCalm ? () => grown(options, partitions) : 'later'
  }

  #candidate(id: NodeId): Candidate {
    return { id, zone: this.#zoneOf(id) || undefined }
  }

  /** Undefined when the node has not said it yet. */
  #zoneOf(id: NodeId): string | undefined {
    return this.#options.read(zoneKey(id))?.value
  }

  async #writeZone(): Promise<void> {
    const { self, zone = '' } = this.#options
    await this.#put(zoneKey(self), zone, this.#options.read(zoneKey(self))?.revision)
  }

  async #write({ table, changes }: Transition): Promise<void> {
    const key = tableKey(REPLICATION_FACTOR)
    const isDone = await this.#put(key, encodeTable(table), this.#revision)
    if (isDone) this.#tell(table, changes)
  }

  /** False when it is not known to have been written. */
  async #put(key: string, value: string, revision: Revision | undefined): Promise<boolean> {
    const { control, report } = this.#options
    this.#isWriting = true
    const outcome = await control.write([{ kind: 'put', key, value }], {
      preconditions: [{ key, revision: revision ?? 'absent' }],
      requestId: `partitions ${randomUUID()}` as RequestId,
    })
    this.#isWriting = false
    const failure =
      outcome.ok || outcome.error.kind === 'conflict' ? undefined : outcome.error.reason
    if (failure !== undefined) {
      this.#pauseTicks = RANK_TICKS
      if (failure !== this.#lastFailure) {
        report('warn', 'the partition table could not be changed yet', { reason: failure })
      }
    }
    this.#lastFailure = failure
    return outcome.ok
  }

  #tell(table: PartitionTable, changes: readonly RoleChange[]): void {
    const { report } = this.#options
    const { version: tableVersion } = table
    if (tableVersion === 1) {
      const led = Object.fromEntries(partitionsLed(table))
      report('info', 'the partitions were given to the members, each led by one of them', { led })
    }
    const sources = new Set(changes.map(({ kind, from }) => `${kind} ${from}`))
    for (const source of sources) {
      const parts = changes.filter(({ kind, from }) => `${kind} ${from}` === source)
      const [first] = parts
      if (first === undefined) continue
      const to = Object.fromEntries(parts.map(({ to, partitions }) => [to, partitions]))
      if (first.kind === 'failover') this.#failovers++
      const level = first.kind === 'failover' ? 'warn' : 'info'
      report(level, SENTENCES[first.kind], { from: first.from, to, tableVersion })
    }
  }

  #tellLed(): void {
    const { self, report } = this.#options
    const before = this.#led
    this.#led = this.#table?.rows.filter(({ primary }) => primary === self).length ?? 0
    if (this.#led === before) return
    const tableVersion = this.#table?.version
    const many = this.#led > before ? 'more' : 'fewer'
    report('info', `this node is to lead ${many} partitions`, {
      leads: this.#led,
      before,
      tableVersion,
    })
  }
}

/** What this node knows of the members now. */
export type Situation = {
  readonly standings: Standings
  /** Of those that have said something. */
  readonly progress: ReadonlyMap<NodeId, Progress>
  /** Ascending; they are to hold the partitions. */
  readonly voters: readonly NodeId[]
}

export type DirectoryOptions = {
  readonly self: NodeId
  /** Nodes of one zone are likely to fail together; a node without one is a zone of its own. */
  readonly zone?: string | undefined
  /** Nothing is written: this node leads everything. */
  readonly isAlone: boolean
  /** An entry of the control state, as this node has applied it. */
  readonly read: (key: string) => ControlEntry | undefined
  readonly control: ControlStore
  /** `member` leads partitions no more that it should: it was down or about to stop, whether or not this node has noticed. */
  readonly relieved: (member: NodeId) => void
  readonly report: Report
}

/** Of the spaces that do not say otherwise: survives the loss of one node with a majority. */
const REPLICATION_FACTOR = 3

/** At a tick of 20 ms this is half a second: enough for whoever comes first. */
const RANK_TICKS = 25

/** A second, for what can wait: a table is written, and every partition in it interrupted, seldom. */
const CALM_TICKS = 50

/** Three seconds for the members of the beginning to say their zones. Who is not there by then has none. */
const FORMING_TICKS_MAX = 150

const SENTENCES: Readonly<Record<RoleChange['kind'], string>> = {
  failover: 'failover: a member is down, and others lead its partitions from now on',
  'hand-over': 'hand-over: a member is about to stop, and others lead its partitions from now on',
  return: 'return: a member is well again, and partitions that others led for it are led by it',
  growth: 'growth: members get replicas of partitions that have too few, and fetch the data',
}

/** Those who led partitions as their preferred primaries, and do not any more. */
function relieved(before?: PartitionTable, after?: PartitionTable): ReadonlySet<NodeId> {
  const rows = before?.rows ?? []
  const lost = rows.filter(({ replicas, primary }, partition) => {
    const now = after?.rows[partition]?.primary
    return primary === replicas[0] && now !== undefined && now !== primary
  })
  return new Set(lost.map(({ primary }) => primary))
}

function formation(members: readonly Candidate[]): PartitionTable {
  return formTable(REPLICATION_FACTOR, plan({ members, factor: REPLICATION_FACTOR }))
}
