import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { compare as compareSemver, valid as validSemver } from 'semver'
import { AetherError } from '../base/fault.ts'
import {
  type LifecycleInput,
  type Slice,
  type SliceContext,
  type SliceState,
  step,
  workOf,
} from '../slice/index.ts'
import { loadSlice, readSliceJar, type SliceJar } from '../slice/jar.disk.ts'

export type SliceHostParts = {
  /** Where the jars that came with this distribution are. */
  readonly bundled: string
  /** Where modules are written before they are imported. */
  readonly modules: string
  readonly logger: Logger
  /** The slice's context, apart from what the jar itself tells. */
  readonly contextOf: (identity: SliceContext['identity']) => SliceContext
}

/** One slice on this node, from its jar to its end. */
export class HostedSlice {
  readonly #parts: SliceHostParts
  readonly #jar: SliceJar
  readonly name: string
  #state: SliceState = 'LOAD'
  #slice: Slice | undefined

  private constructor(parts: SliceHostParts, name: string, jar: SliceJar) {
    this.#parts = parts
    this.#jar = jar
    this.name = name
  }

  /** Finds the newest bundled jar `<name>-<version>.jar`. Rejects with `slice-refused` when there is none to run. */
  static async find(parts: SliceHostParts, name: string): Promise<HostedSlice> {
    const file = await newestJar(parts.bundled, name)
    const jar = await readSliceJar(join(parts.bundled, file))
    if (!jar.ok) {
      throw new AetherError('slice-refused', `${file}: ${jar.error.detail}`, 'Run `npm run build`.')
    }
    return new HostedSlice(parts, name, jar.value)
  }

  get state(): SliceState {
    return this.#state
  }

  /** Loads and activates; resolves in ACTIVE or rejects in FAILED. */
  async start(): Promise<void> {
    const { manifest, digest } = this.#jar
    const artifact = `${manifest.groupId}:${manifest.artifactId}:${manifest.version}`
    await this.#perform(async () => {
      this.#slice = await loadSlice(this.#jar, this.#parts.modules)
    })
    this.#enter('activate')
    await this.#perform(() =>
      (this.#slice as Slice).start(this.#parts.contextOf({ name: this.name, artifact, digest })),
    )
    this.#parts.logger.info({ slice: this.name, artifact, digest }, 'slice active')
  }

  /** Deactivates; resolves when nothing of it runs. */
  async stop(): Promise<void> {
    if (this.#state !== 'ACTIVE') return
    this.#enter('deactivate')
    await this.#perform(() => (this.#slice as Slice).stop())
  }

  /** Begins the commanded work, bounded in time, and enters the state that its outcome leads to. */
  async #perform(work: () => Promise<void>): Promise<void> {
    this.#enter('begin')
    const limitMs = workOf(this.#state)?.limitMs ?? 0
    try {
      await within(limitMs, work(), `${this.name} ${this.#state}`)
    } catch (cause) {
      this.#enter('failed')
      throw cause
    }
    this.#enter('done')
  }

  #enter(input: LifecycleInput): void {
    const next = step(this.#state, input)
    if (next === undefined) throw new Error(`${this.name} cannot ${input} in ${this.#state}`)
    this.#state = next
    this.#parts.logger.debug({ slice: this.name, state: next }, 'slice state')
  }
}

async function newestJar(directory: string, name: string): Promise<string> {
  const found = (await readdir(directory).catch(() => []))
    .map((file) => ({ file, version: versionIn(file, name) }))
    .filter((jar): jar is { file: string; version: string } => jar.version !== undefined)
    .sort((a, b) => compareSemver(b.version, a.version))
  const [newest] = found
  if (newest !== undefined) return newest.file
  throw new AetherError(
    'slice-refused',
    `${directory} has no ${name}-<version>.jar`,
    'Run `npm run build`, or start with `npm start`, which does.',
  )
}

function versionIn(file: string, name: string): string | undefined {
  if (!file.startsWith(`${name}-`) || !file.endsWith('.jar')) return undefined
  return validSemver(file.slice(name.length + 1, -'.jar'.length)) ?? undefined
}

function within<T>(limitMs: number, work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${limitMs} ms`)), limitMs)
  })
  return Promise.race([work, limit]).finally(() => clearTimeout(timer))
}
