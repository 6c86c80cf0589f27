/**
 * What the `maven-metadata.xml` of a repository say, as pure functions of the files' records. No client's file is ever
 * kept, so concurrent deploys cannot lose a version. Laws: equal records give equal metadata, in whatever order they
 * come; `mergeMetadata` is commutative, associative and, on what is made here, idempotent.
 */
import type { SnapshotName } from './layout.ts'
import { isSnapshot, sortVersions } from './version.ts'

/** Metadata of an artifact's directory; undefined when no version is listed. */
export function artifactMetadata(
  { groupId, artifactId }: { readonly groupId: string; readonly artifactId: string },
  facts: readonly FileFact[],
  marks: readonly VersionMark[],
): Metadata | undefined {
  const versions = listedVersions(facts, marks)
  if (versions.length === 0) return undefined
  const isListed = new Set(versions)
  const records = [
    ...facts.filter((fact) => !fact.quarantined && isListed.has(fact.baseVersion)),
    ...marks.filter((mark) => isListed.has(mark.version)),
  ]
  return {
    groupId,
    artifactId,
    ...highestOf(versions),
    versions,
    snapshotVersions: [],
    lastUpdated: formatTime(newestTimeMs(records)),
    plugins: [],
  }
}

/**
 * The versions to list, ascending. A version is listed when it is complete, which means that it has its POM and, unless
 * that has packaging `pom`, a main file; or when a client named it and it has any file.
 */
export function listedVersions(
  facts: readonly FileFact[],
  marks: readonly VersionMark[],
): readonly string[] {
  const marked = new Set(marks.map(({ version }) => version))
  const visible = facts.filter(({ quarantined }) => !quarantined)
  const byVersion = Map.groupBy(visible, ({ baseVersion }) => baseVersion)
  const listed = [...byVersion].filter(
    ([version, files]) => marked.has(version) || isComplete(files),
  )
  return sortVersions(listed.map(([version]) => version))
}

/**
 * Metadata of a `-SNAPSHOT` directory; undefined when it has no timestamped file. A reader takes each file from the
 * newest build that has it. Builds are ordered by their timestamp, then number, as their versions are: numbers alone
 * begin again with each client that may not read the metadata.
 */
export function snapshotMetadata(
  { groupId, artifactId, baseVersion }: SnapshotDirectory,
  facts: readonly FileFact[],
): Metadata | undefined {
  const files = timestampedFiles(facts, baseVersion).filter(({ fact }) => !fact.quarantined)
  const newest = newestBuild(files.map(({ build }) => build))
  if (newest === undefined) return undefined
  return {
    groupId,
    artifactId,
    version: baseVersion,
    versions: [],
    snapshot: newest,
    snapshotVersions: newestSnapshotVersions(files.map(snapshotVersionOf)),
    lastUpdated: formatTime(newestTimeMs(files.map(({ fact }) => fact))),
    plugins: [],
  }
}

/** Metadata of a group's directory: the plugins by whose prefix Maven finds them; undefined when it has none. */
export function groupMetadata(plugins: readonly PluginPrefix[]): Metadata | undefined {
  if (plugins.length === 0) return undefined
  return { versions: [], snapshotVersions: [], plugins: uniquePlugins(plugins) }
}

/**
 * One metadata out of several of the same path: of the members of a group repository, or of a directory read as a group
 * and as an artifact. Every version of every member is there; `latest` and `release` are the highest that any names.
 */
export function mergeMetadata(members: readonly Metadata[]): Metadata | undefined {
  if (members.length === 0) return undefined
  const versions = sortVersions(members.flatMap((member) => member.versions))
  const named = members.flatMap(({ latest, release }) => [latest, release]).filter(isDefined)
  const snapshot = newestBuild(members.map((member) => member.snapshot).filter(isDefined))
  return {
    ...least(members, 'groupId'),
    ...least(members, 'artifactId'),
    ...least(members, 'version'),
    ...highestOf(sortVersions([...versions, ...named])),
    versions,
    ...(snapshot === undefined ? {} : { snapshot }),
    snapshotVersions: newestSnapshotVersions(members.flatMap((member) => member.snapshotVersions)),
    ...latestUpdate(members),
    plugins: uniquePlugins(members.flatMap((member) => member.plugins)),
  }
}

