/**
 * A computer: its clock, its disk and the process that runs on it. It knows nothing of what the process does: anything with
 * `step(input) → effects` runs here, whatever its inputs and effects are.
 */
import { Directory, directory, File, survivingTree } from '../twin/disk-tree.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

export type Program<Input, Effect> = { step(input: Input): readonly Effect[] }

/** What connects a kind of program to its machine. */
export type Wiring<Input, Effect> = {
  /** Makes the program from what is on the disk and starts it; undefined when it refuses to start. */
  boot(machine: Machine<Input, Effect>): Program<Input, Effect> | undefined
  perform(machine: Machine<Input, Effect>, effect: Effect): void
}

export class Machine<Input, Effect> implements Computer {
  readonly name: string
  readonly random: Random
  readonly world: World
  readonly disk: DiskConditions = {
    slowness: 1,
    capacityBytes: Number.POSITIVE_INFINITY,
    isBroken: false,
    isLying: false,
  }
  root: Directory = emptyDisk()
  state: 'down' | 'up' | 'paused' = 'down'
  /** Starts so far. What belongs to an earlier life never happens. */
  life = 0
  /** How fast the clock runs, and how far its wall time is off. */
  clockRate = 1
  wallOffsetUs = 0
  program: Program<Input, Effect> | undefined
  readonly #wiring: Wiring<Input, Effect>
  readonly #held: (() => void)[] = []

  constructor(name: string, world: World, wiring: Wiring<Input, Effect>) {
    this.name = name
    this.world = world
    this.random = world.random.split(`machine ${name}`)
    this.#wiring = wiring
  }

  /** What its wall clock shows, in microseconds. */
  get wallUs(): number {
    return this.world.now * this.clockRate + this.wallOffsetUs
  }

  /** Runs in this life when the machine's own clock has gone on by `delayUs`; late when the process is paused then. */
  after(delayUs: number, run: () => void): void {
    const { life } = this
    this.world.schedule(delayUs / this.clockRate, () => this.#live(life, run))
  }

  /** Gives the program an input and performs its effects; nothing when it is down, later when it is paused. */
  input(input: Input): void {
    const { life } = this
    this.#live(life, () => {
      for (const effect of this.program?.step(input) ?? []) {
        if (this.life !== life || this.state === 'down') return
        this.#wiring.perform(this, effect)
      }
    })
  }

  start(): void {
    if (this.state !== 'down') return
    this.life++
    this.state = 'up'
    this.world.trace(`${this.name} starts`)
    this.program = this.#wiring.boot(this)
    if (this.program === undefined) this.kill()
  }

  /** The process ends; what the kernel has of its files stays. */
  kill(): void {
    if (this.state === 'down') return
    this.world.trace(`${this.name} is down`)
    this.state = 'down'
    this.program = undefined
    this.#held.length = 0
  }

  /** The process ends, and of what was not synced each sector and each name may be lost or garbled. */
  losePower(): void {
    this.kill()
    const random = this.random.split(`power ${this.life}`)
    this.root = survivingTree(this.root, () => random.next())
  }

  /** The process ends, and the disk is replaced by an empty one or, if given, by one with an earlier content. */
  replaceDisk(image: Directory = emptyDisk()): void {
    this.kill()
    this.root = imageOf(image)
  }

  /** As SIGSTOP: nothing runs, everything waits. */
  pause(): void {
    if (this.state === 'up') this.state = 'paused'
  }

  resume(): void {
    if (this.state !== 'paused') return
    this.state = 'up'
    for (const run of this.#held.splice(0)) this.world.schedule(0, run)
  }

  #live(life: number, run: () => void): void {
    if (life !== this.life || this.state === 'down') return
    if (this.state === 'up') run()
    else if (this.#held.length < HELD_MAX) this.#held.push(() => this.#live(life, run))
  }
}

/** A machine as its own programs see it. */
export type Computer = {
  readonly name: string
  readonly random: Random
  readonly disk: DiskConditions
  readonly root: Directory
  after(delayUs: number, run: () => void): void
}

export type DiskConditions = {
  /** Factor on the time of every write and sync. */
  slowness: number
  /** What all files together may take. */
  capacityBytes: number
  /** The next sync fails, once, and forgets what it should have saved. */
  isBroken: boolean
  /** Syncs say that they are done and do nothing. */
  isLying: boolean
}

/** The directory of the consensus log. */
export function logOf({ root }: { readonly root: Directory }): Directory {
  const log = root.entries.get(LOG)
  if (!(log instanceof Directory)) throw new Error('a machine without the directory of its log')
  return log
}

/** A copy of everything that readers see, all of it durable: a disk image to go back to. */
export function imageOf(tree: Directory): Directory {
  const copy = directory()
  for (const [name, entry] of tree.entries)
    copy.set(name, entry instanceof File ? copyOf(entry) : imageOf(entry))
  copy.sync()
  return copy
}

const LOG = 'log'

function emptyDisk(): Directory {
  const root = directory()
  root.set(LOG, directory())
  root.sync()
  return root
}

function copyOf(file: File): File {
  const bytes = new Uint8Array(file.sizeBytes)
  file.read(bytes, 0)
  const copy = new File()
  copy.write(bytes, 0)
  copy.sync()
  return copy
}

/** What a stopped process finds in its sockets and timers when it goes on. */
const HELD_MAX = 2_000
