import type { NodeId } from '../../../src/base/ids.ts'
import { ControlMachine } from '../../../src/cluster/control/machine.ts'
import { ReplicatedControlStore } from '../../../src/cluster/control/replicated.ts'
import { type Effect, type Input, type LogRecord, Rabia } from '../../../src/cluster/rabia/index.ts'
import type { CrashHarness } from '../../conformance/harness.ts'
import { rosterOf } from './roster.ts'

/** The control store of the first of `size` nodes that run in this process, with logs in memory. */
export function hostReplicated(size: number): CrashHarness<ReplicatedControlStore> {
  const names = ['a', 'b', 'c'].slice(0, size) as NodeId[]
  return new Host(names.map((name) => ({ name, log: [] })))
}

type Disk = { readonly name: NodeId; readonly log: LogRecord[] }

type Replica = {
  readonly rabia: Rabia
  readonly store: ReplicatedControlStore
  readonly disk: Disk
}

/** One life of all nodes. Every event is a microtask of its own, so a crash may come between any two. */
class Host implements CrashHarness<ReplicatedControlStore> {
  static #lives = 0
  readonly tenant: ReplicatedControlStore
  readonly #disks: readonly Disk[]
  readonly #replicas = new Map<NodeId, Replica>()
  readonly #events: (() => void)[] = []
  #isRunning = false
  #isOver = false

  constructor(disks: readonly Disk[]) {
    this.#disks = disks
    const boot = `life ${++Host.#lives}`
    for (const disk of disks) {
      const { name: node, log } = disk
      const machine = new ControlMachine(rosterOf(disks.map(({ name }) => name)))
      const rabia = new Rabia({ self: node, cluster: 'test', boot, machine })
      const input = (it: Input): void => this.#schedule(node, it)
      const store = new ReplicatedControlStore({ node, boot, machine, input })
      this.#replicas.set(node, { rabia, store, disk })
      for (const record of log) rabia.step({ kind: 'replay', record })
    }
    for (const { name } of disks) this.#schedule(name, { kind: 'start' })
    this.tenant = [...this.#replicas.values()][0]!.store
  }

  async restart(): Promise<Host> {
    while (this.#isRunning) await Promise.resolve()
    return this.crash()
  }

  async crash(): Promise<Host> {
    await this.close()
    return new Host(this.#disks)
  }

  async close(): Promise<void> {
    this.#isOver = true
    for (const { store } of this.#replicas.values()) store.close()
  }

  #schedule(node: NodeId, input: Input): void {
    this.#events.push(() => {
      const replica = this.#replicas.get(node)!
      for (const effect of replica.rabia.step(input)) this.#perform(replica, effect)
    })
    if (!this.#isRunning) void this.#run()
  }

  #perform({ disk, store }: Replica, effect: Effect): void {
    store.take(effect)
    if (effect.kind === 'send') {
      for (const to of effect.to) {
        this.#schedule(to, { kind: 'message', from: disk.name, message: effect.message })
      }
    }
    if (effect.kind !== 'persist') return
    this.#events.push(() => {
      disk.log.push(...effect.records)
      this.#schedule(disk.name, { kind: 'persisted', token: effect.token })
    })
  }

  /** Nothing happens any more: if somebody waits, something has to be said again. */
  #passTime(): void {
    const isWaiting = [...this.#replicas.values()].some(({ rabia }) => {
      const { waiting, reads } = rabia.status()
      return waiting + reads > 0
    })
    if (!isWaiting) return
    for (const node of this.#replicas.keys()) this.#schedule(node, { kind: 'tick' })
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (let event = this.#events.shift(); event; event = this.#events.shift()) {
      await Promise.resolve()
      if (this.#isOver) break
      event()
      if (this.#events.length === 0) this.#passTime()
    }
    this.#isRunning = false
  }
}
