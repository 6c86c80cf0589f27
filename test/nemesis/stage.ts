/** How each step of a plan is carried out. When one has been, its faults are over and every member runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../sim/random.ts'
import type { Arena } from './arena.ts'
import type { LinkFault } from './fault-proxy.ts'
import type { Step, StepKind } from './plan.ts'

export async function perform(arena: Arena, step: Step): Promise<void> {
  const act = new Act(arena, step)
  try {
    await STEPS[step.kind](act)
  } finally {
    act.heal()
  }
}

const STEPS: Readonly<Record<StepKind, (act: Act) => Promise<void>>> = {
  kill: (act) => act.kill(1),
  'kill-majority': (act) => act.kill(Math.floor(act.order.length / 2) + 1),
  'kill-all': (act) => act.kill(act.order.length),
  pause: (act) => act.pause(),
  isolate: (act) => act.cut([act.order.slice(0, 1), act.order.slice(1)]),
  split: (act) => act.cut(halves(act.order)),
  // The first one sees both sides.
  bridge: (act) => act.cut(halves(act.order.slice(1))),
  'one-way': (act) => act.lose(act.order.slice(0, 1), act.order.slice(1, 2)),
  deaf: (act) => act.lose(act.order.slice(1), act.order.slice(0, 1)),
  mute: (act) => act.lose(act.order.slice(0, 1), act.order.slice(1)),
  delay: (act) =>
    act.degrade(act.order, { kind: 'delay', minMs: 2, maxMs: act.random.int(10, 80) }),
  slow: (act) => {
    const bytesPerSecond = Math.round(act.random.skewed(20_000, 400_000))
    return act.degrade(act.order.slice(0, 1), { kind: 'throttle', bytesPerSecond })
  },
  reset: (act) => act.reset(),
  flap: (act) => act.flap(),
  'rolling-restart': (act) => act.rollingRestart(),
  'full-disk': (act) => act.fullDisk(),
  absence: (act) => act.absence(),
  'empty-disk': (act) => act.emptyDisk(),
  'replace-dead': (act) => act.replaceDead(),
  'add-and-remove': (act) => act.addAndRemove(),
}

class Act {
  readonly random: Random
  /** The members in an order of their own: the first ones are the victims. */
  readonly order: readonly string[]
  readonly #arena: Arena
  readonly #holdMs: number

  constructor(arena: Arena, step: Step) {
    this.random = new Random(step.seed)
    this.order = this.random.shuffled(arena.members)
    this.#arena = arena
    this.#holdMs = step.holdMs
  }

  heal(): void {
    this.#arena.proxy.heal()
    this.#arena.smallDisk?.disk.free()
    for (const node of this.#arena.cluster.running()) node.resume()
  }

  async kill(count: number): Promise<void> {
    const victims = this.order.slice(0, count)
    await Promise.all(victims.map((id) => this.#arena.node(id).kill()))
    await this.#hold()
    await this.#arena.start()
  }

  async pause(): Promise<void> {
    this.#arena.node(this.#victim).pause()
    await this.#hold()
  }

  async cut([some, others]: readonly [readonly string[], readonly string[]]): Promise<void> {
    for (const a of some) {
      for (const b of others) this.#arena.proxy.setBoth(a, b, { kind: 'cut' })
    }
    await this.#hold()
  }

  async lose(from: readonly string[], to: readonly string[]): Promise<void> {
    for (const a of from) {
      for (const b of to) this.#arena.proxy.set(a, b, { kind: 'loss' })
    }
    await this.#hold()
  }

  async degrade(some: readonly string[], fault: LinkFault): Promise<void> {
    for (const a of some) {
      for (const b of this.order) if (a !== b) this.#arena.proxy.setBoth(a, b, fault)
    }
    await this.#hold()
  }

  async reset(): Promise<void> {
    await this.#again(100, () => {
      const [a = '', b = ''] = this.random.shuffled(this.order)
      this.#arena.proxy.reset(a, b)
    })
  }

  async flap(): Promise<void> {
    await this.#again(300, () => {
      this.#arena.proxy.heal()
      const [a = '', b = ''] = this.random.shuffled(this.order)
      this.#arena.proxy.setBoth(a, b, { kind: 'cut' })
    })
  }

  async rollingRestart(): Promise<void> {
    for (const id of this.order) {
      await this.#arena.node(id).stop()
      await this.#arena.start([id])
    }
  }

  /**
   * Nearly full, which the node has to live with; or to the last byte by somebody else, whereupon it may end, and starts
   * again when there is space.
   */
  async fullDisk(): Promise<void> {
    const { smallDisk } = this.#arena
    if (smallDisk === undefined) return
    const node = this.#arena.node(smallDisk.node)
    const isToLastByte = this.random.chance(0.5)
    if (isToLastByte) void node.ends()
    smallDisk.disk.fill(isToLastByte ? 0 : FULL_BYTES)
    await this.#hold()
    smallDisk.disk.free()
    if (!isToLastByte) return
    await node.kill()
    await this.#arena.start([node.id])
  }

  /** The others go on until they keep nothing any more of what it has missed. */
  async absence(): Promise<void> {
    await this.#arena.node(this.#victim).kill()
    await this.#arena.outdate(this.#other)
    await this.#arena.start()
  }

  /** It is refused under its old name until it has been removed and added again, as a node that joins. */
  async emptyDisk(): Promise<void> {
    const node = this.#arena.node(this.#victim)
    await node.kill()
    await this.#arena.cluster.empty(node.id)
    node.launch()
    await this.#hold()
    await this.#arena.remove(node.id, this.#other)
    await this.#arena.admit(node.id, this.#other)
  }

  async replaceDead(): Promise<void> {
    await this.#arena.node(this.#victim).kill()
    await this.#arena.remove(this.#victim, this.#other)
    await this.#join()
  }

  async addAndRemove(): Promise<void> {
    await this.#join()
    const ended = this.#arena.node(this.#victim).ends()
    await this.#arena.remove(this.#victim, this.#other)
    await ended
  }

  async #join(): Promise<void> {
    const taken = [...this.#arena.cluster.nodes.keys()].map((id) => Number(id.slice(1)))
    const node = await this.#arena.cluster.prepareJoiner(`n${Math.max(...taken) + 1}`)
    node.launch()
    await this.#arena.admit(node.id, this.#other)
  }

  async #again(everyMs: number, work: () => void): Promise<void> {
    const endMs = performance.now() + this.#holdMs
    while (performance.now() < endMs) {
      work()
      await sleep(everyMs)
    }
  }

  async #hold(): Promise<void> {
    await sleep(this.#holdMs)
  }

  get #victim(): string {
    return this.order[0] ?? ''
  }

  get #other(): string {
    return this.order[1] ?? ''
  }
}

/** Left on a disk that is full: less than a node keeps for itself, and enough for what it has under way. */
const FULL_BYTES = 40 * 1_024 * 1_024

function halves(ids: readonly string[]): [readonly string[], readonly string[]] {
  const half = Math.floor(ids.length / 2)
  return [ids.slice(0, half), ids.slice(half)]
}
