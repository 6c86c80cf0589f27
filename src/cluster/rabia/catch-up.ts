import { hex } from '../../base/bytes.ts'
import { sha256 } from '../../base/hash.ts'
import type { NodeId } from '../../base/ids.ts'
import type { SlotNumber } from './ballot.ts'
import type { SnapshotChunk, SnapshotFetch, SnapshotOffer } from './message.ts'

/**
 * The way of a snapshot from another node to this one: one chunk at a time, in order. Equal snapshots have equal bytes,
 * so that one node can go on where another has fallen silent.
 */
export class CatchUp {
  #transfer: Transfer | undefined

  /** Whether a snapshot is on its way, and somebody is sending it. */
  get isUnderWay(): boolean {
    return this.#transfer !== undefined && this.#transfer.idleTicks < STALLED_TICKS
  }

  /** Considers an offer, and returns what to ask that node for, if anything. */
  consider(from: NodeId, offer: SnapshotOffer): SnapshotFetch | undefined {
    if (offer.sizeBytes === 0 || offer.sizeBytes > SNAPSHOT_BYTES_MAX) return undefined
    const current = this.#transfer
    if (current && !isOpen(current, from, offer)) return undefined
    this.#transfer =
      current?.offer.sha256 === offer.sha256
        ? { ...current, from, idleTicks: 0 }
        : { from, offer, bytes: new Uint8Array(offer.sizeBytes), filled: 0, idleTicks: 0 }
    return requestOf(this.#transfer)
  }

  /** Takes a chunk: the next one to ask for, the whole snapshot, or nothing if it is not the one awaited. */
  add(chunk: SnapshotChunk): Arrival {
    const transfer = this.#transfer
    if (chunk.sha256 !== transfer?.offer.sha256 || chunk.offset !== transfer.filled) {
      return { kind: 'stray' }
    }
    const filled = transfer.filled + chunk.bytes.length
    if (filled === transfer.filled || filled > transfer.bytes.length) return { kind: 'stray' }
    transfer.bytes.set(chunk.bytes, transfer.filled)
    transfer.filled = filled
    transfer.idleTicks = 0
    if (filled < transfer.bytes.length) {
      return { kind: 'more', from: transfer.from, request: requestOf(transfer) }
    }
    this.#transfer = undefined
    const { from, bytes, offer } = transfer
    if (hex(sha256(bytes)) !== offer.sha256) return { kind: 'damaged', from }
    return { kind: 'complete', bytes }
  }

  /** Time has passed, and everything before `slot` is applied. Returns what to ask for again, if anything. */
  tick(slot: SlotNumber): { readonly from: NodeId; readonly request: SnapshotFetch } | undefined {
    const transfer = this.#transfer
    if (transfer && transfer.offer.slot < slot) this.#transfer = undefined
    if (!transfer) return undefined
    transfer.idleTicks++
    if (!this.isUnderWay || transfer.idleTicks % RETRY_TICKS !== 0) return undefined
    return { from: transfer.from, request: requestOf(transfer) }
  }
}

export type Arrival =
  | { readonly kind: 'stray' }
  | { readonly kind: 'more'; readonly from: NodeId; readonly request: SnapshotFetch }
  | { readonly kind: 'damaged'; readonly from: NodeId }
  | { readonly kind: 'complete'; readonly bytes: Uint8Array }

type Transfer = {
  readonly from: NodeId
  readonly offer: SnapshotOffer
  readonly bytes: Uint8Array
  filled: number
  idleTicks: number
}

/** A chunk takes milliseconds; a lost one costs a fifth of a second. */
const RETRY_TICKS = 10

/** After a second of silence any other node may go on; after two the same one may, too. */
const STALLED_TICKS = 50

/** About the longest text a program can make of it, and hundreds of times what a control state comes to. */
const SNAPSHOT_BYTES_MAX = 512 * 1_024 * 1_024

/** Whether the transfer can be given up, or go on, with this offer. */
function isOpen({ from, offer, idleTicks }: Transfer, other: NodeId, next: SnapshotOffer): boolean {
  // A sender that has a newer snapshot no longer has the one it was asked for.
  if (other === from) return idleTicks >= 2 * STALLED_TICKS || next.slot > offer.slot
  return idleTicks >= STALLED_TICKS
}

function requestOf({ offer, filled }: Transfer): SnapshotFetch {
  const { slot, sha256 } = offer
  return { kind: 'snapshot-fetch', slot, sha256, offset: filled }
}
