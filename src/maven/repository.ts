import { err, ok, type Result } from '../base/result.ts'
import type { LayoutPath } from './layout.ts'
import { type Refusal, refusal } from './refusal.ts'
import { isSnapshot } from './version.ts'

/** A repository takes artifacts itself, or shows those of several others as one. */
export type Repository = HostedRepository | GroupRepository

export type HostedRepository = {
  readonly type: 'hosted'
  readonly name: string
  readonly versions: 'release' | 'snapshot' | 'any'
  /** Only an administrator may deploy. */
  readonly adminOnly: boolean
}

export type GroupRepository = {
  readonly type: 'group'
  readonly name: string
  /** Asked in this order. */
  readonly members: readonly HostedRepository[]
}

/** The slice's configuration, as the node has validated it. */
export type RepositorySettings = Readonly<
  Record<
    string,
    | {
        readonly type: 'hosted'
        readonly versions: HostedRepository['versions']
        readonly adminOnly: boolean
      }
    | { readonly type: 'group'; readonly members: readonly string[] }
  >
>

/** All repositories by name. */
export class Repositories {
  readonly #byName: ReadonlyMap<string, Repository>

  constructor(settings: RepositorySettings) {
    const hosted = new Map<string, HostedRepository>()
    for (const [name, given] of Object.entries(settings)) {
      if (given.type === 'hosted') hosted.set(name, { name, ...given })
    }
    const all = new Map<string, Repository>(hosted)
    for (const [name, given] of Object.entries(settings)) {
      if (given.type !== 'group') continue
      const members = given.members.flatMap((member) => hosted.get(member) ?? [])
      all.set(name, { type: 'group', name, members })
    }
    this.#byName = all
  }

  names(): string[] {
    return [...this.#byName.keys()]
  }

  find(name: string): Result<Repository, Refusal> {
    const repository = this.#byName.get(name)
    if (repository !== undefined) return ok(repository)
    return err(
      refusal(
        'not-found',
        `There is no repository '${name}'. There are ${this.names().join(', ')}.`,
      ),
    )
  }

  /** The repository if artifacts can be deployed to it. */
  findHosted(name: string): Result<HostedRepository, Refusal> {
    const found = this.find(name)
    if (!found.ok) return found
    const repository = found.value
    if (repository.type === 'hosted') return ok(repository)
    const members = repository.members.map((member) => member.name).join(' or ')
    return err(refusal('read-only', `'${name}' is a group: deploy to ${members}.`))
  }
}

/** The hosted repositories behind a repository, in the order in which they are asked. */
export function membersOf(repository: Repository): readonly HostedRepository[] {
  return repository.type === 'hosted' ? [repository] : repository.members
}

/** Whether the repository's policy lets this path be deployed. */
export function checkVersionPolicy(
  repository: HostedRepository,
  layout: LayoutPath,
): Result<void, Refusal> {
  if (repository.versions === 'any') return ok(undefined)
  const version = versionOf(layout)
  if (version === undefined) return ok(undefined)
  if (isSnapshot(version) === (repository.versions === 'snapshot')) return ok(undefined)
  const wanted = repository.versions === 'snapshot' ? 'SNAPSHOT versions' : 'release versions'
  return err(
    refusal('policy', `'${repository.name}' takes ${wanted} only, and ${version} is not one.`),
  )
}

function versionOf(layout: LayoutPath): string | undefined {
  switch (layout.kind) {
    case 'artifact':
      return layout.baseVersion
    case 'checksum':
      return versionOf(layout.target)
    case 'metadata':
      return layout.level.kind === 'version' ? layout.level.baseVersion : undefined
    case 'other':
      return undefined
  }
}
