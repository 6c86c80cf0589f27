import type { ChecksumAlgorithm } from './checksum.ts'
import type { Coordinates } from './coordinates.ts'

/** What a file's path (checked, decoded, relative to its repository) means in Maven's default layout. */
export function parseLayout(path: string): LayoutPath {
  return { kind: 'other', path, home: path }
}

/** The partition key that holds the file: `repository/group/artifactId`, or `repository/directory` outside the layout. */
export function partitionKeyOf(repository: string, path: string): string {
  return `${repository}/${parseLayout(path).home}`
}

export type LayoutPath = ArtifactPath | MetadataPath | ChecksumPath | OtherPath

/** How a file of a `-SNAPSHOT` directory is named: with `SNAPSHOT` itself, or with the build in its place. */
export type SnapshotName =
  | { readonly kind: 'literal' }
  | {
      readonly kind: 'timestamped'
      /** `yyyyMMdd.HHmmss`, UTC. */
      readonly timestamp: string
      readonly buildNumber: number
    }

type Located = {
  readonly path: string
  /** The directory that gives the partition key: the artifact's for everything below it, else the file's own. */
  readonly home: string
}

export type ArtifactPath = Located & {
  readonly kind: 'artifact'
  readonly coordinates: Coordinates
  /** The version directory: `group/artifactId/baseVersion`. */
  readonly directory: string
  readonly baseVersion: string
  /** The version in the file's name. */
  readonly fileVersion: string
  /** Undefined for a release. */
  readonly snapshot: SnapshotName | undefined
  /** For a signature, the path of the file it signs. */
  readonly signatureOf: string | undefined
}

/** `maven-metadata.xml` of a `-SNAPSHOT` directory, or of a directory that may be a group, an artifact or both. */
export type MetadataPath = Located & {
  readonly kind: 'metadata'
  readonly directory: string
  readonly level:
    | {
        readonly kind: 'version'
        readonly groupId: string
        readonly artifactId: string
        readonly baseVersion: string
      }
    | {
        readonly kind: 'group-or-artifact'
        /** The directory read as a group. */
        readonly groupId: string
        /** The directory read as an artifact; undefined when it has one segment only. */
        readonly artifact: { readonly groupId: string; readonly artifactId: string } | undefined
      }
}

export type ChecksumPath = Located & {
  readonly kind: 'checksum'
  readonly algorithm: ChecksumAlgorithm
  readonly target: Exclude<LayoutPath, ChecksumPath>
}

/** Stored and served by path; nothing is derived from it. */
export type OtherPath = Located & { readonly kind: 'other' }
