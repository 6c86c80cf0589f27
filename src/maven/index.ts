/** The part of the Maven rules that clients of a repository need too. The service itself is loaded from its jar. */
export { parseChecksumFile } from './checksum.ts'
export {
  artifactPath,
  type Coordinates,
  formatCoordinates,
  parseCoordinates,
} from './coordinates.ts'
export { parseMetadataHint } from './metadata-hint.ts'
export { renderMetadata } from './metadata-xml.ts'
export { encodePath } from './path.ts'
export { parsePom } from './pom.ts'
export { baseVersionOf, isSnapshot, sortVersions } from './version.ts'
