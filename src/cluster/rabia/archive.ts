import { assert } from '../../base/assert.ts'
import { hex } from '../../base/bytes.ts'
import { sha256 } from '../../base/hash.ts'
import type { SlotNumber } from './ballot.ts'
import type { Effect } from './effect.ts'
import {
  CHUNK_BYTES_MAX,
  type SnapshotChunk,
  type SnapshotFetch,
  type SnapshotOffer,
} from './message.ts'
import type { Snapshot } from './snapshot.ts'

/** The node's durable snapshot, in memory for those who need it, and the next one on its way to the disk. */
export class Archive {
  #durable: Snapshot | undefined
  /** Of the durable one, once somebody needs it. */
  #sha256: string | undefined
  #saving: Snapshot | undefined
  /** Ticks until the disk, which had no room, is asked again. */
  #pauseTicks = 0
  /** Ticks in which the durable snapshot is not replaced, for somebody is fetching it. */
  #lentTicks = 0

  /** Of the durable one. */
  get slot(): SlotNumber | undefined {
    return this.#durable?.slot
  }

  /** Whether the disk can be given a snapshot now. */
  get isFree(): boolean {
    return this.#saving === undefined && this.#pauseTicks === 0
  }

  /** Whether another node is fetching the durable one. */
  get isLent(): boolean {
    return this.#lentTicks > 0
  }

  /** The snapshot is durable. */
  hold(snapshot: Snapshot): void {
    this.#durable = snapshot
    this.#sha256 = undefined
  }

  /** The effect that makes the snapshot the durable one. */
  save(snapshot: Snapshot): Effect {
    assert(this.isFree, 'one snapshot is saved at a time')
    this.#saving = snapshot
    return { kind: 'save', snapshot }
  }

  /** The snapshot that has become the durable one. */
  saved(slot: SlotNumber): Snapshot | undefined {
    const snapshot = this.#saving
    if (snapshot?.slot !== slot) return undefined
    this.#saving = undefined
    this.hold(snapshot)
    return snapshot
  }

  /** The disk had no room for it. */
  refuse(slot: SlotNumber): void {
    if (this.#saving?.slot !== slot) return
    this.#saving = undefined
    this.#pauseTicks = PAUSE_TICKS
  }

  tick(): void {
    if (this.#pauseTicks > 0) this.#pauseTicks--
    if (this.#lentTicks > 0) this.#lentTicks--
  }

  offer(): SnapshotOffer | undefined {
    if (!this.#durable) return undefined
    const { slot, bytes } = this.#durable
    this.#sha256 ??= hex(sha256(bytes))
    return { kind: 'offer', slot, sizeBytes: bytes.length, sha256: this.#sha256 }
  }

  /** A piece of the durable snapshot, or an offer of it when another one is asked for. */
  answer({ slot, sha256, offset }: SnapshotFetch): SnapshotChunk | SnapshotOffer | undefined {
    const offer = this.offer()
    if (!this.#durable || sha256 !== offer?.sha256 || slot !== offer.slot) return offer
    this.#lentTicks = LENT_TICKS
    const bytes = this.#durable.bytes.subarray(offset, offset + CHUNK_BYTES_MAX)
    return { kind: 'snapshot-chunk', slot, sha256, offset, bytes }
  }
}

/** A second: a snapshot is megabytes, and whoever makes room takes longer. */
const PAUSE_TICKS = 50

/** Two seconds: longer than a slow link takes for a chunk, and soon over when the other node is gone. */
const LENT_TICKS = 100
