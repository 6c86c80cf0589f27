import { Builder } from 'xml2js'
import { utf8 } from '../base/bytes.ts'
import type { Metadata } from './metadata.ts'

/** The bytes of a `maven-metadata.xml`. Equal metadata give equal bytes. */
export function renderMetadata(metadata: Metadata): Uint8Array {
  const { groupId, artifactId, version, plugins } = metadata
  const root = present({
    // The version of the model that brought `snapshotVersions`; Maven writes it for them only.
    $: metadata.snapshotVersions.length > 0 ? { modelVersion: '1.1.0' } : undefined,
    groupId,
    artifactId,
    version,
    versioning: versioningOf(metadata),
    plugins: plugins.length > 0 ? { plugin: plugins.map(pluginOf) } : undefined,
  })
  return utf8(`${builder.buildObject({ metadata: root })}\n`)
}

const builder = new Builder({
  xmldec: { version: '1.0', encoding: 'UTF-8' },
  renderOpts: { pretty: true, indent: '  ', newline: '\n' },
})

function versioningOf(metadata: Metadata): object | undefined {
  const { latest, release, lastUpdated, versions, snapshot, snapshotVersions } = metadata
  const versioning = present({
    latest,
    release,
    snapshot: snapshot && { timestamp: snapshot.timestamp, buildNumber: snapshot.buildNumber },
    versions: versions.length > 0 ? { version: versions } : undefined,
    lastUpdated,
    snapshotVersions:
      snapshotVersions.length > 0
        ? {
            snapshotVersion: snapshotVersions.map(({ classifier, extension, value, updated }) =>
              present({ classifier, extension, value, updated: updated || undefined }),
            ),
          }
        : undefined,
  })
  return Object.keys(versioning).length > 0 ? versioning : undefined
}

function pluginOf({ name, prefix, artifactId }: Metadata['plugins'][number]): object {
  return present({ name, prefix, artifactId })
}

/** Without what is undefined; the order of the keys is the order of the elements. */
function present(fields: { readonly [name: string]: unknown }): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
