import type { Coordinates } from '../maven/index.ts'

/** The smallest POM under which a file can be resolved, for a jar that brings none. */
export function synthesizePom(
  { groupId, artifactId, version }: Coordinates,
  packaging: string,
): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>${escapeXml(groupId)}</groupId>
  <artifactId>${escapeXml(artifactId)}</artifactId>
  <version>${escapeXml(version)}</version>
  <packaging>${escapeXml(packaging)}</packaging>
</project>
`
}

/** What to paste into a `pom.xml` to depend on an artifact. */
export function mavenSnippet(coordinates: Coordinates): string {
  const { groupId, artifactId, version, classifier, extension } = coordinates
  const optional = [
    ...(classifier === undefined ? [] : [`  <classifier>${escapeXml(classifier)}</classifier>`]),
    ...(extension === 'jar' ? [] : [`  <type>${escapeXml(extension)}</type>`]),
  ]
  return [
    '<dependency>',
    `  <groupId>${escapeXml(groupId)}</groupId>`,
    `  <artifactId>${escapeXml(artifactId)}</artifactId>`,
    `  <version>${escapeXml(version)}</version>`,
    ...optional,
    '</dependency>',
  ].join('\n')
}

/** The line to paste into the dependencies of a `build.gradle`. */
export function gradleSnippet(coordinates: Coordinates): string {
  const { groupId, artifactId, version, classifier, extension } = coordinates
  const suffix = `${classifier === undefined ? '' : `:${classifier}`}${extension === 'jar' ? '' : `@${extension}`}`
  return `implementation '${groupId}:${artifactId}:${version}${suffix}'`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
