/**
 * Where every partition is, now: what was committed of the tables, as this node has applied it. Forms them in a new cluster, and
 * changes roles when members go down, stop and return.
 *
 * Every voter would do the same, so nothing depends on who does: by convention the lowest one that is not down writes, and each
 * further one when it has waited half a second longer. A write holds for the table it was decided on, or not at all.
 */
import { randomUUID } from 'node:crypto'
import type { NodeId, PartitionId, RequestId } from '../../base/ids.ts'
import type { ControlEntry, ControlStore, Revision } from '../../base/port.ts'
import type { Report } from '../report.ts'
import { plan } from './planner.ts'
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

export class PartitionDirectory {
  readonly #options: DirectoryOptions
  readonly #alone: PartitionTable | undefined
  #table: PartitionTable | undefined
  #fault: TableFault | undefined
  #revision: Revision | undefined
  #led = 0
  #failovers = 0
  #isWriting = false
  readonly #listeners = new Set<() => void>()
  /** The question that was last answered with nothing to do. */
  #settled = ''
  #dueTicks = 0

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

  /** Calls back whenever rows may have changed, from the first table on. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener)
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
    if (this.fault !== undefined) this.#options.report('warn', this.fault, {})
    this.#tellLed()
    for (const id of relieved(before, this.#table)) this.#options.relieved(id)
    for (const listener of this.#listeners) listener()
  }

  /** Time has passed; `voters` ascend. `canWrite`: whether enough of them are reached. */
  tick(standings: Standings, voters: readonly NodeId[], canWrite: () => boolean): void {
    const isIdle = this.#alone !== undefined || this.#fault !== undefined || this.#isWriting
    const live = voters.filter((id) => standings.get(id) !== 'down')
    const rank = live.indexOf(this.#options.self)
    if (isIdle || rank < 0) return
    const question = `${this.#revision} ${[...standings].join()}`
    if (question === this.#settled || !canWrite()) return
    const next = this.#next(standings, voters)
    if (next === undefined) {
      this.#settled = question
      this.#dueTicks = 0
    } else if (this.#dueTicks++ >= rank * RANK_TICKS) {
      this.#dueTicks = 0
      void this.#write(next())
    }
  }

  /** What is to be done, not worked out yet: a plan takes a while, and the turn may be another voter's. */
  #next(standings: Standings, voters: readonly NodeId[]): (() => Transition) | undefined {
    if (this.#table === undefined) return () => ({ table: formation(voters), changes: [] })
    const next = transition(this.#table, standings)
    return next && (() => next)
  }

  async #write({ table, changes }: Transition): Promise<void> {
    const { control, report } = this.#options
    const key = tableKey(REPLICATION_FACTOR)
    this.#isWriting = true
    const outcome = await control.write([{ kind: 'put', key, value: encodeTable(table) }], {
      preconditions: [{ key, revision: this.#revision ?? 'absent' }],
      requestId: `partitions ${randomUUID()}` as RequestId,
    })
    this.#isWriting = false
    if (outcome.ok) this.#tell(table, changes)
    else if (outcome.error.kind !== 'conflict') {
      report('warn', 'the partition table could not be changed yet', {
        reason: outcome.error.reason,
      })
    }
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
    report('info', 'this node leads another number of partitions', {
      leads: this.#led,
      before,
      tableVersion,
    })
  }
}

export type DirectoryOptions = {
  readonly self: NodeId
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

const SENTENCES: Readonly<Record<RoleChange['kind'], string>> = {
  failover: 'failover: a member is down, and others lead its partitions from now on',
  'hand-over': 'hand-over: a member is about to stop, and others lead its partitions from now on',
  return: 'return: a member is well again, and partitions that others led for it are led by it',
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

function formation(voters: readonly NodeId[]): PartitionTable {
  const members = voters.map((id) => ({ id, zone: undefined }))
  return formTable(REPLICATION_FACTOR, plan({ members, factor: REPLICATION_FACTOR }))
}