/**
 * The file that a literal name such as `app-1.0-SNAPSHOT.jar` stands for: that of the newest build, or one stored under
 * the very name if its record is newer. Undefined when there is none.
 */
export function resolveSnapshotAlias(
  facts: readonly FileFact[],
  file: SnapshotFile,
): FileFact | undefined {
  const visible = facts.filter((fact) => !fact.quarantined && isSameFile(fact, file))
  const timestamped = greatest(timestampedFiles(visible, file.baseVersion), compareFiles)?.fact
  const literal = visible.find(({ snapshot }) => snapshot?.kind === 'literal')
  if (literal === undefined || timestamped === undefined) return literal ?? timestamped
  return literal.timeMs > timestamped.timeMs ? literal : timestamped
}

/**
 * The build that a file uploaded under its literal name becomes part of: the newest one, when the server made it and it
 * still lacks this file; otherwise a new one that is newer than all others, even if their clocks were ahead.
 */
export function nextSnapshotBuild(
  facts: readonly FileFact[],
  file: SnapshotFile,
  nowMs: number,
): SnapshotBuild {
  const files = timestampedFiles(facts, file.baseVersion)
  const newest = newestBuild(files.map(({ build }) => build))
  const now = formatTime(nowMs)
  const timestamp = `${now.slice(0, 8)}.${now.slice(8)}`
  if (newest === undefined) return { timestamp, buildNumber: 1 }

  const ofNewest = files.filter(({ build }) => compareBuilds(build, newest) === 0)
  const isOfServer = ofNewest.every(({ fact }) => fact.literal === true)
  const hasFile = ofNewest.some(({ fact }) => !fact.quarantined && isSameFile(fact, file))
  if (isOfServer && !hasFile) return newest
  return {
    timestamp: timestamp > newest.timestamp ? timestamp : newest.timestamp,
    buildNumber: 1 + Math.max(...files.map(({ build }) => build.buildNumber)),
  }
}

/** The version in the names of a build's files: `1.0-SNAPSHOT` → `1.0-20240102.030405-6`. */
export function timestampedVersion(
  baseVersion: string,
  { timestamp, buildNumber }: SnapshotBuild,
): string {
  return `${baseVersion.slice(0, -'SNAPSHOT'.length)}${timestamp}-${buildNumber}`
}

/** The content of a `maven-metadata.xml`, of any level. */
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
  /** `yyyyMMddHHmmss`, UTC; empty when not known. */
  readonly updated: string
}

export type PluginPrefix = {
  readonly name?: string
  readonly prefix: string
  readonly artifactId: string
}

/** What is known of one stored file of an artifact. Checksum files are no facts. */
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
  /** Counts for nothing, except that its build number is taken. */
  readonly quarantined: boolean
  /** Uploaded under its literal `-SNAPSHOT` name, and given its timestamp and build number by the server. */
  readonly literal?: boolean | undefined
}

/** A version that a client's artifact-level metadata named, and when. */
export type VersionMark = { readonly version: string; readonly timeMs: number }

export type SnapshotDirectory = {
  readonly groupId: string
  readonly artifactId: string
  readonly baseVersion: string
}

/** A file of a `-SNAPSHOT` directory, of no particular build. */
export type SnapshotFile = {
  readonly baseVersion: string
  readonly classifier?: string | undefined
  readonly extension: string
}

type TimestampedFile = { readonly fact: FileFact; readonly build: SnapshotBuild }

/** Extensions of files that describe or sign others. */
const ACCOMPANYING = /^(?:pom|module)$|(?:^|\.)(?:asc|sigstore|sigstore\.json)$/

function isComplete(files: readonly FileFact[]): boolean {
  const unclassified = files.filter(({ classifier }) => classifier === undefined)
  const poms = unclassified.filter(({ extension }) => extension === 'pom')
  return (
    poms.some(({ packaging }) => packaging === 'pom') ||
    (poms.length > 0 && unclassified.some(({ extension }) => !ACCOMPANYING.test(extension)))
  )
}

function highestOf(ascending: readonly string[]): { latest?: string; release?: string } {
  const latest = ascending.at(-1)
  const release = ascending.findLast((version) => !isSnapshot(version))
  return { ...(latest && { latest }), ...(release && { release }) }
}

