import type { SnapshotName } from './layout.ts'

/** The content of a `maven-metadata.xml`. Absent and empty are the same. */
export type Metadata = {
  readonly groupId?: string
  readonly artifactId?: string
  /** Of a `-SNAPSHOT` directory. */
  readonly version?: string
  readonly latest?: string
  readonly release?: string
  readonly versions: readonly string[]
  readonly snapshot?: SnapshotBuild
  readonly snapshotVersions: readonly SnapshotVersion[]
  /** `yyyyMMddHHmmss`, UTC. */
  readonly lastUpdated?: string
  readonly plugins: readonly PluginPrefix[]
}

export type SnapshotBuild = {
  /** `yyyyMMdd.HHmmss`, UTC. */
  readonly timestamp: string
  readonly buildNumber: number
}

export type SnapshotVersion = {
  readonly classifier?: string
  readonly extension: string
  /** The version in the file's name. */
  readonly value: string
  /** `yyyyMMddHHmmss`, UTC. */
  readonly updated: string
}

export type PluginPrefix = {
  readonly name?: string
  readonly prefix: string
  readonly artifactId: string
}

/** What the derivation needs to know of one stored file of an artifact's directory. Checksum files are no facts. */
export type FileFact = {
  /** Relative to the repository. */
  readonly path: string
  readonly baseVersion: string
  readonly fileVersion: string
  readonly classifier?: string | undefined
  readonly extension: string
  readonly snapshot?: SnapshotName | undefined
  /** When the file's record was written. */
  readonly timeMs: number
  /** Of a `.pom` that could be read. */
  readonly packaging?: string | undefined
  /** Quarantined files count for nothing. */
  readonly quarantined: boolean
  /** Uploaded under its literal `-SNAPSHOT` name, and given its timestamp and build number by the server. */
  readonly literal?: boolean | undefined
}

/** A version that a client's artifact-level metadata named, and when. */
export type VersionMark = { readonly version: string; readonly timeMs: number }

export type SnapshotFile = {
  readonly baseVersion: string
  readonly classifier?: string | undefined
  readonly extension: string
}

/** The versions that metadata shows, ascending: complete ones, and marked ones that have files. */
export function listedVersions(
  _facts: readonly FileFact[],
  _marks: readonly VersionMark[],
): readonly string[] {
  return []
}

/** Metadata of `group/artifactId`; undefined when no version is listed. */
export function artifactMetadata(
  _artifact: { readonly groupId: string; readonly artifactId: string },
  _facts: readonly FileFact[],
  _marks: readonly VersionMark[],
): Metadata | undefined {
  return undefined
}

/** Metadata of a `-SNAPSHOT` directory; undefined when it holds no timestamped file. */
export function snapshotMetadata(
  _artifact: {
    readonly groupId: string
    readonly artifactId: string
    readonly baseVersion: string
  },
  _facts: readonly FileFact[],
): Metadata | undefined {
  return undefined
}

/** Metadata of a group's directory; undefined when it has no plugins. */
export function groupMetadata(_plugins: readonly PluginPrefix[]): Metadata | undefined {
  return undefined
}

/** One metadata from several of the same path: of a group repository's members, or of X as group and as artifact. */
export function mergeMetadata(members: readonly Metadata[]): Metadata | undefined {
  return members[0]
}

/** The file that `a-1.0-SNAPSHOT.jar` stands for; undefined when there is none. */
export function resolveSnapshotAlias(
  facts: readonly FileFact[],
  _file: SnapshotFile,
): FileFact | undefined {
  return facts[0]
}

/** The build that a literal `-SNAPSHOT` upload becomes part of. */
export function nextSnapshotBuild(
  _facts: readonly FileFact[],
  _file: SnapshotFile,
  _nowMs: number,
): SnapshotBuild {
  return { timestamp: '', buildNumber: 1 }
}
