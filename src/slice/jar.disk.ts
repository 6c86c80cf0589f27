import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { crc32 } from 'node:zlib'
import { type Entry, fromBufferPromise, type ZipFile } from 'yauzl'
import { AetherError } from '../base/fault.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { Slice } from './definition.ts'
import { MANIFEST_PATH, parseManifest, type SliceManifest } from './manifest.ts'

/** A slice jar as it was found: what its manifest says, the digest of the whole file, and its module's source. */
export type SliceJar = {
  readonly manifest: SliceManifest
  readonly digest: string
  readonly module: Uint8Array
}

export type JarRefusal = { readonly kind: 'not-a-slice' | 'malformed'; readonly detail: string }

/** A manifest is a few lines; a bundled service is some hundred kilobytes. Larger entries are bombs, not slices. */
const MANIFEST_BYTES_MAX = 64 * 1_024
const MODULE_BYTES_MAX = 16 * 1_024 * 1_024
const ENTRIES_MAX = 10_000

/** Reads the jar at `path`. Entries are read into memory; nothing of it is ever written under a name from inside. */
export async function readSliceJar(path: string): Promise<Result<SliceJar, JarRefusal>> {
  const bytes = await readFile(path)
  try {
    const zip = await fromBufferPromise(bytes)
    const entries = await entriesOf(zip)
    const manifestText = await readEntry(zip, entries.get(MANIFEST_PATH), MANIFEST_BYTES_MAX)
    const manifest = parseManifest(manifestText.toString('utf8'))
    if (!manifest.ok) return manifest
    const { main } = manifest.value
    const module = await readEntry(zip, entries.get(main), MODULE_BYTES_MAX)
    if (module.length === 0) {
      return err({ kind: 'malformed', detail: `Slice-Main names ${main}, which the jar lacks` })
    }
    const digest = createHash('sha256').update(bytes).digest('hex')
    return ok({ manifest: manifest.value, digest, module })
  } catch (cause) {
    return err({ kind: 'malformed', detail: `${path}: ${(cause as Error).message}` })
  }
}

/**
 * Imports the jar's module and returns what it exports as `slice`; rejects with `slice-refused` when that is not a slice.
 * The module is written to `<directory>/<digest>/main.mjs` first: the name depends on the content, so two versions never
 * share a module, a half-written file is never imported, and stack traces name a file that exists.
 */
export async function loadSlice(jar: SliceJar, directory: string): Promise<Slice> {
  const home = join(directory, jar.digest)
  await mkdir(home, { recursive: true })
  const file = join(home, 'main.mjs')
  await writeFile(`${file}.part`, jar.module)
  await rename(`${file}.part`, file)
  const loaded = await importModule(file, jar.manifest)
  if (!exportsSlice(loaded)) {
    throw new AetherError(
      'slice-refused',
      `${jar.manifest.main} exports no 'slice' with methods, start and stop`,
      'Build the jar again with `npm run build` and look at what its Slice-Main exports.',
    )
  }
  return loaded.slice
}

/** A module that cannot be read or fails on its way is the jar's fault, so the refusal names the jar. */
async function importModule(file: string, manifest: SliceManifest): Promise<unknown> {
  try {
    return await import(pathToFileURL(file).href)
  } catch (cause) {
    const { groupId, artifactId, version, main } = manifest
    throw new AetherError(
      'slice-refused',
      `${main} of ${groupId}:${artifactId}:${version} cannot be loaded: ${(cause as Error).message}`,
      'Build the jar again with `npm run build`.',
      cause,
    )
  }
}

function exportsSlice(module: unknown): module is { readonly slice: Slice } {
  const slice = (module as { slice?: Partial<Slice> }).slice
  return (
    typeof slice?.start === 'function' &&
    typeof slice.stop === 'function' &&
    typeof slice.methods === 'object'
  )
}

async function entriesOf(zip: ZipFile): Promise<Map<string, Entry>> {
  if (zip.entryCount > ENTRIES_MAX) throw new Error(`more than ${ENTRIES_MAX} entries`)
  const entries = new Map<string, Entry>()
  for await (const entry of zip.eachEntry()) {
    if (entries.has(entry.fileName)) throw new Error(`two entries named ${entry.fileName}`)
    entries.set(entry.fileName, entry)
  }
  return entries
}

async function readEntry(zip: ZipFile, entry: Entry | undefined, limit: number): Promise<Buffer> {
  if (entry === undefined) return Buffer.alloc(0)
  if (entry.uncompressedSize > limit) throw new Error(`${entry.fileName} is over ${limit} bytes`)
  const parts: Buffer[] = []
  for await (const part of await zip.openReadStreamPromise(entry)) parts.push(part as Buffer)
  const content = Buffer.concat(parts)
  // yauzl leaves this to its callers.
  if (crc32(content) !== entry.crc32) throw new Error(`${entry.fileName} is damaged`)
  return content
}
