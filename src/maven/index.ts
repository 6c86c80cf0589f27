/** The part of the Maven rules that clients of a repository need too. The service itself is loaded from its jar. */
export {
  artifactPath,
  type Coordinates,
  formatCoordinates,
  parseCoordinates,
} from './coordinates.ts'
export { compareVersions, isSnapshot } from './version.ts'
