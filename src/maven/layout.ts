/**
 * What paths mean in Maven's default layout:
 * `group/as/directories/artifactId/baseVersion/artifactId-version[-classifier][.extension]`. The reading decides what is
 * derived from a file, never where it is stored. Law: `artifactPath` of what is read here is the very path, so no two
 * paths are one artifact; whatever has no such reading is `other`.
 */
import { type ChecksumAlgorithm, checksumExtension } from './checksum.ts'
import type { Coordinates } from './coordinates.ts'
import { baseVersionOf, isSnapshot } from './version.ts'

/** Reads a path that obeys `checkPath`. */
export function parseLayout(path: string): LayoutPath {
  const checksum = checksumExtension(path)
  if (checksum === undefined) return parseFile(path)
  // Some publishers upload checksums of checksums. They mean nothing, and are kept as they are.
  if (checksumExtension(checksum.target) !== undefined) return other(path)
  const target = parseFile(checksum.target)
  return { kind: 'checksum', path, home: target.home, algorithm: checksum.algorithm, target }
}

/** The partition key of the file's record: all that depends on one artifact's files has the same key. */
export function partitionKeyOf(repository: string, path: string): string {
  return `${repository}/${parseLayout(path).home}`
}

export type LayoutPath = ArtifactPath | MetadataPath | ChecksumPath | OtherPath

/** How a file of a `-SNAPSHOT` directory is named: with `SNAPSHOT` itself, or with its build in that place. */
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
  /** The directory that gives the partition key: the artifact's for everything of an artifact, else the file's own. */
  readonly home: string
}

export type ArtifactPath = Located & {
  readonly kind: 'artifact'
  readonly coordinates: Coordinates
  /** The version's directory. */
  readonly directory: string
  /** The name of the version's directory. */
  readonly baseVersion: string
  /** The version in the file's name, which is also that of the coordinates. */
  readonly fileVersion: string
  /** Undefined for a release. */
  readonly snapshot: SnapshotName | undefined
  /** Of a signature, the path of the file it signs. */
  readonly signatureOf: string | undefined
}

/** `maven-metadata.xml` of a `-SNAPSHOT` directory, or of a directory that can be a group, an artifact or both. */
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
        /** The directory read as a group; undefined when no group has it. */
        readonly groupId: string | undefined
        /** The directory read as an artifact; undefined when no artifact has it. */
        readonly artifact: { readonly groupId: string; readonly artifactId: string } | undefined
      }
}

export type ChecksumPath = Located & {
  readonly kind: 'checksum'
  readonly algorithm: ChecksumAlgorithm
  readonly target: Exclude<LayoutPath, ChecksumPath>
}

/** Stored and served by its path; nothing is derived from it. */
export type OtherPath = Located & { readonly kind: 'other' }

const METADATA_FILE = 'maven-metadata.xml'

/** What follows a `-SNAPSHOT` version's text without `SNAPSHOT`. Fifteen digits are exact in a number. */
const BUILD = /^([0-9]{8}\.[0-9]{6})-([0-9]{1,15})/

/**
 * What follows the version in a file's name when there is a classifier. Either part may contain dots: an extension does
 * when it is a known pair (or compresses one), or signs something.
 */
const CLASSIFIER_AND_EXTENSION =
  /^-(.+?)\.((?:(?:tar|cpio)\.[^.]+|(?:cyclonedx|spdx)\.(?:json|xml)|nk\.os|[^.]+)(?:(?:\.(?:md5|sha1|sha256|sha512))?\.(?:asc|sigstore\.json|sigstore))?)$/

const SIGNATURE = /(?<=.)\.(?:asc|sigstore\.json|sigstore)$/

function parseFile(path: string): Exclude<LayoutPath, ChecksumPath> {
  const segments = path.split('/')
  const name = segments.pop() ?? ''
  if (name === METADATA_FILE) return parseMetadataPath(path, segments) ?? other(path)
  return parseArtifactPath(path, segments, name) ?? other(path)
}

function other(path: string): OtherPath {
  return { kind: 'other', path, home: path.slice(0, Math.max(0, path.lastIndexOf('/'))) }
}

