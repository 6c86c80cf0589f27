import { describe, expect, it } from 'vitest'
import {
  CHECKSUM_ALGORITHMS,
  CHECKSUM_FILE_BYTES_MAX,
  type ChecksumAlgorithm,
  checksumExtension,
  parseChecksumFile,
} from '../../src/maven/checksum.ts'

const MD5 = '0cc175b9c0f1b6a831c399e269772661'
const SHA1 = '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8'
const SHA256 = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'
const SHA512 =
  '1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75'

/** As `gpg --print-md` prints: groups of `size` digits, a wider gap in the middle. */
function grouped(digest: string, size: number): string {
  const groups = digest.toUpperCase().match(new RegExp(`.{${size}}`, 'g')) ?? []
  const middle = groups.length / 2
  return `${groups.slice(0, middle).join(' ')}  ${groups.slice(middle).join(' ')}`
}

describe('parseChecksumFile', () => {
  it.each<[string, ChecksumAlgorithm, string]>([
    [MD5, 'md5', MD5],
    [SHA1, 'sha1', SHA1],
    [SHA256, 'sha256', SHA256],
    [SHA512, 'sha512', SHA512],
    [SHA1.toUpperCase(), 'sha1', SHA1],
    [`${SHA1}\n`, 'sha1', SHA1],
    [`  ${SHA1}\r\n\r\n`, 'sha1', SHA1],
    [`${SHA1} pom.xml`, 'sha1', SHA1],
    [`${MD5}        pom.xml`, 'md5', MD5],
    [`${SHA256}  target/app-1.0.jar\n`, 'sha256', SHA256],
    [`${SHA1} *app-1.0.jar\n`, 'sha1', SHA1],
    [`${SHA1}  -\n`, 'sha1', SHA1],
    [`${SHA1}\tdead beef.jar`, 'sha1', SHA1],
    [`MD5 (pom.xml) = ${MD5}`, 'md5', MD5],
    [`MD5(pom.xml)= ${MD5}\n`, 'md5', MD5],
    [`SHA1 (a (1).jar) = ${SHA1}`, 'sha1', SHA1],
    [`SHA2-256(app.jar)= ${SHA256}`, 'sha256', SHA256],
    [`ant-1.5.jar: ${grouped(MD5, 2)}`, 'md5', MD5],
    [`ant-1.5.jar: ${grouped(SHA1, 4)}`, 'sha1', SHA1],
    [`ant-1.5.jar: ${grouped(SHA256, 8).replace('  ', '\n             ')}\n`, 'sha256', SHA256],
    [`ant-1.5.jar: ${grouped(SHA512, 8).replaceAll(/(.{36}) /g, '$1\n')}`, 'sha512', SHA512],
    [grouped(MD5, 2), 'md5', MD5],
    [grouped(SHA1, 4), 'sha1', SHA1],
    [`${grouped(MD5, 2)}     pom.xml`, 'md5', MD5],
    [`${grouped(SHA1, 4)}     pom.xml`, 'sha1', SHA1],
    ['0123456789abcdef0123456789abcdef0123456', 'sha1', '00123456789abcdef0123456789abcdef0123456'],
    ['f1b6a831c399e269772661aaaaaa', 'md5', '0000f1b6a831c399e269772661aaaaaa'],
  ])('reads %j', (text, algorithm, digest) => {
    expect(parseChecksumFile(text, algorithm)).toEqual({ ok: true, value: digest })
  })

  it.each<[string, ChecksumAlgorithm]>([
    ['', 'sha1'],
    ['   \n', 'sha1'],
    ['123456', 'md5'],
    ['902a360Xcad98a34b59863c1e65bcf71', 'md5'],
    [MD5, 'sha1'],
    [SHA1, 'md5'],
    [SHA256, 'sha512'],
    [`${SHA1}ab`, 'sha1'],
    [SHA1.slice(5), 'sha1'],
    [`sha1: ${SHA1.slice(1)}x`, 'sha1'],
    [`pom.xml ${SHA1}`, 'sha1'],
    [`${grouped(SHA1, 4)} 1234`, 'sha1'],
    ['<html><body>404 Not Found</body></html>', 'sha1'],
  ])('refuses %j as %s', (text, algorithm) => {
    expect(parseChecksumFile(text, algorithm)).toMatchObject({
      ok: false,
      error: { kind: 'not-a-checksum' },
    })
  })

  it('refuses a file that is too large for a checksum', () => {
    const text = SHA1.padEnd(CHECKSUM_FILE_BYTES_MAX + 1)
    expect(parseChecksumFile(text, 'sha1')).toMatchObject({ error: { kind: 'too-large' } })
    expect(parseChecksumFile(text.slice(0, -1), 'sha1')).toEqual({ ok: true, value: SHA1 })
  })

  it('gives up quickly on text made to be hard', () => {
    const start = performance.now()
    for (const text of [
      'aa '.repeat(1_365),
      'aa: '.repeat(1_024),
      `${'aaaa '.repeat(800)}\n-\n-`,
    ]) {
      expect(parseChecksumFile(text, 'sha512').ok).toBe(false)
    }
    expect(performance.now() - start).toBeLessThan(500)
  })
})

describe('checksumExtension', () => {
  it.each(CHECKSUM_ALGORITHMS)('knows .%s', (algorithm) => {
    expect(checksumExtension(`g/a/1/a-1.jar.${algorithm}`)).toEqual({
      algorithm,
      target: 'g/a/1/a-1.jar',
    })
  })

  it.each(['a.jar', 'sha1', 'a/sha1', 'a.SHA1', 'a.xsha1', 'a.sha1.asc', 'a.sha384', 'a.sha1/'])(
    'finds none in %s',
    (path) => {
      expect(checksumExtension(path)).toBeUndefined()
    },
  )
})
