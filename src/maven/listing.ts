import { ok, type Result } from '../base/result.ts'
import { parseLayout } from './layout.ts'
import { encodePath } from './path.ts'
import { isQuarantined } from './record.ts'
import type { Refusal } from './refusal.ts'
import { storeRefusal } from './refusal.ts'
import { type HostedRepository, membersOf, type Repository } from './repository.ts'
import type { ArtifactStore } from './store.ts'
import type { Child, Tree } from './tree.ts'

/**
 * The readable children of a directory over all members, directories first; undefined when the directory is empty or
 * unknown. Children that lead to no readable file are left out.
 */
export async function listDirectory(
  parts: { readonly store: ArtifactStore; readonly tree: Tree },
  repository: Repository,
  directory: string,
): Promise<Result<readonly Child[] | undefined, Refusal>> {
  const shown = new Map<string, Child>()
  for (const member of membersOf(repository)) {
    const children = await parts.tree.children(member.name, directory)
    if (!children.ok) return children
    for (const child of children.value) {
      const key = child.isDirectory ? `${child.name}/` : child.name
      if (shown.has(key)) continue
      const path = directory === '' ? child.name : `${directory}/${child.name}`
      const leads = await leadsSomewhere(parts, member, path, child.isDirectory)
      if (!leads.ok) return leads
      if (leads.value) shown.set(key, child)
    }
  }
  if (shown.size === 0) return ok(undefined)
  return ok([...shown.values()].sort((a, b) => Number(b.isDirectory) - Number(a.isDirectory)))
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

async function leadsSomewhere(
  { store, tree }: { readonly store: ArtifactStore; readonly tree: Tree },
  member: HostedRepository,
  path: string,
  isDirectory: boolean,
): Promise<Result<boolean, Refusal>> {
  if (!isDirectory) {
    const place = { partitionKey: `${member.name}/${parseLayout(path).home}`, path }
    const file = await store.file(place)
    if (!file.ok) return file
    return ok(file.value !== undefined && !isQuarantined(file.value.record))
  }
  // A version's files are kept with the artifact above it, an artifact's or other files with their own directory.
  const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
  for (const home of [parent, path]) {
    const page = await store.artifacts.scan(`${member.name}/${home}`, `${path}/`, { limit: 1 })
    if (!page.ok) return { ok: false, error: storeRefusal(page.error) }
    if (page.value.entries.length > 0) return ok(true)
  }
  const below = await tree.children(member.name, path)
  return below.ok ? ok(below.value.some((child) => child.isDirectory)) : below
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
