import { text, utf8 } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { PluginPrefix } from './metadata.ts'
import { type Refusal, storeRefusal } from './refusal.ts'
import type { ArtifactStore } from './store.ts'

export type Child = { readonly name: string; readonly isDirectory: boolean }

/** Entries that are known to be written: none is ever removed, so knowing it stays true. */
const KNOWN_MAX = 20_000

/** Plugin prefixes of a group are kept beside its children; no file name contains a colon. */
const PLUGIN_PREFIX = 'plugin:'

/** An entry says all with its key. */
const NOTHING = new Uint8Array()

/**
 * The directories, in the space `tree`: partition key `repository/directory`, one entry for each child: `name`, or `name/` for
 * a directory. Entries are written before the file that they lead to and never removed, so no removal can race with an
 * upload; whoever lists a directory leaves out what leads nowhere.
 */
export class Tree {
  readonly #store: ArtifactStore
  #known = new Set<string>()

  constructor(store: ArtifactStore) {
    this.#store = store
  }

  /** Makes `path` and all its directories findable; durable when it resolves. Idempotent. */
  async add(repository: string, path: string): Promise<Result<void, Refusal>> {
    const segments = path.split('/')
    const missing: Promise<Result<void, Refusal>>[] = []
    for (let depth = 0; depth < segments.length; depth++) {
      const directory = `${repository}/${segments.slice(0, depth).join('/')}`
      const isDirectory = depth < segments.length - 1
      const sortKey = isDirectory ? `${segments[depth]}/` : (segments[depth] as string)
      if (this.#known.has(`${directory}:${sortKey}`)) continue
      missing.push(this.#addChild(directory, sortKey))
    }
    for (const added of await Promise.all(missing)) if (!added.ok) return added
    return ok(undefined)
  }

  /** The children of a directory (`''` is the root) in the order of their bytes. */
  async children(repository: string, directory: string): Promise<Result<Child[], Refusal>> {
    const children: Child[] = []
    const listed = await this.#each(`${repository}/${directory}`, '', (sortKey) => {
      if (sortKey.startsWith(PLUGIN_PREFIX)) return
      const isDirectory = sortKey.endsWith('/')
      children.push({ name: isDirectory ? sortKey.slice(0, -1) : sortKey, isDirectory })
    })
    return listed.ok ? ok(children) : listed
  }

  async plugins(repository: string, directory: string): Promise<Result<PluginPrefix[], Refusal>> {
    const plugins: PluginPrefix[] = []
    const listed = await this.#each(`${repository}/${directory}`, PLUGIN_PREFIX, (_, value) => {
      plugins.push(JSON.parse(value) as PluginPrefix)
    })
    return listed.ok ? ok(plugins) : listed
  }

  async addPlugin(
    repository: string,
    directory: string,
    plugin: PluginPrefix,
  ): Promise<Result<void, Refusal>> {
    const partitionKey = `${repository}/${directory}`
    const sortKey = PLUGIN_PREFIX + plugin.artifactId
    const value = JSON.stringify(plugin)
    const found = await this.#store.tree.get(partitionKey, sortKey)
    if (!found.ok) return err(storeRefusal(found.error))
    if (found.value !== undefined && text(found.value.value) === value) return ok(undefined)
    return this.#put(partitionKey, sortKey, utf8(value))
  }

  /** A directory's entry mostly exists, a new file's never does: only the former is worth a look. */
  async #addChild(partitionKey: string, sortKey: string): Promise<Result<void, Refusal>> {
    const isDirectory = sortKey.endsWith('/')
    const found = isDirectory ? await this.#store.tree.get(partitionKey, sortKey) : ok(undefined)
    if (!found.ok) return err(storeRefusal(found.error))
    if (found.value === undefined) {
      const added = await this.#put(partitionKey, sortKey, NOTHING)
      if (!added.ok) return added
    }
    if (!isDirectory) return ok(undefined)
    if (this.#known.size >= KNOWN_MAX) this.#known = new Set()
    this.#known.add(`${partitionKey}:${sortKey}`)
    return ok(undefined)
  }

  async #put(
    partitionKey: string,
    sortKey: string,
    value: Uint8Array,
  ): Promise<Result<void, Refusal>> {
    const operation = { kind: 'put', sortKey, value } as const
    const written = await this.#store.write(this.#store.tree, partitionKey, [operation])
    return written.ok ? ok(undefined) : err(storeRefusal(written.error))
  }

  async #each(
    partitionKey: string,
    prefix: string,
    visit: (sortKey: string, value: string) => void,
  ): Promise<Result<void, Refusal>> {
    let after: string | undefined
    do {
      const options = after === undefined ? {} : { after }
      const page = await this.#store.tree.scan(partitionKey, prefix, options)
      if (!page.ok) return err(storeRefusal(page.error))
      for (const { sortKey, value } of page.value.entries) visit(sortKey, text(value))
      after = page.value.next
    } while (after !== undefined)
    return ok(undefined)
  }
}
