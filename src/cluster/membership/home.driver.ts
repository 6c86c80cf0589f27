/**
 * What a node's data directory holds of its cluster, below `<data>/consensus`: the log, the snapshot that it continues, and
 * the identity, which is written last, so that its presence proves the rest.
 */
import { AetherError } from '../../base/fault.ts'
import type { NodeId } from '../../base/ids.ts'
import type { Disk } from '../../storage/index.ts'
import { SnapshotFile } from '../../storage/snapshot.disk.ts'
import type { Storage } from '../../storage/storage.disk.ts'
import { Consensus, type ConsensusMeter } from '../control/consensus.driver.ts'
import {
  ControlMachine,
  type Member,
  readEngineState,
  removeEngineState,
  rolledBack,
} from '../control/index.ts'
import { genesis, type RabiaLimits } from '../rabia/index.ts'
import { IdentityFile } from './identity.disk.ts'
import { type Roster, rosterHash } from './roster.ts'
import { ownEpoch } from './view.ts'

export type Home = { readonly identity: IdentityFile; readonly consensus: Consensus }

export type HomeOptions = {
  readonly disk: Disk
  /** The data directory; exists. */
  readonly directory: string
  readonly storage: Storage
  readonly cluster: string
  readonly self: NodeId
  readonly founding: Founding
  readonly meter: ConsensusMeter
}

/** How a new data directory begins: as one of the founders in a roster, or by asking members to be taken in. */
export type Founding =
  | { readonly kind: 'form'; readonly roster: Roster }
  | { readonly kind: 'join'; readonly contacts: Roster }

/**
 * Opens what is there, or begins it. Control state that the node kept in its engine, before there was a log, becomes the
 * genesis of a cluster of one; that is done once, and again from the start when it was cut short. Rejects with an
 * AetherError when the directory is not of this node and cluster, or cannot be used.
 */
export async function openHome(options: HomeOptions): Promise<Home> {
  const { disk, storage, self, cluster, founding } = options
  const directory = `${options.directory}/consensus`
  await makeDirectories(disk, options.directory, directory)
  const admit = (sizeBytes: number) => storage.space.admit(sizeBytes, 'records')
  const shared = { disk, failStop: storage.failStop, admit }
  const identity = await IdentityFile.open({ ...shared, path: `${directory}/identity` })
  checkIdentity(options, identity)
  if (identity.isRolledBack) throw rolledBack(self)
  const { file, content } = await SnapshotFile.open({ ...shared, path: `${directory}/snapshot` })
  const snapshot = content ?? (await begin(options, identity, file))
  if (snapshot !== undefined) await removeEngineState(storage.engine)
  const isFounder = identity.identity
    ? identity.identity.roster !== undefined
    : founding.kind === 'form'
  const { limits, segmentBytes } = logSizes((await disk.freeSpace(directory)).totalBytes)
  const consensus = await Consensus.open({
    disk,
    directory: `${directory}/log`,
    file,
    snapshot,
    self,
    cluster,
    incarnation: identity.identity?.incarnation,
    isSelf: (members, incarnation) => ownEpoch(members, { self, incarnation, isFounder }) > 0,
    contacts: founding.kind === 'join' ? [...founding.contacts.keys()] : [],
    limits,
    segmentBytes,
    admit,
    meter: options.meter,
    condemn: () => identity.condemn(),
  })
  try {
    await settleIdentity(options, identity, consensus)
  } catch (cause) {
    await consensus.close()
    throw cause
  }
  return { identity, consensus }
}

/** The state that a founder begins with, durable; undefined for a node that joins. */
async function begin(
  { founding, storage }: HomeOptions,
  { identity }: IdentityFile,
  file: SnapshotFile,
): Promise<Uint8Array | undefined> {
  if (identity?.roster !== undefined) throw partMissing('the snapshot of the control state')
  const state = await readEngineState(storage.engine)
  if (founding.kind === 'join') {
    if (state !== undefined) throw wasAlone()
    return undefined
  }
  if (identity !== undefined) throw waitsToJoin()
  if (state !== undefined && founding.roster.size > 1) throw wasAlone()
  const machine = new ControlMachine(membersOf(founding.roster))
  if (state !== undefined) machine.state.restore(state)
  const { bytes } = genesis(machine)
  const saved = await file.save(bytes)
  if (saved.ok) return bytes
  throw new AetherError(
    'no-space',
    'the disk of the data directory is full',
    'make room on it and start the node again; nothing is lost',
  )
}

