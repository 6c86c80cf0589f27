import { err, ok, type Result } from '../base/result.ts'
import { encodePath } from './path.ts'
import { isQuarantined } from './record.ts'
import { type Refusal, storeRefusal } from './refusal.ts'
import { type HostedRepository, membersOf, type Repository } from './repository.ts'
import type { ArtifactStore } from './store.ts'
import type { Tree } from './tree.ts'

export type Child = { readonly name: string; readonly isDirectory: boolean }

type ListingParts = { readonly store: ArtifactStore; readonly tree: Tree }

/**
 * The readable children of a directory over all members, directories first; undefined when the directory is empty or
 * unknown. Children that lead to no readable file are left out.
 */
export async function listDirectory(
  parts: ListingParts,
  repository: Repository,
  directory: string,
): Promise<Result<readonly Child[] | undefined, Refusal>> {
  const files = new Set<string>()
  const directories = new Set<string>()
  for (const member of membersOf(repository)) {
    // A version's files are kept with the artifact above it, all others with their own directory.
    for (const home of new Set([directory, parentOf(directory)])) {
      const stored = await storedBelow(parts.store, member, home, directory)
      if (!stored.ok) return stored
      for (const path of stored.value) {
        const slash = path.indexOf('/')
        if (slash < 0) files.add(path)
        else directories.add(path.slice(0, slash))
      }
    }
    const below = await parts.tree.directories(member.name, directory)
    if (!below.ok) return below
    for (const name of below.value) {
      if (directories.has(name)) continue
      const leads = await leadsSomewhere(parts, member, under(directory, name))
      if (!leads.ok) return leads
      if (leads.value) directories.add(name)
    }
  }
  if (files.size + directories.size === 0) return ok(undefined)
  return ok([
    ...[...directories].sort().map((name) => ({ name, isDirectory: true })),
    ...[...files].sort().map((name) => ({ name, isDirectory: false })),
  ])
}

/** The page: relative links and no script, since names come from whoever deploys. */
export function renderListing(repository: string, directory: string, children: readonly Child[]) {
  const title = escapeHtml(`/${[repository, directory].filter(Boolean).join('/')}/`)
  const links = children.map((child) => {
    const suffix = child.isDirectory ? '/' : ''
    const href = escapeHtml(encodePath(child.name))
    return `<li><a href="${href}${suffix}">${escapeHtml(child.name)}${suffix}</a></li>`
  })
  const parent = directory === '' ? [] : ['<li><a href="../">../</a></li>']
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>`,
    `<body><h1>${title}</h1><ul>`,
    ...parent,
    ...links,
    '</ul></body></html>',
    '',
  ].join('\n')
}

/** The readable files below `directory` that are kept with `home`, relative to the directory. */
async function storedBelow(
  store: ArtifactStore,
  member: HostedRepository,
  home: string,
  directory: string,
): Promise<Result<readonly string[], Refusal>> {
  const prefix = directory === '' ? '' : `${directory}/`
  const scanned = await store.scan(`${member.name}/${home}`, prefix)
  if (!scanned.ok) return scanned
  const paths: string[] = []
  for (const entry of scanned.value.entries) {
    // Only keys without a colon are files.
    if (entry.sortKey.includes(':') || isQuarantined(store.decode(entry).record)) continue
    paths.push(entry.sortKey.slice(prefix.length))
  }
  return ok(paths)
}

async function leadsSomewhere(
  { store, tree }: ListingParts,
  member: HostedRepository,
  path: string,
): Promise<Result<boolean, Refusal>> {
  const page = await store.artifacts.scan(`${member.name}/${path}`, `${path}/`, { limit: 1 })
  if (!page.ok) return err(storeRefusal(page.error))
  if (page.value.entries.length > 0) return ok(true)
  return tree.hasDirectories(member.name, path)
}

function parentOf(directory: string): string {
  return directory.slice(0, Math.max(0, directory.lastIndexOf('/')))
}

function under(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}
