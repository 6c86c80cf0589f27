import { err, ok, type Result } from '../base/result.ts'
import { checkPath } from './path.ts'
import { baseVersionOf } from './version.ts'

export type Coordinates = {
  readonly groupId: string
  readonly artifactId: string
  /** As in the file's name: timestamp and build number included for a deployed snapshot. */
  readonly version: string
  readonly classifier?: string
  /** Without the leading dot, such as `jar` or `tar.gz.asc`; empty for a file without one. */
  readonly extension: string
}

/** `detail` says what is wrong and what is allowed, for the user to read. */
export type CoordinatesRefusal = { readonly kind: 'bad-coordinates'; readonly detail: string }

/**
 * Reads `group:artifact:version`, Maven's `group:artifact:extension[:classifier]:version` and Gradle's
 * `group:artifact:version[:classifier]@extension`, and checks them: the coordinates have a path in a repository.
 */
export function parseCoordinates(text: string): Result<Coordinates, CoordinatesRefusal> {
  const coordinates = splitMaven(text) ?? splitGradle(text)
  if (coordinates === undefined) {
    return refuse(
      `"${text}" are no coordinates. Write group:artifact:version, group:artifact:extension:version, group:artifact:extension:classifier:version or group:artifact:version:classifier@extension.`,
    )
  }
  for (const name of ['groupId', 'artifactId'] as const) {
    if (!IDENTIFIER.test(coordinates[name])) {
      return refuse(
        `The ${name} "${coordinates[name]}" must be letters, digits, ".", "_" and "-" (Maven's rule).`,
      )
    }
  }
  if (coordinates.version === '' || ILLEGAL_IN_VERSION.test(coordinates.version)) {
    return refuse(
      `The version "${coordinates.version}" must not be empty, nor contain spaces or any of \\ / : " < > | ? * [ ] ( ) , @.`,
    )
  }
  const { classifier = '', extension } = coordinates
  if (/[/\s]/.test(classifier + extension)) {
    return refuse('A classifier or an extension must not contain slashes or spaces.')
  }
  const path = checkPath(artifactPath(coordinates))
  return path.ok ? ok(coordinates) : refuse(`"${text}" names no file. ${path.error.detail}`)
}

/** The shortest of Maven's forms. `parseCoordinates` gives the same coordinates back. */
export function formatCoordinates(coordinates: Coordinates): string {
  const { groupId, artifactId, version, classifier, extension } = coordinates
  if (classifier !== undefined) {
    return `${groupId}:${artifactId}:${extension}:${classifier}:${version}`
  }
  if (extension !== 'jar') return `${groupId}:${artifactId}:${extension}:${version}`
  return `${groupId}:${artifactId}:${version}`
}

/** The file's path in a repository, in Maven's default layout (maven-resolver's Maven2RepositoryLayoutFactory). */
export function artifactPath(coordinates: Coordinates): string {
  const { groupId, artifactId, version, classifier, extension } = coordinates
  const directory = `${groupId.replaceAll('.', '/')}/${artifactId}/${baseVersionOf(version)}`
  const qualifier = classifier === undefined ? '' : `-${classifier}`
  const ending = extension === '' ? '' : `.${extension}`
  return `${directory}/${artifactId}-${version}${qualifier}${ending}`
}

/** Maven's DefaultModelValidator. */
const IDENTIFIER = /^[A-Za-z0-9_.-]+$/

/** Maven's DefaultModelValidator, the signs of version ranges, and `@`, which begins Gradle's extension. */
const ILLEGAL_IN_VERSION = /[\\/:"<>|?*[\](),@\s]/

function splitMaven(text: string): Coordinates | undefined {
  const parts = text.split(':')
  if (text.includes('@') || parts.length < 3 || parts.length > 5) return undefined
  const [groupId = '', artifactId = ''] = parts
  const version = parts.at(-1) ?? ''
  const extension = parts.length === 3 ? 'jar' : (parts[2] ?? '')
  const classifier = parts.length === 5 ? parts[3] : undefined
  return assemble({ groupId, artifactId, version, extension }, classifier)
}

function splitGradle(text: string): Coordinates | undefined {
  const [notation = '', extension = '', ...more] = text.split('@')
  const [groupId = '', artifactId = '', version, classifier, ...rest] = notation.split(':')
  if (version === undefined || extension === '' || more.length > 0 || rest.length > 0) {
    return undefined
  }
  return assemble({ groupId, artifactId, version, extension }, classifier)
}

function assemble(coordinates: Coordinates, classifier: string | undefined): Coordinates {
  return classifier === undefined || classifier === ''
    ? coordinates
    : { ...coordinates, classifier }
}

function refuse(detail: string): {
  readonly ok: false
  readonly error: CoordinatesRefusal
} {
  return err({ kind: 'bad-coordinates', detail })
}
