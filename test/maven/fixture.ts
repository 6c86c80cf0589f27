import fc from 'fast-check'
import type { Coordinates } from '../../src/maven/coordinates.ts'

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
