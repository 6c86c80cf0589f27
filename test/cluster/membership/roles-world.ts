/**
 * Detectors and partition directories of several nodes in virtual time: a network that delays, loses and cuts, nodes that stall,
 * die and come back, and a control state that takes a write when its writer reaches a majority.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { NodeId } from '../../../src/base/ids.ts'
import type { ControlEntry, ControlStore } from '../../../src/base/port.ts'
import { Detector, type DetectorInput } from '../../../src/cluster/membership/detector.ts'
import { progressOf, standingsOf } from '../../../src/cluster/membership/standing.ts'
import { PartitionDirectory } from '../../../src/cluster/partition/directory.driver.ts'
import { decodeTable, type PartitionTable, tableKey } from '../../../src/cluster/partition/index.ts'
import { Random } from '../../sim/random.ts'
import { MILLISECOND, SECOND, World } from '../../sim/world.ts'

export class RolesWorld {
  readonly random: Random
  readonly ids: readonly NodeId[]
  /** Every table that was committed, the first one first, and by whom. */
  readonly tables: { readonly table: PartitionTable; readonly by: NodeId }[] = []
  delayMs: readonly [number, number] = [0.2, 2]
  readonly #world: World
  readonly #nodes = new Map<NodeId, Machine>()
  readonly #behind = new Set<NodeId>()
  readonly #lost = new Set<string>()
  /** When the last message on each link arrives: they keep their order. */
  readonly #arrivals = new Map<string, number>()
  #values: ReadonlyMap<string, ControlEntry> = new Map()
  #revision = 0
  #hasAnswered = false

  constructor(seed: number, count: number) {
    this.random = new Random(seed)
    this.#world = new World(this.random.split('world'))
    this.ids = Array.from({ length: count }, (_, i) => `n${i + 1}` as NodeId)
    for (const id of this.ids) this.#nodes.set(id, this.#boot(id))
  }

  get nowMs(): number {
    return this.#world.now / MILLISECOND
  }

  get version(): number {
    return this.tables.at(-1)?.table.version ?? 0
  }

  get trace(): string {
    return this.#world.traceHash()
  }

  /** Lets the time pass; what was awaited at some moment goes on within the same millisecond. */
  async run(seconds: number, isOver: () => boolean = () => false): Promise<void> {
    const end = this.#world.now + seconds * SECOND
    while (this.#world.now < end && !isOver()) {
      this.#world.runUntil(this.#world.now + MILLISECOND)
      if (!this.#hasAnswered) continue
      this.#hasAnswered = false
      await turn()
    }
  }

  /** What `from` sends does not arrive at `to` any more. */
  lose(from: NodeId, to: NodeId): void {
    this.#lost.add(`${from} ${to}`)
  }

  cut(a: NodeId, b: NodeId): void {
    this.lose(a, b)
    this.lose(b, a)
  }

  isolate(id: NodeId): void {
    for (const other of this.ids) if (other !== id) this.cut(id, other)
  }

  heal(): void {
    this.#lost.clear()
    for (const a of this.ids) for (const b of this.ids) this.#connect(a, b)
  }

  /** Nothing happens in the node for so long; what arrives meanwhile is there afterwards. */
  stall(id: NodeId, seconds: number): void {
    const machine = this.#machine(id)
    // Whole, as all times are: what waits for a fraction of one would wait at that moment for ever.
    const until = this.#world.now + Math.ceil(seconds * SECOND)
    machine.stalledUntil = Math.max(machine.stalledUntil, until)
  }

  /** With `isRefusing` the machine lives on and tells that nobody listens. */
  kill(id: NodeId, isRefusing: boolean): void {
    this.#machine(id).isAlive = false
    if (!isRefusing) return
    for (const other of this.ids) {
      for (const delayMs of [40, 110, 260, 600]) {
        this.#world.schedule(delayMs * MILLISECOND, () => {
          if (!this.#machine(id).isAlive) this.#give(other, { kind: 'refused', peer: id })
        })
      }
    }
  }

  restart(id: NodeId): void {
    this.#nodes.set(id, this.#boot(id))
    for (const other of this.ids) {
      this.#connect(id, other)
      this.#connect(other, id)
    }
  }

  leave(id: NodeId): void {
    this.#give(id, { kind: 'leave' })
  }

  stay(id: NodeId): void {
    this.#give(id, { kind: 'stay' })
  }

  /** Whether its replicas lack something, wherever they are; it says so if it is alive. */
  setBehind(id: NodeId, isBehind: boolean): void {
    if (isBehind) this.#behind.add(id)
    else this.#behind.delete(id)
    this.#sayProgress(id, this.#machine(id))
  }

  /** Whether `id` leads anything, as it is committed. */
  leads(id: NodeId): boolean {
    return this.tables.at(-1)?.table.rows.some(({ primary }) => primary === id) ?? false
  }

  #machine(id: NodeId): Machine {
    return this.#nodes.get(id)!
  }

  #boot(id: NodeId): Machine {
    const detector = new Detector(id)
    detector.step({ kind: 'members', members: this.ids, voters: this.ids })
    const machine: Machine = {
      detector,
      directory: new PartitionDirectory({
        self: id,
        isAlone: false,
        read: (key) => machine.applied.get(key),
        control: this.#controlOf(id),
        relieved: (member) => this.#give(id, { kind: 'relieved', member }),
        report: (_, message) => this.#world.trace(`${id} ${message}`),
      }),
      applied: this.#values,
      isAlive: true,
      stalledUntil: 0,
      tickedAt: this.#world.now,
    }
    this.#world.schedule(0, () => {
      machine.directory.refresh()
      this.#sayProgress(id, machine)
    })
    const tick = () => {
      if (this.#nodes.get(id) !== machine || !machine.isAlive) return
      const lateUs = machine.stalledUntil - this.#world.now
      if (lateUs > 0) return this.#world.schedule(lateUs, tick)
      this.#world.schedule(20 * MILLISECOND * (1 + this.random.next() / 10), tick)
      this.#tick(id, machine)
    }
    this.#world.schedule(this.random.next() * 20 * MILLISECOND, tick)
    return machine
  }

  #tick(id: NodeId, machine: Machine): void {
    const elapsedMs = (this.#world.now - machine.tickedAt) / MILLISECOND
    machine.tickedAt = this.#world.now
    this.#give(id, { kind: 'tick', elapsedMs })
    const health = machine.detector.health()
    const situation = {
      standings: standingsOf(health),
      progress: progressOf(health),
      voters: this.ids,
    }
    machine.directory.tick(situation, () => this.#hasMajority(id))
  }

  #give(to: NodeId, input: DetectorInput): void {
    const machine = this.#machine(to)
    if (!machine.isAlive) return
    for (const effect of machine.detector.step(input)) {
      if (effect.kind === 'changed') {
        this.#world.trace(`${to} sees ${effect.id} ${effect.state}`)
        continue
      }
      for (const peer of effect.to) {
        this.#deliver(to, peer, { kind: 'heartbeat', from: to, heartbeat: effect.heartbeat })
      }
    }
  }

  #sayProgress(id: NodeId, machine: Machine): void {
    const tableVersion = machine.directory.table?.version ?? 0
    const behind = this.#behind.has(id) ? 'f'.repeat(256) : ''
    this.#give(id, { kind: 'progress', progress: { tableVersion, behind } })
  }

  #connect(from: NodeId, to: NodeId): void {
    if (from !== to && this.#machine(to).isAlive) this.#give(from, { kind: 'connected', peer: to })
  }

  #deliver(from: NodeId, to: NodeId, input: DetectorInput): void {
    if (this.#lost.has(`${from} ${to}`)) return
    const [least, most] = this.delayMs
    const delayUs = (least + this.random.next() * (most - least)) * MILLISECOND
    const arriveAt =
      Math.max(this.#world.now + delayUs, this.#arrivals.get(`${from} ${to}`) ?? 0) + 1
    this.#arrivals.set(`${from} ${to}`, arriveAt)
    const arrive = () => {
      const lateUs = this.#machine(to).stalledUntil - this.#world.now
      // After a stall the timers run first.
      if (lateUs > 0) this.#world.schedule(lateUs + MILLISECOND, arrive)
      else this.#give(to, input)
    }
    this.#world.schedule(arriveAt - this.#world.now, arrive)
  }

  #hasMajority(id: NodeId): boolean {
    const reached = this.ids.filter((other) => {
      const isCut = this.#lost.has(`${id} ${other}`) || this.#lost.has(`${other} ${id}`)
      return other === id || (this.#machine(other).isAlive && !isCut)
    })
    return 2 * reached.length > this.ids.length
  }

  /** Conditional writes, each some milliseconds after it was asked for; only what the directory uses. */
  #controlOf(id: NodeId): ControlStore {
    const write: ControlStore['write'] = (operations, { preconditions = [] }) => {
      const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<typeof write>>>()
      this.#world.schedule((2 + this.random.next() * 40) * MILLISECOND, () => {
        const machine = this.#machine(id)
        this.#hasAnswered = true
        if (!machine.isAlive || !this.#hasMajority(id)) {
          return resolve({ ok: false, error: { kind: 'outcome-unknown', reason: 'cut off' } })
        }
        const [operation] = operations
        const key = operation!.key
        const current = this.#values.get(key)?.revision
        if (preconditions[0]?.revision !== (current ?? 'absent')) {
          return resolve({ ok: false, error: { kind: 'conflict', key, current } })
        }
        this.#commit(id, key, operation!.kind === 'put' ? operation!.value : '')
        resolve({ ok: true, value: this.#revision })
      })
      return promise
    }
    return { write } as ControlStore
  }

  #commit(by: NodeId, key: string, value: string): void {
    this.#values = new Map(this.#values).set(key, { value, revision: ++this.#revision })
    if (key === tableKey(3)) this.#check(by, value)
    for (const id of this.ids) this.#apply(id, id === by ? 0 : this.random.next() * 20)
  }

  #check(by: NodeId, value: string): void {
    const decoded = decodeTable(value)
    if (!decoded.ok) throw new Error(decoded.error.reason)
    const { rows } = decoded.value
    for (const [i, { primary, epoch }] of (this.tables.at(-1)?.table.rows ?? []).entries()) {
      const isNew = rows[i]!.primary !== primary
      if (rows[i]!.epoch !== epoch + (isNew ? 1 : 0)) throw new Error(`epoch of partition ${i}`)
    }
    this.tables.push({ table: decoded.value, by })
    this.#world.trace(`table ${decoded.value.version} by ${by}`)
  }

  #apply(id: NodeId, delayMs: number): void {
    this.#world.schedule(delayMs * MILLISECOND, () => {
      const machine = this.#machine(id)
      // Whoever is cut off or stalled learns it later.
      if (machine.isAlive && (machine.stalledUntil > this.#world.now || !this.#hasMajority(id))) {
        return this.#apply(id, 50)
      }
      machine.applied = this.#values
      machine.directory.refresh()
      this.#sayProgress(id, machine)
    })
  }
}

type Machine = {
  readonly detector: Detector
  readonly directory: PartitionDirectory
  applied: ReadonlyMap<string, ControlEntry>
  isAlive: boolean
  stalledUntil: number
  tickedAt: number
}
