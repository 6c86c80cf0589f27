/**
 * A file that is replaced as a whole, as the shipped ones are: a temporary file is written and synced, takes the name, and the name
 * is synced. Every start syncs the name that it finds before anything is built on it.
 */
import { type DiskAction, HostedDisk } from './hosted-disk.ts'
import type { Computer } from './machine.ts'

export class HostedFile {
  readonly #name: string
  readonly #temporary: string
  readonly #disk: HostedDisk

  constructor(machine: Computer, name: string) {
    this.#name = name
    this.#temporary = `${name}.tmp`
    this.#disk = new HostedDisk(machine, () => machine.root)
  }

  /** What the file holds, if it is there. */
  read(): Uint8Array | undefined {
    return this.#disk.has(this.#name) ? this.#disk.read(this.#name, 0) : undefined
  }

  /** Before anything is replaced, and before what was read is used. */
  open(ended: (outcome: 'done' | 'broken') => void): void {
    const leftover: DiskAction[] = this.#disk.has(this.#temporary)
      ? [{ kind: 'remove', name: this.#temporary }]
      : []
    this.#disk.run([...leftover, { kind: 'sync-directory' }], (failure) =>
      ended(failure === undefined ? 'done' : 'broken'),
    )
  }

  /** One at a time. `done` when it is durable; with `no-space` the file is as before. */
  replace(bytes: Uint8Array, on: ReplaceListener): void {
    const { step, ended } = on
    const name = this.#temporary
    const steps: readonly [ReplaceStep, DiskAction][] = [
      ['created', { kind: 'create', name }],
      ['written', { kind: 'write', name, offset: 0, bytes }],
      ['synced', { kind: 'sync', name }],
      ['renamed', { kind: 'rename', name, to: this.#name }],
      ['name-synced', { kind: 'sync-directory' }],
    ]
    const disk = this.#disk
    function next(place: number): void {
      const [done, action] = steps[place] ?? []
      if (done === undefined || action === undefined) ended('done')
      else
        disk.run([action], (failure) => {
          if (failure === 'no-space') disk.run([{ kind: 'remove', name }], () => ended('no-space'))
          else if (failure === 'broken') ended('broken')
          else {
            step?.(done)
            next(place + 1)
          }
        })
    }
    next(0)
  }
}

export type ReplaceListener = {
  /** A step was done; the machine may be down afterwards. */
  readonly step?: (step: ReplaceStep) => void
  readonly ended: (outcome: 'done' | 'no-space' | 'broken') => void
}

/** What a replacement consists of, in this order. */
export const REPLACE_STEPS = ['created', 'written', 'synced', 'renamed', 'name-synced'] as const
export type ReplaceStep = (typeof REPLACE_STEPS)[number]