function parseArtifactPath(
  path: string,
  directories: readonly string[],
  name: string,
): ArtifactPath | undefined {
  const baseVersion = directories.at(-1)
  const artifactId = directories.at(-2)
  const groupId = groupIdOf(directories.slice(0, -2))
  if (baseVersion === undefined || artifactId === undefined || groupId === undefined) return
  if (!name.startsWith(`${artifactId}-`)) return
  const version = parseVersion(name.slice(artifactId.length + 1), baseVersion)
  if (version === undefined) return
  const ending = parseEnding(version.rest)
  if (ending === undefined) return

  const directory = directories.join('/')
  const signature = SIGNATURE.exec(ending.extension)
  return {
    kind: 'artifact',
    path,
    home: directory.slice(0, -baseVersion.length - 1),
    coordinates: { groupId, artifactId, version: version.fileVersion, ...ending },
    directory,
    baseVersion,
    fileVersion: version.fileVersion,
    snapshot: version.snapshot,
    signatureOf: signature === null ? undefined : path.slice(0, -signature[0].length),
  }
}

/** Reads the version at the start of what follows `artifactId-`. */
function parseVersion(
  text: string,
  baseVersion: string,
):
  | {
      readonly fileVersion: string
      readonly rest: string
      readonly snapshot: SnapshotName | undefined
    }
  | undefined {
  const isOfSnapshot = isSnapshot(baseVersion)
  // Clients keep a version like `1.0-20240102.030405-6` below `1.0-SNAPSHOT`, never in a directory of its own.
  if (isOfSnapshot && baseVersionOf(baseVersion) !== baseVersion) return
  if (text.startsWith(baseVersion)) {
    return {
      fileVersion: baseVersion,
      rest: text.slice(baseVersion.length),
      snapshot: isOfSnapshot ? { kind: 'literal' } : undefined,
    }
  }
  const stem = baseVersion.slice(0, -'SNAPSHOT'.length)
  if (!isOfSnapshot || !text.startsWith(stem)) return
  const build = BUILD.exec(text.slice(stem.length))
  if (build === null) return
  const [matched, timestamp = '', buildNumber] = build
  return {
    fileVersion: stem + matched,
    rest: text.slice(stem.length + matched.length),
    snapshot: { kind: 'timestamped', timestamp, buildNumber: Number(buildNumber) },
  }
}

/** Reads what follows the version in a file's name. */
function parseEnding(
  rest: string,
): { readonly classifier?: string; readonly extension: string } | undefined {
  if (rest === '') return { extension: '' }
  if (rest.startsWith('.')) {
    const extension = rest.slice(1)
    // `app-1.0.1.jar` in directory `1.0` is in the wrong place, not a file with the extension `1.jar`.
    return extension === '' || /^[0-9]+(?:\.|$)/.test(extension) ? undefined : { extension }
  }
  const [, classifier, extension] = CLASSIFIER_AND_EXTENSION.exec(rest) ?? []
  if (classifier !== undefined && extension !== undefined) return { classifier, extension }
  return /^-[^.]+$/.test(rest) ? { classifier: rest.slice(1), extension: '' } : undefined
}

function parseMetadataPath(path: string, directories: readonly string[]): MetadataPath | undefined {
  const directory = directories.join('/')
  const name = directories.at(-1) ?? ''
  const parentGroup = groupIdOf(directories.slice(0, -2))
  const parent = directories.at(-2)
  if (
    isSnapshot(name) &&
    baseVersionOf(name) === name &&
    parentGroup !== undefined &&
    parent !== undefined
  ) {
    return {
      kind: 'metadata',
      path,
      home: directory.slice(0, -name.length - 1),
      directory,
      level: { kind: 'version', groupId: parentGroup, artifactId: parent, baseVersion: name },
    }
  }
  const groupId = groupIdOf(directories)
  const ownGroup = groupIdOf(directories.slice(0, -1))
  if (groupId === undefined && ownGroup === undefined) return
  const artifact = ownGroup === undefined ? undefined : { groupId: ownGroup, artifactId: name }
  return {
    kind: 'metadata',
    path,
    home: directory,
    directory,
    level: { kind: 'group-or-artifact', groupId, artifact },
  }
}

/** Undefined when no group has these directories: a dot in one of them would become another directory. */
function groupIdOf(directories: readonly string[]): string | undefined {
  if (directories.length === 0 || directories.some((name) => name.includes('.'))) return
  return directories.join('.')
}
