/** A node's storage through crashes: what it does in each life, and what must hold in the next. */
import { compareBytes, utf8 } from '../../src/base/bytes.ts'
import type { PartitionId } from '../../src/base/ids.ts'
import type { BlobStore } from '../../src/base/port.ts'
import { chunksOf, createBlobStore } from '../../src/cluster/dht/blob/blob-store.driver.ts'
import { BlobCache } from '../../src/storage/blob-cache.ts'
import { openStorage, type Storage } from '../../src/storage/storage.disk.ts'
import { blobOf, inPieces, readAll, type TestBlob } from '../conformance/blob-store.ts'
import type { DiskTwin } from '../twin/disk.ts'
import { openLevelTwin } from '../twin/level.ts'
import { EngineMapSpace } from '../twin/map-space.ts'

/** What was tried, and what of it was acknowledged, over all lives. */
export class Ledger {
  readonly tried: TestBlob[] = []
  readonly acknowledged: TestBlob[] = []
  readonly commits: { readonly life: Node; isAcknowledged: boolean }[] = []
  marksTried = 0
  marksAcknowledged = 0
}

/** Content is the same in every run, so it is made once. */
const inline = blobOf(1, 1_000)
const single = blobOf(2, 70_000)
const left = blobOf(3, 80_000)
const right = blobOf(4, 90_000)
const later = blobOf(5, 66_000)
const twoChunks = blobOf(6, 4 * 1_024 * 1_024 + 70_000)

/** A first life with every kind of write, alone and at the same time. */
export async function firstLife(disk: DiskTwin, ledger: Ledger): Promise<void> {
  const node = await openNode(disk)
  await put(node, ledger, single)
  await put(node, ledger, inline)
  await Promise.all([commit(node, ledger), commit(node, ledger)])
  await saveMarks(node, ledger)
  await cutUpload(node)
  await put(node, ledger, single)
  await Promise.all([put(node, ledger, left), put(node, ledger, right), commit(node, ledger)])
  await saveMarks(node, ledger)
}

/** A first life with a blob of several chunks. */
export async function firstLifeOfLargeBlob(disk: DiskTwin, ledger: Ledger): Promise<void> {
  await put(await openNode(disk), ledger, twoChunks)
}

/** A later life: it checks what it finds, cleans up, writes again and ends in order. */
export async function laterLife(disk: DiskTwin, ledger: Ledger): Promise<void> {
  const node = await openNode(disk)
  await check(node, disk, ledger)
  for (const blob of [...ledger.acknowledged]) await put(node, ledger, blob)
  await put(node, ledger, later)
  await commit(node, ledger)
  await saveMarks(node, ledger)
  await node.storage.close()
}

/** The last life only checks. */
export async function lastLife(disk: DiskTwin, ledger: Ledger): Promise<void> {
  await check(await openNode(disk), disk, ledger)
}

type Node = {
  readonly storage: Storage
  readonly manifests: EngineMapSpace
  readonly blobs: BlobStore
}

async function openNode(disk: DiskTwin): Promise<Node> {
  const openStore = (directory: string) => openLevelTwin(disk, directory)
  const storage = await openStorage({ disk, directory: '/data', openStore })
  const manifests = new EngineMapSpace(storage.engine)
  const cache = new BlobCache(0)
  return {
    storage,
    manifests,
    blobs: createBlobStore({ manifests, chunks: storage.chunks, cache }),
  }
}

async function put(node: Node, ledger: Ledger, blob: TestBlob): Promise<void> {
  ledger.tried.push(blob)
  const outcome = await node.blobs.put(inPieces(blob.bytes, 1_000_000))
  if (!outcome.ok) throw new Error(`a put was refused: ${outcome.error.kind}`)
  ledger.acknowledged.push(blob)
}

async function cutUpload(node: Node): Promise<void> {
  async function* source() {
    yield new Uint8Array(300_000)
    throw new Error('cut')
  }
  const outcome = await node.blobs.put(source())
  if (outcome.ok) throw new Error('a cut upload was taken')
}

