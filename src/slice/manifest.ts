import { err, ok, type Result } from '../base/result.ts'

/** Where the manifest is inside a jar (JAR File Specification). */
export const MANIFEST_PATH = 'META-INF/MANIFEST.MF'

/** What a jar says of itself when it is a slice. */
export type SliceManifest = {
  readonly groupId: string
  readonly artifactId: string
  readonly version: string
  /** The path of the module inside the jar. */
  readonly main: string
  readonly isolation: 'inline' | 'process'
}

export type ManifestRefusal = {
  readonly kind: 'not-a-slice' | 'malformed'
  readonly detail: string
}

/**
 * Reads the main section of a jar's manifest: `Slice-Artifact: g:a:v` and `Slice-Main: path/in/jar.mjs` make a slice,
 * `Slice-Isolation` is `process` unless it says `inline`. A jar without them is an ordinary artifact.
 */
export function parseManifest(text: string): Result<SliceManifest, ManifestRefusal> {
  const attributes = mainAttributes(text)
  const artifact = attributes.get('slice-artifact')
  const main = attributes.get('slice-main')
  if (artifact === undefined && main === undefined) {
    return err({
      kind: 'not-a-slice',
      detail: 'the manifest has no Slice-Artifact and no Slice-Main',
    })
  }
  const [groupId, artifactId, version, ...rest] = (artifact ?? '').split(':')
  if (!groupId || !artifactId || !version || rest.length > 0) {
    return malformed(`Slice-Artifact is '${artifact ?? ''}', not 'groupId:artifactId:version'`)
  }
  if (main === undefined || !/^[\w-]+(?:\/[\w-]+)*\.mjs$/.test(main)) {
    return malformed(`Slice-Main is '${main ?? ''}', not a path like 'name.mjs' inside the jar`)
  }
  const isolation = attributes.get('slice-isolation') ?? 'process'
  if (isolation !== 'inline' && isolation !== 'process') {
    return malformed(`Slice-Isolation is '${isolation}', not 'inline' or 'process'`)
  }
  return ok({ groupId, artifactId, version, main, isolation })
}

/** The manifest of a slice jar, with the 72-byte line rule of the JAR specification kept. */
export function formatManifest(manifest: SliceManifest): string {
  const { groupId, artifactId, version, main, isolation } = manifest
  const lines = [
    'Manifest-Version: 1.0',
    `Slice-Artifact: ${groupId}:${artifactId}:${version}`,
    `Slice-Main: ${main}`,
    `Slice-Isolation: ${isolation}`,
  ]
  return `${lines.map(foldLine).join('\r\n')}\r\n\r\n`
}

const LINE_BYTES_MAX = 70

function foldLine(line: string): string {
  const parts = [line.slice(0, LINE_BYTES_MAX)]
  for (let at = LINE_BYTES_MAX; at < line.length; at += LINE_BYTES_MAX - 1) {
    parts.push(` ${line.slice(at, at + LINE_BYTES_MAX - 1)}`)
  }
  return parts.join('\r\n')
}

/** Names are case-insensitive; a line that begins with a space continues the one before; a blank line ends the section. */
function mainAttributes(text: string): Map<string, string> {
  const unfolded = text.replace(/\r\n?/g, '\n').replace(/\n /g, '')
  const attributes = new Map<string, string>()
  for (const line of unfolded.split('\n')) {
    if (line === '') break
    const colon = line.indexOf(': ')
    if (colon > 0) attributes.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 2).trim())
  }
  return attributes
}

function malformed(detail: string): Result<never, ManifestRefusal> {
  return err({ kind: 'malformed', detail })
}
