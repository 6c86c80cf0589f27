import type { ClusterStatus } from '../node/index.ts'

/** The status for people: what matters in the first line, a table, and the command that comes next. */
export function formatStatus(status: ClusterStatus): string {
  const { cluster, self, epoch, slot, members, waiting, partitions } = status
  const lines = [`cluster ${cluster} as ${self} sees it: epoch ${epoch}, slot ${slot}`]
  lines.push(quorumOf(status), partitionsOf(status), '')
  const rows = members.map(({ id, role, state, address, isConnected, behindSlots }) => [
    id,
    role,
    state,
    address || '-',
    isConnected ? 'yes' : 'no',
    behindSlots === undefined ? '?' : `${behindSlots}`,
    `${partitions?.led.find(({ node }) => node === id)?.partitions ?? 0}`,
  ])
  if (rows.length > 0) lines.push(...table([HEADINGS, ...rows]))
  for (const { id, address } of waiting) {
    lines.push('', `${id} at ${address} waits to be added: aether cluster add ${id}`)
  }
  // No server can steer the terminal.
  return lines.map((line) => line.replace(/\p{Cc}/gu, ' ').trimEnd()).join('\n')
}

const HEADINGS = ['node', 'role', 'state', 'address', 'connected', 'behind', 'leads']

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
  const down = members.filter(({ state }) => state === 'down').map(({ id }) => id)
  const whose = down.length === 0 ? 'a node that is no member' : down.join(' and ')
  return `partitions: ${underReplicated} of ${total} UNDER-REPLICATED while ${whose} is down, ${version}`
}

/** Columns as wide as their widest cell, two spaces apart. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADINGS.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)))
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '))
}