/** Commit number `n` puts the keys `n/a` and `n/b`, the first with a large value. */
async function commit(node: Node, ledger: Ledger): Promise<void> {
  const entry = { life: node, isAcknowledged: false }
  const number = ledger.commits.push(entry) - 1
  const outcome = await node.storage.engine.commit(
    HALVES.map((half) => ({
      kind: 'put',
      key: commitKey(number, half),
      value: commitValue(number, half),
    })),
  )
  if (!outcome.ok) throw new Error('a commit was refused')
  entry.isAcknowledged = true
}

const HALVES = ['a', 'b'] as const

function commitValue(number: number, half: (typeof HALVES)[number]): Uint8Array {
  return utf8(half === 'a' ? `${number} `.repeat(1_000) : `${number}`)
}

function commitKey(number: number, half: string): Uint8Array {
  // The space of manifests ends at 0xff.
  return Buffer.concat([Uint8Array.of(0xff), utf8(`${number}/${half}`)])
}

async function saveMarks(node: Node, ledger: Ledger): Promise<void> {
  const seq = ++ledger.marksTried
  const outcome = await node.storage.highWater.save(
    new Map([[7 as PartitionId, { epoch: 1, seq }]]),
  )
  if (!outcome.ok) throw new Error('saving the marks was refused')
  ledger.marksAcknowledged = seq
}

/** Everything acknowledged is there byte for byte, the rest is whole or absent, and nothing is left over. */
async function check(node: Node, disk: DiskTwin, ledger: Ledger): Promise<void> {
  for (const blob of ledger.tried) await checkBlob(node, blob, ledger.acknowledged.includes(blob))
  checkCommits(node, ledger)
  const mark = node.storage.highWater.marks.get(7 as PartitionId)?.seq ?? 0
  if (mark < ledger.marksAcknowledged) throw new Error(`mark ${mark} is older than acknowledged`)
  if (node.storage.chunks.needsSweep) {
    await node.storage.chunks.sweep(chunksOf(node.manifests.values()))
  }
  const referenced = new Set<string>()
  for await (const digest of chunksOf(node.manifests.values())) referenced.add(digest)
  for (const file of await chunkFiles(disk)) {
    if (!referenced.has(file)) throw new Error(`${file} is left over`)
  }
}

async function checkBlob(node: Node, blob: TestBlob, isAcknowledged: boolean): Promise<void> {
  const known = await node.blobs.stat(blob.digest)
  if (!known.ok) {
    if (isAcknowledged) throw new Error(`an acknowledged blob is ${known.error.kind}`)
    return
  }
  const bytes = await readAll(node.blobs, blob.digest)
  if (!bytes.equals(blob.bytes)) throw new Error('a blob has other bytes')
}

/** Acknowledged commits are there, each is whole, and of one life only the last ones are missing. */
function checkCommits({ storage }: Node, ledger: Ledger): void {
  const endedLives = new Set<Node>()
  for (const [number, { life, isAcknowledged }] of ledger.commits.entries()) {
    const count = HALVES.filter((half) => {
      const value = storage.engine.get(commitKey(number, half))
      if (value !== undefined && compareBytes(value, commitValue(number, half)) !== 0) {
        throw new Error(`commit ${number} has other bytes`)
      }
      return value !== undefined
    }).length
    if (count === 0 && isAcknowledged) throw new Error(`commit ${number} is lost`)
    if (count === 1) throw new Error(`half of commit ${number} is visible`)
    if (count === 2 && endedLives.has(life)) throw new Error(`commit ${number} overtook another`)
    if (count === 0) endedLives.add(life)
  }
}

async function chunkFiles(disk: DiskTwin): Promise<string[]> {
  const names: string[] = []
  for (const directory of await disk.list('/data/chunks')) {
    if (directory !== 'unclean') names.push(...(await disk.list(`/data/chunks/${directory}`)))
  }
  return names
}
