/** A directory of a machine, changed in virtual time on the machine's simulated disk: one action after the other, each as the disk allows. */
import { type Directory, File } from '../twin/disk-tree.ts'
import type { Computer } from './machine.ts'

export class HostedDisk {
  readonly #machine: Computer
  readonly #directory: () => Directory

  constructor(machine: Computer, directory: () => Directory) {
    this.#machine = machine
    this.#directory = directory
  }

  get names(): readonly string[] {
    return [...this.#directory().entries.keys()]
  }

  /** What a reader sees, at most `sizeBytes` of it. */
  read(name: string, offset: number, sizeBytes = Number.POSITIVE_INFINITY): Uint8Array {
    const file = this.#file(name)
    const bytes = new Uint8Array(Math.max(0, Math.min(sizeBytes, file.sizeBytes - offset)))
    return bytes.subarray(0, file.read(bytes, offset))
  }

  has(name: string): boolean {
    return this.#directory().entries.has(name)
  }

  /** Does the actions in order and stops at the first that fails; `ended` is told which way it was. */
  run(actions: readonly DiskAction[], ended: (failure?: DiskFailure) => void): void {
    const [action, ...others] = actions
    if (action === undefined) {
      ended()
      return
    }
    const [min, max] = action.kind.startsWith('sync') ? SYNC_US : WRITE_US
    const delay = this.#machine.random.skewed(min, max) * this.#machine.disk.slowness
    this.#machine.after(delay, () => {
      const failure = this.#act(action)
      if (failure === undefined) this.run(others, ended)
      else ended(failure)
    })
  }

  #act(action: DiskAction): DiskFailure | undefined {
    const { root, disk } = this.#machine
    const directory = this.#directory()
    switch (action.kind) {
      case 'create':
        directory.set(action.name, new File())
        return undefined
      case 'write': {
        const room = Math.max(0, disk.capacityBytes - root.sizeBytes())
        const fits = action.bytes.subarray(0, room)
        this.#file(action.name).write(fits, action.offset)
        return fits.length < action.bytes.length ? 'no-space' : undefined
      }
      case 'sync':
        if (disk.isBroken) {
          disk.isBroken = false
          this.#file(action.name).failSync()
          return 'broken'
        }
        if (!disk.isLying) this.#file(action.name).sync()
        return undefined
      case 'rename':
        directory.set(action.to, this.#file(action.name))
        directory.set(action.name, undefined)
        return undefined
      case 'remove':
        directory.set(action.name, undefined)
        return undefined
      case 'sync-directory':
        if (!disk.isLying) directory.sync()
        return undefined
    }
  }

  #file(name: string): File {
    const file = this.#directory().entries.get(name)
    if (!(file instanceof File)) throw new Error(`${name} does not exist`)
    return file
  }
}

export type DiskAction =
  /** An empty file of this name, whatever it held before. */
  | { readonly kind: 'create' | 'sync' | 'remove'; readonly name: string }
  | {
      readonly kind: 'write'
      readonly name: string
      readonly offset: number
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }
  | { readonly kind: 'sync-directory' }

export type DiskFailure = 'no-space' | 'broken'

/** An NVMe disk without power-loss protection. */
const WRITE_US = [10, 60] as const
const SYNC_US = [100, 1_000] as const
