import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { artifactPath } from '../../src/maven/coordinates.ts'
import { type LayoutPath, parseLayout, partitionKeyOf } from '../../src/maven/layout.ts'
import { anyCoordinates } from './fixture.ts'

/** `g:a:extension:classifier:version` and what else was read, as short as a table wants it. */
function describePath(layout: LayoutPath): string {
  switch (layout.kind) {
    case 'other':
      return 'other'
    case 'checksum':
      return `${layout.algorithm} of ${describePath(layout.target)}`
    case 'metadata': {
      const { level } = layout
      if (level.kind === 'version') {
        return `version ${level.groupId}:${level.artifactId}:${level.baseVersion}`
      }
      const artifact = level.artifact && `${level.artifact.groupId}:${level.artifact.artifactId}`
      return `group ${level.groupId ?? '-'} or artifact ${artifact ?? '-'}`
    }
    case 'artifact': {
      const { groupId, artifactId, extension, classifier = '', version } = layout.coordinates
      const snapshot =
        layout.snapshot?.kind === 'timestamped'
          ? ` = ${layout.baseVersion}@${layout.snapshot.timestamp}#${layout.snapshot.buildNumber}`
          : layout.snapshot && ' literal'
      const signature = layout.signatureOf === undefined ? '' : ' signature'
      return `${groupId}:${artifactId}:${extension}:${classifier}:${version}${snapshot ?? ''}${signature}`
    }
  }
}

