import type { NodeId } from '../../base/ids.ts'
import { Archive } from './archive.ts'
import type { SlotNumber } from './ballot.ts'
import type { Batch } from './batch.ts'
import { CatchUp } from './catch-up.ts'
import { sizeOf } from './history.ts'
import type { Ledger, LedgerLimits } from './ledger.ts'
import type { SnapshotChunk, SnapshotFetch, SnapshotOffer } from './message.ts'
import type { Outbox } from './outbox.ts'
import { isReadable, type Snapshot, snapshotOf } from './snapshot.ts'

/**
 * Snapshots of a replica: when it takes one, what of the log they make unnecessary, and how they get to nodes for which
 * the decisions are no longer kept. A snapshot of another node is on the own disk before the state jumps to it.
 */
export class Transfer {
  readonly #ledger: Ledger
  readonly #limits: LedgerLimits
  readonly #out: Outbox
  readonly #archive = new Archive()
  readonly #catchUp = new CatchUp()
  /** Another node's, complete, waiting for the disk. */
  #received: Snapshot | undefined
  /** Applied since the last snapshot was taken. */
  #slots = 0
  #units = 0
  #trimmed: SlotNumber = 0
  /** Others have snapshots that this program cannot read. */
  #isOutdated = false

  constructor(ledger: Ledger, limits: LedgerLimits, out: Outbox) {
    this.#ledger = ledger
    this.#limits = limits
    this.#out = out
  }

  /** Of the durable snapshot. */
  get slot(): SlotNumber | undefined {
    return this.#archive.slot
  }

  /** Whether another node's snapshot is on its way here or to the disk: there is no need to ask for more. */
  get isUnderWay(): boolean {
    return this.#catchUp.isUnderWay || this.#received !== undefined
  }

  /** The node has this snapshot on its disk. */
  hold(snapshot: Snapshot): void {
    this.#archive.hold(snapshot)
  }

  /** A slot was applied. */
  count(batch: Batch | undefined): void {
    this.#slots++
    if (batch) this.#units += sizeOf(batch)
  }

  /** Takes a snapshot when enough was applied since the last one. */
  compact(): void {
    const { decisions, decisionUnits } = this.#limits
    // One that is being fetched stays a while longer, or a slow reader might never see the end of any.
    const share = this.#archive.isLent ? 1 : 2
    if (this.#slots * share < decisions && this.#units * share < decisionUnits) return
    if (!this.#archive.isFree || this.#received || this.#ledger.stalled !== undefined) return
    this.#out.push(this.#archive.save(this.#ledger.snapshot()))
    this.#slots = 0
    this.#units = 0
  }

  /** Answers a node that has applied everything before slot `first`, if there is more. */
  answer(from: NodeId, first: SlotNumber): void {
    const { history } = this.#ledger
    if (first >= history.end) return
    const message = first < history.first ? this.#archive.offer() : history.answer(first)
    if (message) this.#out.send([from], message)
  }

  /** Answers a node that is fetching a snapshot. */
  lend(from: NodeId, request: SnapshotFetch): void {
    const message = this.#archive.answer(request)
    if (message) this.#out.send([from], message)
  }

  consider(from: NodeId, offer: SnapshotOffer): void {
    const { slot, stalled } = this.#ledger
    if (offer.slot < slot || stalled !== undefined || this.#received || this.#isOutdated) return
    const request = this.#catchUp.consider(from, offer)
    if (request) this.#out.send([from], request)
  }

  add(chunk: SnapshotChunk): void {
    const arrival = this.#catchUp.add(chunk)
    switch (arrival.kind) {
      case 'more':
        this.#out.send([arrival.from], arrival.request)
        break
      case 'damaged':
        this.#out.push({
          kind: 'violation',
          from: arrival.from,
          reason: 'a snapshot that is not the one it offered',
        })
        break
      case 'complete':
        this.#receive(arrival.bytes)
        break
      case 'stray':
        break
    }
  }

  /** The disk has the snapshot of `slot`. Returns it if it is ahead of the state, which then has to jump to it. */
  saved(slot: SlotNumber): Snapshot | undefined {
    const snapshot = this.#archive.saved(slot)
    if (!snapshot) return undefined
    if (snapshot === this.#received) this.#received = undefined
    if (snapshot.slot < this.#ledger.slot) {
      this.#ledger.history.cover(snapshot.slot)
      this.#save()
      return undefined
    }
    this.#slots = 0
    this.#units = 0
    return snapshot
  }

  /** The disk had no room for it. */
  refused(slot: SlotNumber): void {
    this.#archive.refuse(slot)
    // What was counted for a snapshot of the own state is due again.
    if (!this.#received) this.#slots = this.#limits.decisions
  }

  /** Time has passed; n − f members have applied everything up to `agreed`. */
  tick(agreed: SlotNumber): void {
    this.#archive.tick()
    const again = this.#catchUp.tick(this.#ledger.slot)
    if (again) this.#out.send([again.from], again.request)
    this.#save()
    this.trim(agreed)
  }

  /** Lets go of the log that neither this node nor, as far as it knows, n − f members need. */
  trim(agreed: SlotNumber): void {
    const below = Math.min(this.#archive.slot ?? 0, agreed) + 1
    if (below <= Math.max(1, this.#trimmed)) return
    this.#trimmed = below
    this.#out.push({ kind: 'trim', below })
  }

  #receive(bytes: Uint8Array): void {
    if (!isReadable(bytes)) {
      this.#isOutdated = true
      const reason = 'this node needs a snapshot that a newer program has made'
      this.#out.push({ kind: 'stalled', slot: this.#ledger.slot, reason })
      return
    }
    this.#received = snapshotOf(bytes)
    this.#save()
  }

  /** Another node's snapshot goes to the disk, unless this node has come as far by itself. */
  #save(): void {
    if (!this.#received || !this.#archive.isFree) return
    if (this.#received.slot < this.#ledger.slot) this.#received = undefined
    else this.#out.push(this.#archive.save(this.#received))
  }
}