function timestampedFiles(
  facts: readonly FileFact[],
  baseVersion: string,
): readonly TimestampedFile[] {
  return facts.flatMap((fact) => {
    if (fact.baseVersion !== baseVersion || fact.snapshot?.kind !== 'timestamped') return []
    const { timestamp, buildNumber } = fact.snapshot
    return [{ fact, build: { timestamp, buildNumber } }]
  })
}

function isSameFile(fact: FileFact, file: SnapshotFile): boolean {
  return (
    fact.baseVersion === file.baseVersion &&
    fact.classifier === file.classifier &&
    fact.extension === file.extension
  )
}

function snapshotVersionOf({ fact, build }: TimestampedFile): SnapshotVersion {
  return {
    ...(fact.classifier === undefined ? {} : { classifier: fact.classifier }),
    extension: fact.extension,
    value: fact.fileVersion,
    updated: build.timestamp.replace('.', ''),
  }
}

/** The order in which snapshotMetadata prefers files, too. */
function compareFiles(a: TimestampedFile, b: TimestampedFile): number {
  return (
    compareBuilds(a.build, b.build) ||
    compareSnapshotVersions(snapshotVersionOf(a), snapshotVersionOf(b))
  )
}

function compareBuilds(a: SnapshotBuild, b: SnapshotBuild): number {
  return compareText(a.timestamp, b.timestamp) || a.buildNumber - b.buildNumber
}

function newestBuild(builds: readonly SnapshotBuild[]): SnapshotBuild | undefined {
  return greatest(builds, compareBuilds)
}

/** The newest for each file, by classifier and extension. */
function newestSnapshotVersions(all: readonly SnapshotVersion[]): readonly SnapshotVersion[] {
  const byFile = Map.groupBy(all, ({ classifier, extension }) =>
    JSON.stringify([classifier ?? '', extension]),
  )
  return [...byFile.values()]
    .map((candidates) => greatest(candidates, compareSnapshotVersions))
    .filter(isDefined)
    .sort(
      (a, b) =>
        compareText(a.classifier ?? '', b.classifier ?? '') ||
        compareText(a.extension, b.extension),
    )
}

/** Of two builds of the same second, the longer version has the higher number. */
function compareSnapshotVersions(a: SnapshotVersion, b: SnapshotVersion): number {
  return (
    compareText(a.updated, b.updated) ||
    a.value.length - b.value.length ||
    compareText(a.value, b.value)
  )
}

/** One for each artifact, which is the key that cannot be claimed by another. */
function uniquePlugins(plugins: readonly PluginPrefix[]): readonly PluginPrefix[] {
  return [...Map.groupBy(plugins, ({ artifactId }) => artifactId).values()]
    .map((candidates) => greatest(candidates, comparePlugins))
    .filter(isDefined)
    .sort((a, b) => compareText(a.artifactId, b.artifactId))
}

function comparePlugins(a: PluginPrefix, b: PluginPrefix): number {
  return compareText(a.prefix, b.prefix) || compareText(a.name ?? '', b.name ?? '')
}

function least<Name extends 'groupId' | 'artifactId' | 'version'>(
  members: readonly Metadata[],
  name: Name,
): { readonly [name in Name]?: string } {
  const [value] = members
    .map((member) => member[name])
    .filter(isDefined)
    .sort()
  return value === undefined ? {} : ({ [name]: value } as { [name in Name]?: string })
}

function latestUpdate(members: readonly Metadata[]): { readonly lastUpdated?: string } {
  const lastUpdated = members
    .map((member) => member.lastUpdated)
    .filter(isDefined)
    .sort()
    .at(-1)
  return lastUpdated === undefined ? {} : { lastUpdated }
}

function newestTimeMs(records: readonly { readonly timeMs: number }[]): number {
  return records.reduce((newest, { timeMs }) => Math.max(newest, timeMs), 0)
}

function formatTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/[-:T]/g, '').slice(0, 14)
}

function greatest<T>(items: readonly T[], compare: (a: T, b: T) => number): T | undefined {
  return items.reduce<T | undefined>(
    (best, item) => (best === undefined || compare(item, best) > 0 ? item : best),
    undefined,
  )
}

function compareText(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined
}
