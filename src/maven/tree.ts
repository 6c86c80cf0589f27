import { text, utf8 } from '../base/bytes.ts'
import type { Version } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { PluginPrefix } from './metadata.ts'
import { type Refusal, storeRefusal } from './refusal.ts'
import { type ArtifactStore, sameVersion } from './store.ts'

/** Entries that are known to be written (none is ever removed, so knowing it stays true), and lists of plugins. */
const KNOWN_MAX = 20_000

/** Plugin prefixes of a group are kept beside its children; no file name contains a colon. */
const PLUGIN_PREFIX = 'plugin:'

/** Read at a time: the files of a version fit, and a directory of thousands is not read to find its first child. */
const PAGE_ENTRIES = 100

/** An entry says all with its key. */
const NOTHING = new Uint8Array()

/**
 * The directories above the artifacts, in the space `tree`: partition key `repository/directory`, one entry `name/` for each
 * directory below it. What is in an artifact's directory, or in another one that holds files, its records tell. Entries
 * are written before the first file below them and never removed, so no removal can race with an upload; whoever lists a
 * directory leaves out what leads nowhere.
 */
export class Tree {
  readonly #store: ArtifactStore
  #known = new Set<string>()
  /** Most directories have none, and that is asked for with every metadata file. */
  readonly #plugins = new Map<string, { version: Version; plugins: readonly PluginPrefix[] }>()

  constructor(store: ArtifactStore) {
    this.#store = store
  }

  /** Makes a directory findable from the root; durable when it resolves. Idempotent. */
  async add(repository: string, directory: string): Promise<Result<void, Refusal>> {
    const missing: Promise<Result<void, Refusal>>[] = []
    let parent = `${repository}/`
    for (const name of directory.split('/')) {
      const sortKey = `${name}/`
      if (name !== '' && !this.#known.has(parent + sortKey)) {
        missing.push(this.#addChild(parent, sortKey))
      }
      parent = parent.endsWith('/') ? parent + name : `${parent}/${name}`
    }
    for (const added of await Promise.all(missing)) if (!added.ok) return added
    return ok(undefined)
  }

  /** The names of the directories below a directory (`''` is the root), in the order of their bytes. */
  async directories(repository: string, directory: string): Promise<Result<string[], Refusal>> {
    const names: string[] = []
    const listed = await this.#each(`${repository}/${directory}`, '', (sortKey) => {
      if (sortKey.endsWith('/')) names.push(sortKey.slice(0, -1))
      return undefined
    })
    return listed.ok ? ok(names) : listed
  }

  /** Whether a directory has directories below it. */
  async hasDirectories(repository: string, directory: string): Promise<Result<boolean, Refusal>> {
    let isFound = false
    const listed = await this.#each(`${repository}/${directory}`, '', (sortKey) => {
      isFound = sortKey.endsWith('/')
      return isFound
    })
    return listed.ok ? ok(isFound) : listed
  }

  async plugins(
    repository: string,
    directory: string,
  ): Promise<Result<readonly PluginPrefix[], Refusal>> {
    const partitionKey = `${repository}/${directory}`
    const version = await this.#store.tree.version(partitionKey)
    if (!version.ok) return err(storeRefusal(version.error))
    const known = this.#plugins.get(partitionKey)
    if (known !== undefined && sameVersion(known.version, version.value)) return ok(known.plugins)
    const plugins: PluginPrefix[] = []
    const listed = await this.#each(partitionKey, PLUGIN_PREFIX, (_, value) => {
      plugins.push(JSON.parse(value) as PluginPrefix)
      return undefined
    })
    if (!listed.ok) return listed
    if (this.#plugins.size >= KNOWN_MAX) this.#plugins.clear()
    this.#plugins.set(partitionKey, { version: version.value, plugins })
    return ok(plugins)
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

  async #addChild(partitionKey: string, sortKey: string): Promise<Result<void, Refusal>> {
    const found = await this.#store.tree.get(partitionKey, sortKey)
    if (!found.ok) return err(storeRefusal(found.error))
    if (found.value === undefined) {
      const added = await this.#put(partitionKey, sortKey, NOTHING)
      if (!added.ok) return added
    }
    if (this.#known.size >= KNOWN_MAX) this.#known = new Set()
    this.#known.add(partitionKey + sortKey)
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

  /** Visits entries in order until `visit` returns true. */
  async #each(
    partitionKey: string,
    prefix: string,
    visit: (sortKey: string, value: string) => boolean | undefined,
  ): Promise<Result<void, Refusal>> {
    let after: string | undefined
    do {
      const options = { limit: PAGE_ENTRIES, ...(after === undefined ? {} : { after }) }
      const page = await this.#store.tree.scan(partitionKey, prefix, options)
      if (!page.ok) return err(storeRefusal(page.error))
      for (const { sortKey, value } of page.value.entries) {
        if (visit(sortKey, text(value))) return ok(undefined)
      }
      after = page.value.next
    } while (after !== undefined)
    return ok(undefined)
  }
}
