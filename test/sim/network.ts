/**
 * Directed links between machines. A link is in order like a TCP connection until a fault says otherwise; everything a network
 * may do to messages is here, and everything it did is counted.
 */
import type { Random } from './random.ts'
import { MILLISECOND, type World } from './world.ts'

export class Network<Message> {
  readonly #world: World
  readonly #random: Random
  readonly #deliver: Deliver<Message>
  readonly #links = new Map<string, Link<Message>>()
  readonly counts: NetworkCounts = {
    sent: 0,
    delivered: 0,
    lost: 0,
    cut: 0,
    duplicated: 0,
    reordered: 0,
    clogged: 0,
    stale: 0,
  }

  constructor(options: NetworkOptions<Message>) {
    this.#world = options.world
    this.#random = options.world.random.split('network')
    this.#deliver = options.deliver
  }

  /** The link from one machine to another; a fault changes its conditions, and puts them back. */
  link(from: string, to: string): LinkConditions {
    return this.#link(from, to).conditions
  }

  send(from: string, to: string, message: Message): void {
    const link = this.#link(from, to)
    const { conditions } = link
    this.counts.sent++
    if (conditions.isCut || happens(link, conditions.loss)) {
      this.counts[conditions.isCut ? 'cut' : 'lost']++
      return
    }
    if (conditions.isClogged) {
      this.counts.clogged++
      if (link.clogged.length < CLOGGED_MAX) link.clogged.push(message)
      return
    }
    this.#transmit(link, message)
    for (let chance = conditions.duplication; happens(link, chance); chance /= 2) {
      this.counts.duplicated++
      this.#transmit(link, message)
    }
  }

  /** Lets through what was held back, in order. */
  unclog(from: string, to: string): void {
    const link = this.#link(from, to)
    link.conditions.isClogged = false
    for (const message of link.clogged.splice(0)) this.#transmit(link, message)
  }

  /**
   * Both directions between two machines begin a new connection. What the old ones still carry is lost, or arrives late among
   * the new ones' messages when a stale one gets through.
   */
  reset(a: string, b: string): void {
    for (const link of [this.#link(a, b), this.#link(b, a)]) {
      link.connection++
      link.lastArrival = 0
      link.clogged.length = 0
    }
  }

  #transmit(link: Link<Message>, message: Message): void {
    const { conditions, connection } = link
    const latency = link.random.skewed(LATENCY_US_MIN, LATENCY_US_MAX) * conditions.slowness
    let arrival = this.#world.now + latency
    if (happens(link, conditions.disorder)) {
      this.counts.reordered++
      arrival += link.random.int(0, DISORDER_US_MAX)
    } else {
      arrival = Math.max(arrival, link.lastArrival)
      link.lastArrival = arrival
    }
    this.#world.schedule(arrival - this.#world.now, () => {
      if (conditions.isCut) {
        this.counts.cut++
        return
      }
      if (link.connection !== connection) {
        if (!link.random.chance(STALE_CHANCE)) {
          this.counts.lost++
          return
        }
        this.counts.stale++
      }
      this.counts.delivered++
      this.#deliver(link.from, link.to, message)
    })
  }

  #link(from: string, to: string): Link<Message> {
    const name = `${from}>${to}`
    let link = this.#links.get(name)
    if (link === undefined) {
      const conditions = { ...FAIR }
      const random = this.#random.split(name)
      link = { from, to, random, conditions, connection: 0, lastArrival: 0, clogged: [] }
      this.#links.set(name, link)
    }
    return link
  }
}

export type NetworkOptions<Message> = {
  readonly world: World
  readonly deliver: Deliver<Message>
}

type Deliver<Message> = (from: string, to: string, message: Message) => void

export type LinkConditions = {
  /** Nothing arrives, also not what is under way. */
  isCut: boolean
  /** Everything waits until `unclog`. */
  isClogged: boolean
  /** Probabilities per message; a duplicate is duplicated again half as likely. */
  loss: number
  duplication: number
  disorder: number
  /** Factor on latency. */
  slowness: number
}

export type NetworkCounts = Record<
  'sent' | 'delivered' | 'lost' | 'cut' | 'duplicated' | 'reordered' | 'clogged' | 'stale',
  number
>

/** A link without faults. */
export const FAIR: LinkConditions = {
  isCut: false,
  isClogged: false,
  loss: 0,
  duplication: 0,
  disorder: 0,
  slowness: 1,
}

type Link<Message> = {
  readonly from: string
  readonly to: string
  /** Its own, so that a fault here does not change what happens elsewhere. */
  readonly random: Random
  readonly conditions: LinkConditions
  connection: number
  lastArrival: number
  readonly clogged: Message[]
}

/** Within one data centre. */
const LATENCY_US_MIN = 50
const LATENCY_US_MAX = 500

/** A disordered message overtakes, and is overtaken by, hundreds of others. */
const DISORDER_US_MAX = 50 * MILLISECOND

/** A frame of a closed connection that is handed over after the reset. */
const STALE_CHANCE = 0.5

/** What the socket buffers of a clogged connection hold. */
const CLOGGED_MAX = 1_000

function happens(link: Link<unknown>, probability: number): boolean {
  return probability > 0 && link.random.chance(probability)
}
