import { err, type Result } from '../base/result.ts'

export type Coordinates = {
  readonly groupId: string
  readonly artifactId: string
  /** As in the file's name: timestamp and build number included for a deployed snapshot. */
  readonly version: string
  readonly classifier?: string
  /** Without the leading dot, such as `jar` or `tar.gz.asc`; empty for a file without one. */
  readonly extension: string
}

export type CoordinatesRefusal = { readonly kind: 'bad-coordinates'; readonly detail: string }

/** Reads `g:a:v`, `g:a:ext:v`, `g:a:ext:classifier:v` (Maven) or `g:a:v:classifier@ext`, `g:a:v@ext` (Gradle). */
export function parseCoordinates(text: string): Result<Coordinates, CoordinatesRefusal> {
  return err({ kind: 'bad-coordinates', detail: text })
}

/** The shortest of Maven's forms; `parseCoordinates` gives the same coordinates back. */
export function formatCoordinates(coordinates: Coordinates): string {
  return coordinates.groupId
}

/** The file's path in a repository (Maven's default layout). */
export function artifactPath(coordinates: Coordinates): string {
  return coordinates.groupId
}
