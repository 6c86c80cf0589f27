const SECTOR_BYTES = 4_096

/**
 * A file: what readers see, and what is durable of it. Power loss harms only bytes that were written since the last sync,
 * not others in the same sector: disks promise that, and every log that appends relies on it.
 */
export class File {
  #current = new Uint8Array(0)
  #durable = new Uint8Array(0)
  #durableBytes = 0
  /** Per sector the extent written since the last sync. */
  readonly #dirty = new Map<number, { start: number; end: number }>()
  sizeBytes = 0

  read(into: Uint8Array, position: number): number {
    const piece = this.#current.subarray(position, Math.min(this.sizeBytes, position + into.length))
    into.set(piece)
    return piece.length
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length
    this.#current = grown(this.#current, end)
    this.#current.set(bytes, position)
    this.sizeBytes = Math.max(this.sizeBytes, end)
    for (let start = position; start < end; ) {
      const sector = Math.floor(start / SECTOR_BYTES)
      const extent = { start, end: Math.min(end, (sector + 1) * SECTOR_BYTES) }
      const before = this.#dirty.get(sector) ?? extent
      this.#dirty.set(sector, {
        start: Math.min(before.start, extent.start),
        end: Math.max(before.end, extent.end),
      })
      start = extent.end
    }
  }

  sync(): void {
    this.#durable = grown(this.#durable, this.sizeBytes)
    this.#durableBytes = this.sizeBytes
    for (const { start, end } of this.#dirty.values())
      this.#durable.set(this.#current.subarray(start, end), start)
    this.#dirty.clear()
  }

  /** A sync that failed: the kernel takes the unsynced sectors for clean, so readers see them and no later sync saves them. */
  failSync(): void {
    this.#dirty.clear()
  }

  /** The file after power loss: its length and each unsynced sector are old, new or something else. */
  surviving(random: () => number): File {
    const file = new File()
    const size = this.#survivingSize(random)
    const bytes = new Uint8Array(size)
    bytes.set(this.#durable.subarray(0, Math.min(size, this.#durableBytes)))
    for (const { start, end: writtenEnd } of this.#dirty.values()) {
      const end = Math.min(writtenEnd, size)
      const fate = random()
      if (start >= size || fate < 1 / 3) continue
      if (fate < 2 / 3) bytes.set(this.#current.subarray(start, end), start)
      else this.#garble(bytes, start, end, random)
    }
    if (size > 0) file.write(bytes, 0)
    file.sync()
    return file
  }

  /** Bytes that no write changed stay: without that (powersafe overwrite) nothing could be appended safely. */
  #garble(bytes: Uint8Array, start: number, end: number, random: () => number): void {
    for (let i = start; i < end; i++) {
      if (i >= this.#durableBytes || this.#durable[i] !== this.#current[i])
        bytes[i] = random() * 256
    }
  }

  #survivingSize(random: () => number): number {
    const fate = random()
    if (fate < 1 / 3) return this.#durableBytes
    if (fate < 2 / 3) return this.sizeBytes
    const difference = this.sizeBytes - this.#durableBytes
    return this.#durableBytes + Math.floor(random() * difference)
  }
}

export type Entry = File | Directory

/** A directory: its names as readers see them, and every state of a name that power loss may bring back. */
export class Directory {
  readonly entries = new Map<string, Entry>()
  /** For names changed since the last sync: the durable state first, then each later one. */
  readonly #history = new Map<string, (Entry | undefined)[]>()

  set(name: string, entry: Entry | undefined): void {
    const states = this.#history.get(name) ?? [this.entries.get(name)]
    this.#history.set(name, [...states, entry])
    if (entry === undefined) this.entries.delete(name)
    else this.entries.set(name, entry)
  }

  sync(): void {
    this.#history.clear()
  }

  sizeBytes(): number {
    let sum = 0
    for (const entry of this.entries.values()) {
      sum += entry instanceof File ? entry.sizeBytes : entry.sizeBytes()
    }
    return sum
  }

  /** The directory after power loss. `copies` keeps a file that has two names one file. */
  surviving(random: () => number, copies: Map<File, File>): Directory {
    const copy = new Directory()
    for (const name of new Set([...this.entries.keys(), ...this.#history.keys()])) {
      const states = this.#history.get(name) ?? [this.entries.get(name)]
      const entry = states[Math.floor(random() * states.length)]
      if (entry instanceof Directory) copy.entries.set(name, entry.surviving(random, copies))
      else if (entry !== undefined) {
        const file = copies.get(entry) ?? entry.surviving(random)
        copies.set(entry, file)
        copy.entries.set(name, file)
      }
    }
    return copy
  }
}

export function directory(): Directory {
  return new Directory()
}

/** The whole tree after power loss. */
export function survivingTree(root: Directory, random: () => number): Directory {
  return root.surviving(random, new Map())
}

function grown(bytes: Uint8Array<ArrayBuffer>, sizeBytes: number): Uint8Array<ArrayBuffer> {
  if (sizeBytes <= bytes.length) return bytes
  const larger = new Uint8Array(Math.max(sizeBytes, bytes.length * 2, 4 * SECTOR_BYTES))
  larger.set(bytes)
  return larger
}
