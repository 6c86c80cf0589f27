import fc from 'fast-check'
import type { Coordinates } from '../../src/maven/coordinates.ts'
import type { Metadata } from '../../src/maven/metadata.ts'

const name = fc.string({
  unit: fc.constantFrom(...'abzAZ019_-'),
  minLength: 1,
  maxLength: 6,
})

/** Versions that begin with a number, as nearly all do: releases, and snapshots of both spellings. */
export const anyVersion: fc.Arbitrary<string> = fc
  .tuple(
    fc.array(fc.nat(12), { minLength: 1, maxLength: 3 }).map((numbers) => numbers.join('.')),
    fc.constantFrom('', '-rc1', '-2', '-64', '.Final', '-beta.3', '+b7'),
    fc.constantFrom('', '', '-SNAPSHOT', '-20240102.030405-6', '-20231231.235959-12'),
  )
  .map((parts) => parts.join(''))

/** Coordinates whose extension a path tells apart from their classifier. */
export const anyCoordinates: fc.Arbitrary<Coordinates> = fc
  .record({
    groupId: fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('.')),
    artifactId: fc.array(name, { minLength: 1, maxLength: 2 }).map((names) => names.join('.')),
    version: anyVersion,
    classifier: fc.option(
      fc.constantFrom('sources', 'jdk8', '2b', 'linux-x86_64', 'some.strange.one', '20240102'),
      { nil: undefined },
    ),
    extension: fc.constantFrom(
      'jar',
      'pom',
      'module',
      'tar.gz',
      'jar.asc',
      'pom.sigstore.json',
      '7z',
    ),
  })
  .map(({ classifier, ...rest }) => (classifier === undefined ? rest : { ...rest, classifier }))

const time = fc.integer({ min: 20_200_101_000_000, max: 20_200_101_000_009 }).map(String)
const build = fc.record({
  timestamp: fc.constantFrom('20240102.030405', '20240102.030406', '20231231.235959'),
  buildNumber: fc.nat(12),
})
const prose = fc.constantFrom('x', 'A & B', '<b>', ']]>', '"\'', 'é\u{1f600}', 'a  b')

/** Any form of metadata that a file can have; not always one that this server would write. */
export const anyMetadata: fc.Arbitrary<Metadata> = fc.record(
  {
    groupId: fc.constantFrom('com.acme', 'org.acme'),
    artifactId: fc.constantFrom('app', 'lib'),
    version: fc.constantFrom('1.0-SNAPSHOT', '2.0-SNAPSHOT'),
    latest: anyVersion,
    release: anyVersion,
    versions: fc.array(anyVersion, { maxLength: 4 }),
    snapshot: build,
    snapshotVersions: fc.array(
      fc.record(
        {
          classifier: fc.constantFrom('sources', 'b'),
          extension: fc.constantFrom('jar', 'pom'),
          value: anyVersion,
          updated: fc.oneof(time, fc.constant('')),
        },
        { requiredKeys: ['extension', 'value', 'updated'] },
      ),
      { maxLength: 4 },
    ),
    lastUpdated: time,
    plugins: fc.array(
      fc.record(
        { name: prose, prefix: prose, artifactId: fc.constantFrom('p', 'q', 'r') },
        { requiredKeys: ['prefix', 'artifactId'] },
      ),
      { maxLength: 3 },
    ),
  },
  { requiredKeys: ['versions', 'snapshotVersions', 'plugins'] },
)
