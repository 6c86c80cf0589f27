import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  artifactPath,
  type Coordinates,
  formatCoordinates,
  parseCoordinates,
} from '../../src/maven/coordinates.ts'
import { checkPath } from '../../src/maven/path.ts'
import { anyCoordinates } from './fixture.ts'

const app = { groupId: 'com.acme', artifactId: 'app', version: '1.0' }

describe('parseCoordinates', () => {
  it.each<[string, Coordinates]>([
    ['com.acme:app:1.0', { ...app, extension: 'jar' }],
    ['com.acme:app:pom:1.0', { ...app, extension: 'pom' }],
    ['com.acme:app:tar.gz:bin:1.0', { ...app, classifier: 'bin', extension: 'tar.gz' }],
    ['com.acme:app:jar::1.0', { ...app, extension: 'jar' }],
    ['com.acme:app::1.0', { ...app, extension: '' }],
    ['com.acme:app:1.0@aar', { ...app, extension: 'aar' }],
    ['com.acme:app:1.0:sources@jar', { ...app, classifier: 'sources', extension: 'jar' }],
    ['com.acme:app:1.0+b~1', { ...app, version: '1.0+b~1', extension: 'jar' }],
    [
      'a_b-c.d:a.b:1.0-20240102.030405-6',
      {
        groupId: 'a_b-c.d',
        artifactId: 'a.b',
        version: '1.0-20240102.030405-6',
        extension: 'jar',
      },
    ],
  ])('reads %s', (text, coordinates) => {
    expect(parseCoordinates(text)).toEqual({ ok: true, value: coordinates })
  })

  it.each([
    ['', 'are no coordinates'],
    ['com.acme:app', 'are no coordinates'],
    ['com.acme:app:a:b:c:d', 'are no coordinates'],
    ['com.acme:app@jar', 'are no coordinates'],
    ['com.acme:app:1.0:x:y@jar', 'are no coordinates'],
    ['com.acme:app:1.0@', 'are no coordinates'],
    ['com.acme:app:1@0@jar', 'are no coordinates'],
    [':app:1.0', 'groupId ""'],
    ['com/acme:app:1.0', 'groupId "com/acme"'],
    ['com.acme:a pp:1.0', 'artifactId "a pp"'],
    ['com.acme:äpp:1.0', 'artifactId "äpp"'],
    ['com.acme:app:', 'version ""'],
    ['com.acme:app:[1.0,2.0)', 'version "[1.0,2.0)"'],
    ['com.acme:app:1.*', 'version "1.*"'],
    ['com.acme:app:../x', 'version "../x"'],
    ['com.acme:app:j/r:1.0', 'slashes or spaces'],
    ['com.acme:app:jar:a/b:1.0', 'slashes or spaces'],
    ['com..acme:app:1.0', 'empty segment'],
    ['.com:app:1.0', 'empty segment'],
    ['com.acme:..:1.0', 'segment ".."'],
    ['com.acme:app:..', 'segment ".."'],
    ['com.acme:.app:1.0', 'begins with a dot'],
    ['com.acme:app:1;0', 'contains ;'],
    [`com.acme:${'a'.repeat(200)}:${'1'.repeat(60)}`, 'longer than 255'],
  ])('refuses %j', (text, detail) => {
    const parsed = parseCoordinates(text)
    expect(parsed).toMatchObject({ ok: false, error: { kind: 'bad-coordinates' } })
    expect(!parsed.ok && parsed.error.detail).toContain(detail)
  })

  it('gives back all coordinates that were formatted', () => {
    fc.assert(
      fc.property(anyCoordinates, (coordinates) => {
        expect(parseCoordinates(formatCoordinates(coordinates))).toEqual({
          ok: true,
          value: coordinates,
        })
      }),
    )
  })
})

describe('artifactPath', () => {
  it.each([
    ['com.acme:app:1.0', 'com/acme/app/1.0/app-1.0.jar'],
    ['g:a:tar.gz:bin:1.0', 'g/a/1.0/a-1.0-bin.tar.gz'],
    ['g:a::1.0', 'g/a/1.0/a-1.0'],
    ['g:a:1.0-SNAPSHOT', 'g/a/1.0-SNAPSHOT/a-1.0-SNAPSHOT.jar'],
    ['g:a:1.0-20240102.030405-6', 'g/a/1.0-SNAPSHOT/a-1.0-20240102.030405-6.jar'],
  ])('puts %s at %s', (text, path) => {
    const parsed = parseCoordinates(text)
    expect(parsed.ok && artifactPath(parsed.value)).toBe(path)
  })

  it('is a path that requests may have', () => {
    fc.assert(fc.property(anyCoordinates, (coordinates) => checkPath(artifactPath(coordinates)).ok))
  })
})
