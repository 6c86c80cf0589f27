/** Maven-resolver's `GenericVersion` order: negative, zero or positive. `1.0` and `1.0.0` are equal. */
export function compareVersions(_a: string, _b: string): number {
  return 0
}

/** The versions ascending by `compareVersions`, equal ones by their text; without duplicates. Parses each once. */
export function sortVersions(versions: Iterable<string>): string[] {
  return [...new Set(versions)].sort(compareVersions)
}

/** Ends with `-SNAPSHOT`, or with a timestamp and build number in its place. `1.0SNAPSHOT` is a release. */
export function isSnapshot(version: string): boolean {
  return baseVersionOf(version).endsWith('-SNAPSHOT')
}

/** The name of the version's directory: `1.0-20240102.030405-6` is kept in `1.0-SNAPSHOT`. */
export function baseVersionOf(version: string): string {
  return version
}
