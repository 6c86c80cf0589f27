/**
 * Where each partition is and who orders its writes: a value of the control state, one table for each replication factor in use.
 * Nodes never compute it for themselves; they read what was committed.
 *
 * 1. A row's epoch grows by one whenever its primary or its replicas change, and never otherwise: (partition, epoch) names one
 *    primary and one set for good.
 * 2. Members change their role by a new primary, and a set that is too small grows; any other change of it goes through `stage`
 *    and `target`.
 */
import { assert } from '../../base/assert.ts'
import type { NodeId, PartitionId } from '../../base/ids.ts'
import { err, ok, type Result } from '../../base/result.ts'

export type PartitionTable = {
  /** How many replicas a partition has as soon as there are enough members. */
  readonly factor: number
  /** Grows by one with every change. */
  readonly version: number
  /** One for each partition. */
  readonly rows: readonly PartitionRow[]
}

export type PartitionRow = {
  /** At most `factor`, in order of preference: the first is primary whenever it can be. */
  readonly replicas: readonly NodeId[]
  /** One of `replicas`. */
  readonly primary: NodeId
  /** From 1. */
  readonly epoch: number
  /** Of a move to other members; `normal` while there is none. */
  readonly stage: 'normal'
  /** The replicas after the move that is planned; undefined when none is. */
  readonly target: readonly NodeId[] | undefined
  /**
   * Who had the data when the set first grew: until one of the others has been given them, its being empty means nothing.
   * Undefined when the partition began empty everywhere.
   */
  readonly origin: NodeId | undefined
}

/** Of each partition its replicas, the preferred primary first. */
export type Placement = readonly (readonly NodeId[])[]

/** The value is no table of this program. `newer`: a program that knows more has written it. */
export type TableFault = { readonly kind: 'malformed' | 'newer'; readonly reason: string }

/** Fixed for the life of a cluster: every key's place depends on it. */
export const PARTITION_COUNT = 1_024

/** The first table of a cluster: each partition's preferred primary leads it in epoch 1. */
export function formTable(factor: number, placement: Placement): PartitionTable {
  assert(placement.length === PARTITION_COUNT, 'a table without a row for each partition')
  const rows = placement.map((replicas): PartitionRow => {
    const [primary] = replicas
    assert(primary !== undefined, 'a partition without a replica')
    return { replicas, primary, epoch: 1, stage: 'normal', target: undefined, origin: undefined }
  })
  return { factor, version: 1, rows }
}

export function rowOf(table: PartitionTable, partition: PartitionId): PartitionRow {
  const row = table.rows[partition]
  assert(row !== undefined, 'no number of a partition')
  return row
}

/** How many partitions each node leads that leads any, ascending by id. */
export function partitionsLed({ rows }: PartitionTable): ReadonlyMap<NodeId, number> {
  const led = new Map<NodeId, number>()
  for (const { primary } of rows) led.set(primary, (led.get(primary) ?? 0) + 1)
  return new Map([...led].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Where the control state keeps the table of a replication factor. */
export function tableKey(factor: number): string {
  return `cluster/partitions/${factor}`
}

/**
 * Three lines of head, then a line a partition: format; factor and version; the nodes; and `replicas:primary:epoch`, with
 * `:target` while a move is planned and `:origin` after it, where nodes are their places in the third line. With 12 nodes and three replicas it comes
 * to some 15 KB, which must stay well below what a value of the control state may be.
 */
export function encodeTable({ factor, version, rows }: PartitionTable): string {
  const named = rows.flatMap(({ replicas, target = [], origin }) => [
    ...replicas,
    ...target,
    ...(origin === undefined ? [] : [origin]),
  ])
  const nodes = [...new Set(named)].sort()
  const places = new Map(nodes.map((id, place) => [id, place]))
  const list = (ids: readonly NodeId[]) => ids.map((id) => places.get(id)).join('.')
  const lines = rows.map(({ replicas, primary, epoch, target = [], origin }) => {
    const first = origin === undefined ? '' : places.get(origin)
    const row = `${list(replicas)}:${places.get(primary)}:${epoch}:${list(target)}:${first}`
    return row.replace(/:+$/, '')
  })
  return [FORMAT, `${factor} ${version}`, nodes.join(' '), ...lines].join('\n')
}

/** The inverse, of texts that `encodeTable` makes and of no others. */
export function decodeTable(text: string): Result<PartitionTable, TableFault> {
  const [format = '', head = '', names = '', ...lines] = text.split('\n')
  if (/^\d+$/.test(format) && Number(format) > Number(FORMAT)) {
    return err({ kind: 'newer', reason: `format ${format}, this program knows ${FORMAT}` })
  }
  const [factor = 0, version = 0] = head.split(' ').map(Number)
  const nodes = names.split(' ') as NodeId[]
  const rows = lines.map((line) => parseRow(line, nodes))
  const sound = rows.filter((row) => row !== undefined && isSound(row, factor)) as PartitionRow[]
  if (sound.length !== PARTITION_COUNT) {
    return err({ kind: 'malformed', reason: `${sound.length} of ${lines.length} rows are sound` })
  }
  const table = { factor, version, rows: sound }
  // What is parsed loosely above has to be exactly what would be written of it.
  return encodeTable(table) === text && factor >= 1 && version >= 1
    ? ok(table)
    : err({ kind: 'malformed', reason: 'not as it would be written' })
}

const FORMAT = '1'

function parseRow(line: string, nodes: readonly NodeId[]): PartitionRow | undefined {
  const [list = '', place = '', count = '', targets = '', first = ''] = line.split(':')
  const nodesAt = (places: string) => places.split('.').map((at) => nodes[Number(at)])
  const replicas = nodesAt(list)
  const target = targets === '' ? undefined : nodesAt(targets)
  const primary = nodes[Number(place)]
  const origin = first === '' ? undefined : nodes[Number(first)]
  if (primary === undefined || !areKnown(replicas)) return undefined
  if (target !== undefined && !areKnown(target)) return undefined
  return { replicas, primary, epoch: Number(count), stage: 'normal', target, origin }
}

function isSound({ replicas, primary, epoch, target = [] }: PartitionRow, factor: number): boolean {
  const areFew = replicas.length <= factor && target.length <= factor
  const areDifferent = areDistinct(replicas) && areDistinct(target)
  return areFew && areDifferent && replicas.includes(primary) && epoch >= 1 && isWhole(epoch)
}

function areKnown(ids: readonly (NodeId | undefined)[]): ids is readonly NodeId[] {
  return ids.every((id) => id !== undefined && id.length > 0)
}

function areDistinct(ids: readonly NodeId[]): boolean {
  return new Set(ids).size === ids.length
}

function isWhole(number: number): boolean {
  return Number.isSafeInteger(number)
}