describe('parseLayout', () => {
  it.each([
    ['junit/junit/3.8/junit-3.8.jar', 'junit:junit:jar::3.8'],
    ['activemq/activemq-core/1.2/activemq-core-1.2.pom', 'activemq:activemq-core:pom::1.2'],
    ['org/jruby/jruby/1.0/jruby-1.0-javadoc.jar', 'org.jruby:jruby:jar:javadoc:1.0'],
    ['g/a/1/a-1.module', 'g:a:module::1'],
    ['g/a/1/a-1-build.pom', 'g:a:pom:build:1'],
    ['g/a/1/a-1', 'g:a:::1'],
    ['g/a/1/a-1-native', 'g:a::native:1'],
    ['g/a/1/a-1.7z', 'g:a:7z::1'],
    ['g/a/1/a-1.tar.gz', 'g:a:tar.gz::1'],
    ['g/a/1/a-1.cyclonedx.json', 'g:a:cyclonedx.json::1'],
    ['g/a/1/a-1-cyclonedx.json', 'g:a:json:cyclonedx:1'],
    ['g/a/1/a-1-sbom.cyclonedx.json', 'g:a:cyclonedx.json:sbom:1'],
    ['g/a/1/a-1-bin.tar.bz2', 'g:a:tar.bz2:bin:1'],
    ['g/a/1/a-1-bin.tar.xz', 'g:a:tar.xz:bin:1'],
    ['g/a/1/a-1-bin.tar.any', 'g:a:tar.any:bin:1'],
    ['g/a/1/a-1-bin.cpio.gz', 'g:a:cpio.gz:bin:1'],
    ['g/a/1/a-1-cli.nk.os', 'g:a:nk.os:cli:1'],
    ['g/a/1/a-1-cli.unknown.os', 'g:a:os:cli.unknown:1'],
    ['g/a/1/a-1-cli.some.zip', 'g:a:zip:cli.some:1'],
    ['g/a/1/a-1-jdk1.5.jar', 'g:a:jar:jdk1.5:1'],
    ['g/a/1/a-1-linux-x86_64.exe', 'g:a:exe:linux-x86_64:1'],
    ['g/a/1/a-1-2b.jar', 'g:a:jar:2b:1'],
    ['g/a/1/a-1-2.0.jar', 'g:a:jar:2.0:1'],
    ['g/a/1/a-1-20240102.030405-6.jar', 'g:a:jar:20240102.030405-6:1'],
    [
      'org/nexus/webapp/1.0.0-beta-4.2/webapp-1.0.0-beta-4.2-javadoc.jar',
      'org.nexus:webapp:jar:javadoc:1.0.0-beta-4.2',
    ],
    [
      'org/nexus/webapp/1.0-beta-5/webapp-1.0-beta-5-bundle.tar.gz',
      'org.nexus:webapp:tar.gz:bundle:1.0-beta-5',
    ],
    ['g/app-1.0/1.0/app-1.0-1.0.jar', 'g:app-1.0:jar::1.0'],
    ['g/1/1/1-1.jar', 'g:1:jar::1'],
    ['g/a.b/1/a.b-1.jar', 'g:a.b:jar::1'],
    ['gr\u00fc\u00dfe/\u221a/1/\u221a-1.jar', 'gr\u00fc\u00dfe:\u221a:jar::1'],
    ['foo1/foo1/0.0.1SNAPSHOT/foo1-0.0.1SNAPSHOT.pom', 'foo1:foo1:pom::0.0.1SNAPSHOT'],
    ['foo1/foo1/0.0.1.SNAPSHOT/foo1-0.0.1.SNAPSHOT.pom', 'foo1:foo1:pom::0.0.1.SNAPSHOT'],
    ['g/a/1-SNAPSHOT-1234/a-1-SNAPSHOT-1234-b.tar.gz', 'g:a:tar.gz:b:1-SNAPSHOT-1234'],
  ])('reads the release file %s', (path, expected) => {
    expect(describePath(parseLayout(path))).toBe(expected)
  })

  it.each([
    ['g/a/1-SNAPSHOT/a-1-SNAPSHOT.jar', 'g:a:jar::1-SNAPSHOT literal'],
    ['g/a/1-SNAPSHOT/a-1-SNAPSHOT-jdk14.jar', 'g:a:jar:jdk14:1-SNAPSHOT literal'],
    ['g/a/1-SNAPSHOT/a-1-SNAPSHOT-bin.tar.gz', 'g:a:tar.gz:bin:1-SNAPSHOT literal'],
    ['g/a/SNAPSHOT/a-SNAPSHOT-bin.tar.gz', 'g:a:tar.gz:bin:SNAPSHOT literal'],
    [
      'g/a/SNAPSHOT/a-20240102.030405-6.jar',
      'g:a:jar::20240102.030405-6 = SNAPSHOT@20240102.030405#6',
    ],
    ['g/a/2.4.2-64-SNAPSHOT/a-2.4.2-64-SNAPSHOT.jar', 'g:a:jar::2.4.2-64-SNAPSHOT literal'],
    [
      'g/a/2.4.2-64-SNAPSHOT/a-2.4.2-64-20240102.030405-6.jar',
      'g:a:jar::2.4.2-64-20240102.030405-6 = 2.4.2-64-SNAPSHOT@20240102.030405#6',
    ],
    [
      'org/jruby/jruby/1.0RC1-SNAPSHOT/jruby-1.0RC1-20070504.160758-25-javadoc.jar',
      'org.jruby:jruby:jar:javadoc:1.0RC1-20070504.160758-25 = 1.0RC1-SNAPSHOT@20070504.160758#25',
    ],
    [
      'g/a/1-beta-4-SNAPSHOT/a-1-beta-4-20080623.175436-1.jar',
      'g:a:jar::1-beta-4-20080623.175436-1 = 1-beta-4-SNAPSHOT@20080623.175436#1',
    ],
    [
      'g/a/1-SNAPSHOT/a-1-20080818.153246-33-bin.tar.gz',
      'g:a:tar.gz:bin:1-20080818.153246-33 = 1-SNAPSHOT@20080818.153246#33',
    ],
    [
      'g/a/1-SNAPSHOT/a-1-20080818.153246-3-4.jar',
      'g:a:jar:4:1-20080818.153246-3 = 1-SNAPSHOT@20080818.153246#3',
    ],
    [
      'g/a/1-SNAPSHOT/a-1-SNAPSHOT-20070504.160758-25-javadoc.jar',
      'g:a:jar:20070504.160758-25-javadoc:1-SNAPSHOT literal',
    ],
  ])('reads the snapshot file %s', (path, expected) => {
    expect(describePath(parseLayout(path))).toBe(expected)
  })

  it.each([
    ['g/a/1/a-1.pom.asc', 'g:a:pom.asc::1 signature', 'g/a/1/a-1.pom'],
    ['g/a/1/a-1-sources.jar.asc', 'g:a:jar.asc:sources:1 signature', 'g/a/1/a-1-sources.jar'],
    ['g/a/1/a-1.jar.sigstore.json', 'g:a:jar.sigstore.json::1 signature', 'g/a/1/a-1.jar'],
    ['g/a/1/a-1-x.y.jar.sigstore', 'g:a:jar.sigstore:x.y:1 signature', 'g/a/1/a-1-x.y.jar'],
    ['g/a/1/a-1-b.tar.gz.asc', 'g:a:tar.gz.asc:b:1 signature', 'g/a/1/a-1-b.tar.gz'],
    ['g/a/1/a-1-b.jar.md5.asc', 'g:a:jar.md5.asc:b:1 signature', 'g/a/1/a-1-b.jar.md5'],
    ['g/a/1/a-1.asc', 'g:a:asc::1', undefined],
    ['g/a/1/a-1-x.asc', 'g:a:asc:x:1', undefined],
  ])('reads the signature %s', (path, expected, signed) => {
    const layout = parseLayout(path)
    expect(describePath(layout)).toBe(expected)
    expect(layout).toMatchObject({ signatureOf: signed })
  })

  it.each([
    ['g/a/1/a-1.jar.sha1', 'sha1 of g:a:jar::1'],
    ['com/sun/ws/2.1.3/ws-2.1.3.pom.md5', 'md5 of com.sun:ws:pom::2.1.3'],
    ['g/a/1-SNAPSHOT/a-1-SNAPSHOT-j.jar.sha256', 'sha256 of g:a:jar:j:1-SNAPSHOT literal'],
    ['g/a/1/a-1-x.y.pom.asc.sha512', 'sha512 of g:a:pom.asc:x.y:1 signature'],
    ['g/a/maven-metadata.xml.sha1', 'sha1 of group g.a or artifact g:a'],
    ['g/a/1-SNAPSHOT/maven-metadata.xml.md5', 'md5 of version g:a:1-SNAPSHOT'],
    ['archetype-catalog.xml.sha1', 'sha1 of other'],
    ['g/a/1/a-1.pom.md5.sha1', 'other'],
    ['g/a/1/a-1.sha1', 'sha1 of g:a:::1'],
    ['g/a/1/a-1.sha224', 'g:a:sha224::1'],
  ])('reads %s as %s', (path, expected) => {
    expect(describePath(parseLayout(path))).toBe(expected)
  })

  it.each([
    [
      'something/that/looks/maven-metadata.xml',
      'group something.that.looks or artifact something.that:looks',
    ],
    ['org/plexus/maven-metadata.xml', 'group org.plexus or artifact org:plexus'],
    ['org/maven-metadata.xml', 'group org or artifact -'],
    ['org/a.b/maven-metadata.xml', 'group - or artifact org:a.b'],
    ['org/jruby/jruby/1.0/maven-metadata.xml', 'group - or artifact org.jruby.jruby:1.0'],
    ['org/jruby/jruby/1-SNAPSHOT/maven-metadata.xml', 'version org.jruby:jruby:1-SNAPSHOT'],
    ['something/looks/like-SNAPSHOT/maven-metadata.xml', 'version something:looks:like-SNAPSHOT'],
    ['g/a/SNAPSHOT/maven-metadata.xml', 'version g:a:SNAPSHOT'],
    ['g/a.b/1.0-SNAPSHOT/maven-metadata.xml', 'version g:a.b:1.0-SNAPSHOT'],
    ['a/1-SNAPSHOT/maven-metadata.xml', 'group a.1-SNAPSHOT or artifact a:1-SNAPSHOT'],
    ['a.b/c.d/maven-metadata.xml', 'other'],
    ['maven-metadata.xml', 'other'],
    ['.meta/maven-metadata.xml', 'other'],
    ['g/a/maven-metadata-central.xml', 'other'],
  ])('reads the metadata %s', (path, expected) => {
    expect(describePath(parseLayout(path))).toBe(expected)
  })

  it.each([
    'archetype-catalog.xml',
    '.index/nexus-maven-repository-index.gz',
    '.meta/prefixes.txt',
    '.meta/a/1/a-1.jar',
    'some/stupid/path',
    'some/stupid/path/more/in/it',
    'something/that/looks/like-an-artifact.pom',
    'a/1/a-1.jar',
    'com.acme/app/1.0/app-1.0.jar',
    'com/acme/app/1.0/README.txt',
    'com/acme/app/1.0/ap-1.0.jar',
    'com/acme/app/1.0/app-2.0.jar',
    'com/acme/app/1.0/app-1.0.1.jar',
    'com/acme/app/1.0/app-1.01.jar',
    'com/acme/app/1.0/app-1.0_x.jar',
    'com/acme/app/1.0/app-1.0.',
    'com/acme/app/1.0/app-1.0-',
    'com/acme/app/1.0/app-1.0-.jar',
    'com/acme/app/1.0/app-1.0-x.',
    'com/acme/app/1.0-20240102.030405-6/app-1.0-20240102.030405-6.jar',
    'com/electrabel/ear/1.2-SNAPSHOT/ear-1.2-20101214.143755.ear',
    'org/dependency/2.0-SNAPSHOT/dependency-2.0-alpha-1-20070109.165112-13.jar',
    'org/nexus/webapp/1.0-SNAPSHOT/webapp-1.0-20171208-test.tar.gz',
    'org/nexus-3148/1.0.SNAPSHOT/nexus-3148-1.0.20100111.064938-1.pom',
    'g/a/1-SNAPSHOT/a-1.jar',
    'g/a/1-SNAPSHOT/a-1-20240102.030405-1234567890123456.jar',
  ])('reads %s as other', (path) => {
    expect(describePath(parseLayout(path))).toBe('other')
  })

  it('gives back the coordinates of every path made from them', () => {
    fc.assert(
      fc.property(anyCoordinates, (coordinates) => {
        const path = artifactPath(coordinates)
        expect(parseLayout(path)).toMatchObject({ kind: 'artifact', path, coordinates })
      }),
    )
  })

  it('never reads two paths as the same artifact', () => {
    const word = fc.constantFrom('a', 'a.b', '1', '1.0', '1-SNAPSHOT', 'SNAPSHOT', 'x-1')
    const ending = fc.constantFrom(
      '.jar',
      '-x.jar',
      '-1.jar',
      '.1',
      '',
      '-',
      '.tar.gz',
      '-x.y.asc',
      '.',
    )
    const middle = fc.constantFrom('1', '1.0', '1-SNAPSHOT', '1-20240102.030405-06', 'SNAPSHOT')
    fc.assert(
      fc.property(word, word, word, middle, ending, (group, artifact, base, version, end) => {
        const path = `g/${group}/${artifact}/${base}/${artifact}-${version}${end}`
        const layout = parseLayout(path)
        if (layout.kind === 'artifact') expect(artifactPath(layout.coordinates)).toBe(path)
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('partitionKeyOf', () => {
  it.each([
    'com/acme/app/1.0/app-1.0.jar',
    'com/acme/app/1.0/app-1.0.jar.sha1',
    'com/acme/app/1.0/app-1.0-sources.jar.asc',
    'com/acme/app/1.0-SNAPSHOT/app-1.0-20240102.030405-6.pom',
    'com/acme/app/1.0-SNAPSHOT/maven-metadata.xml',
    'com/acme/app/1.0-SNAPSHOT/maven-metadata.xml.sha1',
    'com/acme/app/maven-metadata.xml',
    'com/acme/app/maven-metadata.xml.sha512',
  ])('keeps %s with its artifact', (path) => {
    expect(partitionKeyOf('releases', path)).toBe('releases/com/acme/app')
  })

  it.each([
    ['archetype-catalog.xml', 'releases/'],
    ['.meta/prefixes.txt', 'releases/.meta'],
    ['com/acme/app/1.0/README.txt', 'releases/com/acme/app/1.0'],
    ['com/acme/app/1.0/README.txt.md5', 'releases/com/acme/app/1.0'],
    ['org/maven-metadata.xml', 'releases/org'],
  ])('keeps %s with its directory', (path, key) => {
    expect(partitionKeyOf('releases', path)).toBe(key)
  })
})
