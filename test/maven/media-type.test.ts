import { describe, expect, it } from 'vitest'
import { parseLayout } from '../../src/maven/layout.ts'
import { isCompressible, isImmutable, mediaTypeOf } from '../../src/maven/media-type.ts'

describe('mediaTypeOf and isCompressible', () => {
  it.each([
    ['g/a/1/a-1.pom', 'application/xml', true],
    ['g/a/maven-metadata.xml', 'application/xml', true],
    ['g/a/1/a-1.module', 'application/json', true],
    ['g/a/1/a-1.jar.sigstore.json', 'application/json', true],
    ['g/a/1/a-1.jar.asc', 'text/plain; charset=utf-8', true],
    ['g/a/1/a-1.jar.SHA1', 'text/plain; charset=utf-8', true],
    ['g/a/1/a-1.jar', 'application/java-archive', false],
    ['g/a/1/a-1-bin.tar.gz', 'application/gzip', false],
    ['g/a/1/a-1', 'application/octet-stream', false],
    ['g/a/1/a-1.constructor', 'application/octet-stream', false],
  ])('%s is %s', (path, mediaType, compressible) => {
    expect(mediaTypeOf(path)).toBe(mediaType)
    expect(isCompressible(path)).toBe(compressible)
  })

  it.each(['html', 'HTM', 'svg', 'xhtml', 'js', 'mjs', 'shtml', 'swf'])(
    'gives .%s no type that a browser runs',
    (extension) => {
      expect(mediaTypeOf(`g/a/1/a-1.${extension}`)).toMatch(
        /^(?:text\/plain; charset=utf-8|application\/octet-stream)$/,
      )
    },
  )
})

describe('isImmutable', () => {
  it.each([
    ['g/a/1/a-1.jar', true],
    ['g/a/1/a-1.jar.sha1', true],
    ['g/a/1/a-1.jar.asc', true],
    ['g/a/1-SNAPSHOT/a-1-20240102.030405-6.jar', true],
    ['g/a/1-SNAPSHOT/a-1-20240102.030405-6.jar.md5', true],
    ['g/a/1-SNAPSHOT/a-1-SNAPSHOT.jar', false],
    ['g/a/1-SNAPSHOT/a-1-SNAPSHOT.jar.sha1', false],
    ['g/a/maven-metadata.xml', false],
    ['g/a/maven-metadata.xml.sha1', false],
    ['archetype-catalog.xml', false],
  ])('%s: %s', (path, expected) => {
    expect(isImmutable(parseLayout(path))).toBe(expected)
  })
})
