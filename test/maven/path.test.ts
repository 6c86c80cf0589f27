import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkPath, encodePath, parseRequestUrl } from '../../src/maven/path.ts'

const ROOT = '/repository/releases/'

/** Characters that any segment may contain. */
const character = fc.constantFrom(
  ..."abzAZ019._-+~$@!%'(),=&{}[]^` ",
  'é',
  'ß',
  '中',
  '√',
  '\u{1f600}',
)
const segment = fc
  .string({ unit: character, minLength: 1, maxLength: 12 })
  .filter((text) => checkPath(text).ok)
const path = fc.array(segment, { minLength: 1, maxLength: 6 }).map((all) => all.join('/'))

describe('parseRequestUrl', () => {
  it('reads an ordinary target', () => {
    expect(parseRequestUrl(`${ROOT}com/acme/app/1.0/app-1.0.jar`)).toEqual({
      ok: true,
      value: {
        repository: 'releases',
        path: 'com/acme/app/1.0/app-1.0.jar',
        segments: ['com', 'acme', 'app', '1.0', 'app-1.0.jar'],
        isDirectory: false,
        authority: undefined,
      },
    })
  })

  it.each([
    ['/repository/releases', '', false],
    ['/repository/releases/', '', true],
    ['/repository/releases/com/acme/', 'com/acme', true],
    ['/repository/releases/com/acme', 'com/acme', false],
    ['/repository/r.1-x_Y/a', 'a', false],
    [`${ROOT}g/a/1.0..1/a-1.0..1.jar`, 'g/a/1.0..1/a-1.0..1.jar', false],
    [`${ROOT}g/a/1+b~c$d@e!f/x`, 'g/a/1+b~c$d@e!f/x', false],
    [`${ROOT}g/a%2B/1%2E0/%61-1.0.jar`, 'g/a+/1.0/a-1.0.jar', false],
    [`${ROOT}g/100%25/x`, 'g/100%/x', false],
    [`${ROOT}gr%C3%BC%C3%9Fe/%E4%B8%AD`, 'grüße/中', false],
    [`${ROOT}a%20b`, 'a b', false],
    [
      `${ROOT}.index/nexus-maven-repository-index.gz`,
      '.index/nexus-maven-repository-index.gz',
      false,
    ],
    [`${ROOT}.meta/prefixes.txt`, '.meta/prefixes.txt', false],
    [`${ROOT}${'x'.repeat(255)}`, 'x'.repeat(255), false],
    [`${ROOT}${'%C3%BC'.repeat(127)}`, 'ü'.repeat(127), false],
  ])('reads %s', (target, path, isDirectory) => {
    const parsed = parseRequestUrl(target)
    expect(parsed).toMatchObject({ ok: true, value: { path, isDirectory } })
    expect(parsed.ok && parsed.value.segments).toEqual(path === '' ? [] : path.split('/'))
  })

  it('reads an absolute-form target and keeps its authority', () => {
    expect(parseRequestUrl('HTTP://repo.acme.com:8080/repository/releases/a/b')).toMatchObject({
      ok: true,
      value: { repository: 'releases', path: 'a/b', authority: 'repo.acme.com:8080' },
    })
    expect(parseRequestUrl('http://[::1]:8080/repository/releases/a')).toMatchObject({
      ok: true,
      value: { authority: '[::1]:8080' },
    })
  })

  it.each([
    ['', 'not-a-repository-path'],
    ['*', 'not-a-repository-path'],
    ['/', 'not-a-repository-path'],
    ['/repository', 'not-a-repository-path'],
    ['/repositoryx/releases/a', 'not-a-repository-path'],
    ['//repository/releases/a', 'not-a-repository-path'],
    ['/%72epository/releases/a', 'not-a-repository-path'],
    ['/./repository/releases/a', 'not-a-repository-path'],
    ['/api/../repository/releases/a', 'not-a-repository-path'],
    ['repository/releases/a', 'not-a-repository-path'],
    ['http://user@host/repository/releases/a', 'not-a-repository-path'],
    ['ftp://host/repository/releases/a', 'not-a-repository-path'],
    ['http:/repository/releases/a', 'not-a-repository-path'],
    ['/repository/', 'repository-name'],
    ['/repository//releases/a', 'repository-name'],
    ['/repository/../releases/a', 'repository-name'],
    ['/repository/%2e%2e/releases/a', 'repository-name'],
    ['/repository/.hidden/a', 'repository-name'],
    ['/repository/-x/a', 'repository-name'],
    ['/repository/r%C3%BC/a', 'repository-name'],
    [`/repository/${'r'.repeat(65)}/a`, 'repository-name'],
    [`${ROOT}a?explain`, 'query'],
    [`${ROOT}a?`, 'query'],
    [`/repository/releases?x`, 'query'],
    [`${ROOT}a%`, 'bad-escape'],
    [`${ROOT}a%2`, 'bad-escape'],
    [`${ROOT}a%zz`, 'bad-escape'],
    [`${ROOT}a%u002e`, 'bad-escape'],
    [`${ROOT}a%2Fb`, 'encoded-slash'],
    [`${ROOT}..%2f..%2fetc/passwd`, 'encoded-slash'],
    [`${ROOT}%2F%2F%2F..%2F..%2Fetc%2Fpasswd`, 'encoded-slash'],
    ['/repository/releases%2fa', 'encoded-slash'],
    [`${ROOT}a%252fb`, 'double-encoded'],
    [`${ROOT}%252e%252e/a`, 'double-encoded'],
    [`${ROOT}a%255cb`, 'double-encoded'],
    [`${ROOT}a%2541`, 'double-encoded'],
    [`${ROOT}a%5Cb`, 'forbidden-character'],
    [`${ROOT}a\\b`, 'forbidden-character'],
    [`${ROOT}a.jar;/../../b.jar`, 'forbidden-character'],
    [`${ROOT}a%3Bb`, 'forbidden-character'],
    [`${ROOT}a%3Fb`, 'forbidden-character'],
    [`${ROOT}a#b`, 'forbidden-character'],
    [`${ROOT}a%23b`, 'forbidden-character'],
    [`${ROOT}a:b`, 'forbidden-character'],
    [`${ROOT}C:/windows`, 'forbidden-character'],
    [`${ROOT}<script>`, 'forbidden-character'],
    [`${ROOT}a%3E`, 'forbidden-character'],
    [`${ROOT}a|b`, 'forbidden-character'],
    [`${ROOT}a*b`, 'forbidden-character'],
    [`${ROOT}a%22b`, 'forbidden-character'],
    [`${ROOT}a b`, 'forbidden-character'],
    [`${ROOT}grüße`, 'forbidden-character'],
    [`${ROOT}a\r\nx`, 'forbidden-character'],
    [`${ROOT}a%00.jar`, 'control-character'],
    [`${ROOT}a%0D%0Ab`, 'control-character'],
    [`${ROOT}a%7F`, 'control-character'],
    [`${ROOT}a%C2%85`, 'control-character'],
    [`${ROOT}a%E2%80%AEraj`, 'control-character'],
    [`${ROOT}a%EF%BB%BF`, 'control-character'],
    [`${ROOT}a%E2%80%A8b`, 'control-character'],
    [`${ROOT}a%C0%AF`, 'bad-utf8'],
    [`${ROOT}%C0%AE%C0%AE/a`, 'bad-utf8'],
    [`${ROOT}%E0%80%AF`, 'bad-utf8'],
    [`${ROOT}%FF`, 'bad-utf8'],
    [`${ROOT}%C3`, 'bad-utf8'],
    [`${ROOT}%ED%A0%80`, 'bad-utf8'],
    [`${ROOT}%F5%80%80%80`, 'bad-utf8'],
    [`${ROOT}u%CC%88`, 'not-normalized'],
    [`${ROOT}%E2%84%AB`, 'not-normalized'],
    [`${ROOT}a//b`, 'empty-segment'],
    [`${ROOT}/a`, 'empty-segment'],
    [`${ROOT}a//`, 'empty-segment'],
    [`${ROOT}/`, 'empty-segment'],
    [`${ROOT}.`, 'dot-segment'],
    [`${ROOT}./a`, 'dot-segment'],
    [`${ROOT}a/../b`, 'dot-segment'],
    [`${ROOT}a/..`, 'dot-segment'],
    [`${ROOT}a/%2e%2E/b`, 'dot-segment'],
    [`${ROOT}a/.%2e/b`, 'dot-segment'],
    [`${ROOT}a/../`, 'dot-segment'],
    [`${ROOT}.nexus/attributes`, 'hidden-segment'],
    [`${ROOT}a/.meta/b`, 'hidden-segment'],
    [`${ROOT}.metadata`, 'hidden-segment'],
    [`${ROOT}a/.../b`, 'hidden-segment'],
    [`${ROOT}%2Ehtaccess`, 'hidden-segment'],
    [`${ROOT}${'x'.repeat(256)}`, 'too-long'],
    [`${ROOT}${'%C3%BC'.repeat(128)}`, 'too-long'],
    [`${ROOT}${'xxx/'.repeat(256)}x`, 'too-long'],
  ])('refuses %s: %s', (target, kind) => {
    const parsed = parseRequestUrl(target)
    expect(parsed).toMatchObject({ ok: false, error: { kind } })
    expect(!parsed.ok && parsed.error.detail).toMatch(/^[A-Z".].*\.$/s)
  })

  it('takes a path of 1,024 bytes', () => {
    const longest = `${'xxx/'.repeat(255)}xxxx`
    expect(parseRequestUrl(ROOT + longest)).toMatchObject({ ok: true, value: { path: longest } })
  })

  it('gives back every path that was encoded', () => {
    fc.assert(
      fc.property(path, fc.boolean(), (path, isDirectory) => {
        const parsed = parseRequestUrl(`${ROOT}${encodePath(path)}${isDirectory ? '/' : ''}`)
        expect(parsed).toMatchObject({
          ok: true,
          value: { path, segments: path.split('/'), isDirectory },
        })
      }),
    )
  })

  it('accepts only what checkPath accepts, whatever is sent', () => {
    const fragment = fc.constantFrom(
      'a',
      '.',
      '..',
      '/',
      '%2e',
      '%2f',
      '%25',
      '%5c',
      '%00',
      '%c0',
      '%',
      ';',
    )
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 8 }), (fragments) => {
        const parsed = parseRequestUrl(ROOT + fragments.join(''))
        if (!parsed.ok || parsed.value.path === '') return
        expect(checkPath(parsed.value.path)).toEqual({ ok: true, value: parsed.value.segments })
        expect(parsed.value.segments).not.toContain('..')
      }),
      { numRuns: 2_000 },
    )
  })

  it('agrees with itself on plain and on percent-encoded spellings', () => {
    const plainPath = fc
      .array(fc.string({ unit: fc.constantFrom(...'aZ09._-+~$@!'), minLength: 1, maxLength: 9 }), {
        minLength: 1,
        maxLength: 5,
      })
      .map((segments) => segments.join('/'))
    fc.assert(
      fc.property(plainPath, (path) => {
        const encoded = path.replace(/[a9]/g, (char) => `%${char.charCodeAt(0).toString(16)}`)
        expect(parseRequestUrl(ROOT + encoded)).toEqual(parseRequestUrl(ROOT + path))
      }),
    )
  })

  it('refuses text that no bytes can spell', () => {
    expect(checkPath('a\ud800')).toMatchObject({ error: { kind: 'control-character' } })
    expect(checkPath('')).toMatchObject({ error: { kind: 'empty-segment' } })
  })

  it('takes about a microsecond for an ordinary target', () => {
    const target = `${ROOT}org/apache/maven/plugins/maven-compiler-plugin/3.11.0/maven-compiler-plugin-3.11.0.pom`
    const rounds = 20_000
    const fastestMs = Math.min(
      ...Array.from({ length: 5 }, () => {
        const start = performance.now()
        for (let i = 0; i < rounds; i++) parseRequestUrl(target)
        return performance.now() - start
      }),
    )
    // Ten times what it takes on a slow machine, so that only a change of kind fails.
    expect((fastestMs * 1_000) / rounds).toBeLessThan(10)
  })
})
