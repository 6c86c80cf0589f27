import type { ClusterStatus } from '../node/index.ts'
import { weakness } from './cluster-strength.ts'

/** The status for people: what matters in the first line, a table, and the command that comes next. */
export function formatStatus(status: ClusterStatus): string {
  const { cluster, self, epoch, slot, members, waiting, partitions } = status
  const lines = [`cluster ${cluster} as ${self} sees it: epoch ${epoch}, slot ${slot}`]
  lines.push(quorumOf(status), partitionsOf(status))
  if (members.length > 0) lines.push(strengthOf(status))
  lines.push('')
  const rows = members.map((member) => [
    member.id,
    member.role,
    stateOf(member),
    member.address || '-',
    member.isConnected ? 'yes' : 'no',
    `${member.behindSlots ?? '?'}`,
    `${partitions?.led.find(({ node }) => node === member.id)?.partitions ?? 0}`,
    `${member.replicas}`,
    `${member.replicasBehind}`,
    diskOf(member),
    uptimeOf(member),
  ])
  if (rows.length > 0) lines.push(...table([HEADINGS, ...rows]))
  for (const { id, address } of waiting) {
    lines.push('', `${id} at ${address} waits to be added: aether cluster add ${id}`)
  }
  // No server can steer the terminal.
  return lines.map((line) => line.replace(/\p{Cc}/gu, ' ').trimEnd()).join('\n')
}

const HEADINGS = [
  'node',
  'role',
  'state',
  'address',
  'connected',
  'slots behind',
  'leads',
  'holds',
  'lacks',
  'disk free',
  'up for',
]

type Member = ClusterStatus['members'][number]

function stateOf({ state, vitals }: Member): string {
  return state === 'up' && vitals?.isReady === false ? 'not ready' : state
}

function diskOf({ vitals }: Member): string {
  if (vitals === undefined || vitals.diskTotalBytes === 0) return '?'
  const { diskFreeBytes, diskTotalBytes } = vitals
  return `${gigabytes(diskFreeBytes)} of ${gigabytes(diskTotalBytes)} GB`
}

function gigabytes(sizeBytes: number): string {
  const size = sizeBytes / 1e9
  return size < 10 ? size.toFixed(1) : size.toFixed(0)
}

/** By the clock of the node and that of the reader, which may differ. */
function uptimeOf({ state, vitals }: Member): string {
  if (state === 'down') return '-'
  if (vitals === undefined) return '?'
  const seconds = Math.max(0, Math.round((Date.now() - vitals.startedMs) / 1_000))
  const unit = UNITS.find(({ size }) => seconds >= 2 * size) ?? { name: 's', size: 1 }
  return `${Math.floor(seconds / unit.size)} ${unit.name}`
}

const UNITS = [
  { name: 'd', size: 86_400 },
  { name: 'h', size: 3_600 },
  { name: 'min', size: 60 },
]

function quorumOf({ self, members, hasQuorum }: ClusterStatus): string {
  if (members.length === 0) return `${self} does not know the members yet`
  const voters = members.filter(({ role }) => role === 'voter')
  const connected = voters.filter(({ isConnected }) => isConnected)
  const reached = `${connected.length} of ${voters.length} voters`
  if (hasQuorum) return `quorum: ${reached}`
  const missing = voters.filter(({ isConnected }) => !isConnected).map(({ id }) => id)
  const next = missing.length === 0 ? '' : ` Start ${missing.join(' or ')}.`
  return `NO QUORUM: ${reached}, so nothing can be decided.${next}`
}

function partitionsOf({ partitions, members }: ClusterStatus): string {
  if (partitions === undefined) return 'partitions: not given to the members yet'
  const { tableVersion, total, underReplicated } = partitions
  const version = `table version ${tableVersion}`
  if (underReplicated === 0) return `partitions: ${total}, none under-replicated, ${version}`
  const many = `partitions: ${underReplicated} of ${total} UNDER-REPLICATED`
  const down = members.filter(({ state }) => state === 'down').map(({ id }) => id)
  if (down.length > 0) return `${many} while ${down.join(' and ')} is down, ${version}`
  const behind = members.filter(({ replicasBehind }) => replicasBehind > 0).map(({ id }) => id)
  if (behind.length === 0) return `${many}, ${version}`
  return `${many} until ${behind.join(' and ')} has what it lacks, ${version}`
}

/** Whether any node may be taken away for a moment. */
function strengthOf(status: ClusterStatus): string {
  const reason = weakness(status)
  return reason === undefined
    ? 'strength: full, every member is well and has all it is to have'
    : `strength: NOT FULL, ${reason}`
}

/** Columns as wide as their widest cell, two spaces apart. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADINGS.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)))
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '))
}
