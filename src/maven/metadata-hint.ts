import { ok, type Result } from '../base/result.ts'
import type { Metadata, PluginPrefix, SnapshotBuild, SnapshotVersion } from './metadata.ts'
import { childrenOf, parseXml, textOf, textsOf, type XmlElement, type XmlRefusal } from './xml.ts'

/** Reads a `maven-metadata.xml` from outside: a client's upload, or another repository's. */
export function parseMetadataHint(bytes: Uint8Array): Result<MetadataHint, XmlRefusal> {
  const document = parseXml(bytes, { root: 'metadata', bytesMax: METADATA_BYTES_MAX })
  if (!document.ok) return document
  const metadata = document.value
  const [versioning = ''] = childrenOf(metadata, 'versioning')
  const [versions = ''] = childrenOf(versioning, 'versions')
  return ok({
    ...pick(metadata, ['groupId', 'artifactId', 'version']),
    ...pick(versioning, ['latest', 'release', 'lastUpdated']),
    versions: textsOf(versions, 'version'),
    ...parseSnapshot(versioning),
    snapshotVersions: itemsOf(versioning, 'snapshotVersions', 'snapshotVersion').flatMap(
      parseSnapshotVersion,
    ),
    plugins: itemsOf(metadata, 'plugins', 'plugin').flatMap(parsePlugin),
  })
}

/** What the file claims, unchecked but for its form. A client's claims are true only where the records say so. */
export type MetadataHint = Metadata

/** Metadata with 10,000 versions are a third of this. */
export const METADATA_BYTES_MAX = 1_024 * 1_024

function pick<Name extends string>(
  element: XmlElement,
  names: readonly Name[],
): { readonly [name in Name]?: string } {
  const picked: { [name in Name]?: string } = {}
  for (const name of names) {
    const text = textOf(element, name)
    if (text !== undefined) picked[name] = text
  }
  return picked
}

function itemsOf(element: XmlElement, list: string, item: string): readonly XmlElement[] {
  const [items = ''] = childrenOf(element, list)
  return childrenOf(items, item)
}

/** A build without timestamp is a local repository's; it says nothing here. */
function parseSnapshot(versioning: XmlElement): { readonly snapshot?: SnapshotBuild } {
  const [snapshot = ''] = childrenOf(versioning, 'snapshot')
  const timestamp = textOf(snapshot, 'timestamp')
  const buildNumber = textOf(snapshot, 'buildNumber') ?? '0'
  if (timestamp === undefined || !/^[0-9]{1,15}$/.test(buildNumber)) return {}
  return { snapshot: { timestamp, buildNumber: Number(buildNumber) } }
}

/** An entry without extension is the jar's. */
function parseSnapshotVersion(element: XmlElement): SnapshotVersion[] {
  const {
    extension = 'jar',
    value,
    updated = '',
  } = pick(element, ['extension', 'value', 'updated'])
  if (value === undefined) return []
  return [{ ...pick(element, ['classifier']), extension, value, updated }]
}

function parsePlugin(element: XmlElement): PluginPrefix[] {
  const { prefix, artifactId } = pick(element, ['prefix', 'artifactId'])
  if (prefix === undefined || artifactId === undefined) return []
  return [{ ...pick(element, ['name']), prefix, artifactId }]
}
