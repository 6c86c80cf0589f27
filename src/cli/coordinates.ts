import { err, ok, type Result } from '../base/result.ts'
import { type Coordinates, formatCoordinates, parseCoordinates } from '../maven/index.ts'
import { badUsage, type Failure, refused } from './failure.ts'
import type { EmbeddedProject } from './jar.ts'

/** What the command line says of the artifact; it is stronger than what the jar says. */
export type CoordinateFlags = {
  readonly group?: string
  readonly artifact?: string
  readonly version?: string
  readonly classifier?: string
}

/** Where a file is to be deployed, and the project in it that these coordinates are from, if any. */
export type Target = {
  readonly coordinates: Coordinates
  readonly project: EmbeddedProject | undefined
}

/** More candidates than these are no help on a terminal. */
const NAMED_MAX = 10

/**
 * Decides the coordinates of the file `fileName` from the flags and the projects found in it. Of several projects the one
 * is taken that the flags name, or else the one after which the file is named.
 */
export function chooseCoordinates(
  fileName: string,
  projects: readonly EmbeddedProject[],
  flags: CoordinateFlags,
): Result<Target, Failure> {
  const { stem, extension } = splitFileName(fileName)
  if (extension === '') {
    return err(badUsage(`${fileName} has no extension, so it has no place in a Maven repository`))
  }
  const project = chooseProject(stem, projects, flags)
  if (!project.ok) return project
  const groupId = flags.group ?? project.value?.groupId
  const artifactId = flags.artifact ?? project.value?.artifactId
  const version = flags.version ?? project.value?.version
  if (groupId === undefined || artifactId === undefined || version === undefined) {
    const missing = [
      groupId === undefined && '--group',
      artifactId === undefined && '--artifact',
      version === undefined && '--version',
    ].filter(Boolean)
    return err(
      badUsage(
        `${fileName} does not say what it is: there is no complete pom.properties in it`,
        `Add ${missing.join(', ')}.`,
      ),
    )
  }
  const classifier = flags.classifier ?? classifierIn(stem, artifactId, version)
  const coordinates = { groupId, artifactId, version, extension, ...(classifier && { classifier }) }
  const checked = parseCoordinates(formatCoordinates(coordinates))
  if (!checked.ok) return err(badUsage(checked.error.detail))
  return ok({ coordinates, project: project.value })
}

/** Refuses a POM that is of another artifact or version than the file is deployed as: nobody could resolve that. */
export function checkProject(
  { coordinates, project }: Target,
  { pom }: { readonly pom?: string },
): Result<void, Failure> {
  if (project === undefined) {
    if (pom === undefined) return ok(undefined)
    return err(refused(`${pom} describes another artifact than --group and --artifact name`))
  }
  if ((project.version ?? coordinates.version) === coordinates.version) return ok(undefined)
  return err(
    refused(
      `the POM is of version ${project.version}, not ${coordinates.version}`,
      'Build with that version, or name a matching POM with --pom <file>.',
    ),
  )
}

function chooseProject(
  stem: string,
  projects: readonly EmbeddedProject[],
  flags: CoordinateFlags,
): Result<EmbeddedProject | undefined, Failure> {
  const named = projects.filter(
    (project) =>
      (flags.group === undefined || flags.group === project.groupId) &&
      (flags.artifact === undefined || flags.artifact === project.artifactId),
  )
  // With complete flags an artifact may bundle others and have no project of its own.
  const isComplete = flags.group !== undefined && flags.artifact !== undefined
  if (named.length <= 1) return ok(named[0])
  const matching = named.filter(({ artifactId, version }) => {
    const full = `${artifactId}-${version}`
    return stem === artifactId || stem === full || stem.startsWith(`${full}-`)
  })
  if (matching.length === 1 || isComplete) return ok(matching[0])
  const list = named.slice(0, NAMED_MAX).map((one) => `${one.groupId}:${one.artifactId}`)
  if (named.length > NAMED_MAX) list.push(`${named.length - NAMED_MAX} more`)
  return err(
    badUsage(
      `the jar holds ${named.length} Maven projects and is named after none: ${list.join(', ')}`,
      'Say which one it is: --group, --artifact and --version.',
    ),
  )
}

/** Splits at the extension, which may have two parts (`tar.gz`). */
function splitFileName(fileName: string): { stem: string; extension: string } {
  const [, stem = fileName, extension = ''] =
    /^(.+?)\.((?:tar\.)?[A-Za-z][A-Za-z0-9]*)$/.exec(fileName) ?? []
  return { stem, extension }
}

/** What follows `artifactId-version-` in the name of a file: `sources`, `shaded`. */
function classifierIn(stem: string, artifactId: string, version: string): string | undefined {
  const prefix = `${artifactId}-${version}-`
  return stem.startsWith(prefix) ? stem.slice(prefix.length) || undefined : undefined
}
