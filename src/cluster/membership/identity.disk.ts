import { text, utf8 } from '../../base/bytes.ts'
import { AetherError } from '../../base/fault.ts'
import type { NodeId } from '../../base/ids.ts'
import { SnapshotFile, type SnapshotFileOptions } from '../../storage/snapshot.disk.ts'

/** What a data directory is for good, and whom it has met while its cluster was forming. */
export type Identity = {
  readonly cluster: string
  readonly node: NodeId
  /** Of the consensus log beside it. */
  readonly incarnation: string
  /** The hash of the roster it has begun to form a cluster with; undefined when it joins one. */
  readonly roster: string | undefined
}

/** The file `identity` of a data directory. It is made once everything else of a new node is there. */
export class IdentityFile {
  readonly #file: SnapshotFile
  readonly #pins = new Map<NodeId, string>()
  /** What is durable of them, and what is about to be. */
  readonly #claims = new Map<NodeId, string>()
  #hasJoined = false
  #isRolledBack = false
  #identity: Identity | undefined
  #lastSave: Promise<unknown> = Promise.resolve()

  /** Rejects with `data-damaged` or `data-format-newer`. */
  static async open(options: SnapshotFileOptions): Promise<IdentityFile> {
    const { file, content } = await SnapshotFile.open(options)
    return new IdentityFile(file, content === undefined ? undefined : decode(content))
  }

  /** Use `open`. */
  private constructor(file: SnapshotFile, content: Content | undefined) {
    this.#file = file
    if (content === undefined) return
    const { pins, hasJoined, isRolledBack = false, ...identity } = content
    this.#hasJoined = hasJoined
    this.#isRolledBack = isRolledBack
    this.#identity = identity
    for (const [node, incarnation] of Object.entries(pins)) {
      this.#pins.set(node as NodeId, incarnation)
      this.#claims.set(node as NodeId, incarnation)
    }
  }

  /** Undefined until one was made. */
  get identity(): Identity | undefined {
    return this.#identity
  }

  /** Whether this node has been a member: if it is none any more, it was removed. */
  get hasJoined(): boolean {
    return this.#hasJoined || this.#identity?.roster !== undefined
  }

  /** Whether others have found this disk out to have forgotten what it promised: it must never speak again. */
  get isRolledBack(): boolean {
    return this.#isRolledBack
  }

  /** The incarnations that founders were first met with; durable. */
  get pins(): ReadonlyMap<NodeId, string> {
    return this.#pins
  }

  /** Gives a new data directory its identity. Rejects with `no-space` or `disk-failed`. */
  async make(identity: Identity): Promise<void> {
    this.#identity = identity
    if (await this.#save()) return
    throw new AetherError(
      'no-space',
      'the disk of the data directory is full',
      'make room on it and start the node again; nothing is lost',
    )
  }

  /**
   * Holds `node` to `incarnation`, unless it was met with another one before. True once that is durable, false when it is
   * held to another one or the disk has no room.
   */
  async pin(node: NodeId, incarnation: string): Promise<boolean> {
    const claimed = this.#claims.get(node) ?? incarnation
    this.#claims.set(node, claimed)
    if (!(await this.#save())) return false
    this.#pins.set(node, claimed)
    return claimed === incarnation
  }

  /** Remembers that this node is a member now; a crash may come before. Rejects with `disk-failed`. */
  async join(): Promise<void> {
    if (this.hasJoined) return
    this.#hasJoined = true
    await this.#save()
  }

  /**
   * Remembers that this disk has forgotten promises; the file goes only when the data directory is emptied. Without room for
   * it, the next start has to be told again. Rejects with `disk-failed`.
   */
  async condemn(): Promise<void> {
    this.#isRolledBack = true
    await this.#save()
  }

  #save(): Promise<boolean> {
    const saved = this.#lastSave.then(async () => {
      const content = {
        ...this.#identity,
        hasJoined: this.#hasJoined,
        isRolledBack: this.#isRolledBack,
        pins: Object.fromEntries(this.#claims),
      }
      return (await this.#file.save(utf8(JSON.stringify(content)))).ok
    })
    this.#lastSave = saved.catch(() => {})
    return saved
  }
}

type Content = Identity & {
  readonly hasJoined: boolean
  /** Absent in files of programs that did not know of it. */
  readonly isRolledBack?: boolean
  readonly pins: Readonly<Record<string, string>>
}

function decode(content: Uint8Array): Content {
  return JSON.parse(text(content)) as Content
}