function membersOf(roster: Roster): Member[] {
  return [...roster].map(([id, address]) => {
    return { id, incarnation: undefined, address, role: 'voter' }
  })
}

function checkIdentity({ self, cluster }: HomeOptions, { identity }: IdentityFile): void {
  if (identity === undefined || (identity.node === self && identity.cluster === cluster)) return
  throw new AetherError(
    'data-directory-foreign',
    `the data directory is of the node ${identity.node} in the cluster ${identity.cluster}, not of ${self} in ${cluster}`,
    `In [cluster] set id = "${identity.node}" and name = "${identity.cluster}", or name another data directory with --data.`,
  )
}

/** Makes the identity of a new directory from what is in it; of a founder that is not bound yet checks the roster. */
async function settleIdentity(
  { cluster, self, founding }: HomeOptions,
  file: IdentityFile,
  consensus: Consensus,
): Promise<void> {
  const { machine, incarnation } = consensus
  const { members } = machine.membership
  const found = rosterHash(new Map(members.map(({ id, address }) => [id, address])))
  if (file.identity === undefined) {
    if (consensus.status().slot > 1) throw partMissing('the identity of the node')
    const roster = founding.kind === 'form' ? found : undefined
    await file.make({ cluster, node: self, incarnation, roster })
  }
  const isFounder = founding.kind === 'form' && file.identity?.roster !== undefined
  const own = machine.membership.find(self)
  const isForming = isFounder && own !== undefined && own.incarnation === undefined
  if (!isForming || rosterHash(founding.roster) === found) return
  const peers = members.map(({ id, address }) => `${id} = "${address}"`)
  throw new AetherError(
    'data-directory-foreign',
    `this node has begun to form a cluster with other peers than [cluster.peers] names now: ${peers.join(', ')}`,
    'Name these peers. If that cluster never came to be, remove the directory `consensus` from the data directory of each of its nodes instead.',
  )
}

async function makeDirectories(disk: Disk, data: string, consensus: string): Promise<void> {
  await disk.makeDirectory(consensus)
  await disk.syncDirectory(data)
  await disk.makeDirectory(`${consensus}/log`)
  await disk.syncDirectory(consensus)
}

/** On a small disk the log is kept short, so that it leaves the room to the artifacts. */
function logSizes(totalBytes: number): {
  readonly limits: Partial<RabiaLimits>
  readonly segmentBytes: number
} {
  const between = (least: number, most: number, share: number) =>
    Math.max(least, Math.min(most, Math.floor(totalBytes / share)))
  return {
    limits: {
      decisions: between(256, 4_096, 256 * KiB),
      decisionUnits: between(MiB, 64 * MiB, 64),
    },
    segmentBytes: between(256 * KiB, 16 * MiB, 128),
  }
}

const KiB = 1_024
const MiB = 1_024 * KiB

function partMissing(part: string): AetherError {
  return new AetherError(
    'data-damaged',
    `${part} is missing from the data directory`,
    'restore the data directory from a backup or, as one node of several, empty it and add the node anew',
  )
}

function waitsToJoin(): AetherError {
  return new AetherError(
    'data-directory-foreign',
    'the data directory was made to join a cluster, and [cluster] says join = false now',
    'Set join = true, or name an empty data directory with --data.',
  )
}

function wasAlone(): AetherError {
  return new AetherError(
    'data-directory-foreign',
    'the data directory holds the control state of a node that was alone, which has no place in a cluster of others',
    'To let that node grow, name only itself in [cluster.peers], with id = "node-1" and without join; then add the others to it. Or name an empty data directory with --data.',
  )
}
