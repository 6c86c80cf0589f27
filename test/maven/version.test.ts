import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  baseVersionOf,
  compareVersions,
  isSnapshot,
  sortVersions,
} from '../../src/maven/version.ts'

type Row = { readonly a: string; readonly b: string; readonly generic: number }

/** Answers of maven-resolver's own class. */
const rows: readonly Row[] = readFileSync(
  new URL('../fixture/maven-version-order.jsonl', import.meta.url),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line))

const ordinary = fc
  .tuple(
    fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }),
    fc.array(
      fc.tuple(
        fc.constantFrom('-', '.', '_', ''),
        fc.constantFrom('alpha', 'b1', 'M2', 'rc-1', 'SNAPSHOT', 'ga', 'sp', 'jre', '1'),
      ),
      { maxLength: 2 },
    ),
  )
  .map(([numbers, words]) => numbers.join('.') + words.flat().join(''))

const odd = fc.string({
  unit: fc.constantFrom('0', '1', '9', 'a', 'm', 'x', 'G', '.', '-', '_', 'ga', 'max', 'é'),
})

describe('compareVersions', () => {
  it('gives the 4,500 answers of maven-resolver, in both directions', () => {
    expect(rows.length).toBe(4_500)
    const wrong = rows.filter(
      ({ a, b, generic }) =>
        sign(a, b) !== generic || sign(b, a) !== (generic === 0 ? 0 : -generic),
    )
    expect(wrong).toEqual([])
  })

  it.each([
    ['', '0', 0],
    ['1', '1.0.0', 0],
    ['1', '1-ga', 0],
    ['1.0-ga', '1.0-FINAL', 0],
    ['1.0-rc1', '1.0-CR1', 0],
    ['1_1', '1-1', 0],
    ['01', '1', 0],
    ['1a1', '1-alpha-1', 0],
    ['1m1', '1-milestone-1', 0],
    ['1b', '1-beta', 1],
    ['1-snapshot', '1', -1],
    ['1-sp', '1', 1],
    ['1-sp', '1-foo', -1],
    ['1-foo', '1.1', -1],
    ['1.0-2', '1.0.0.1', 1],
    ['1.10', '1.9', 1],
    ['1.99999999999999999999', '1.100000000000000000000', -1],
    ['1.min', '1.0', -1],
    ['1.max', '1.999999999999', 1],
    ['1.max.1', '1.2', -1],
    ['1.٣', '1.2', -1],
    ['a', '1', -1],
    ['a', '0', 0],
    ['b', '0-final-SP', 0],
    ['alpha', '0_b-MAX', 0],
    ['0.SP.2', 'zz-007', 0],
  ])('compares %s with %s: %i', (a, b, expected) => {
    expect(sign(a, b)).toBe(expected)
    expect(sign(b, a)).toBe(expected === 0 ? 0 : -expected)
  })

  it('is antisymmetric for any texts', () => {
    fc.assert(fc.property(odd, odd, (a, b) => sign(a, b) + sign(b, a) === 0))
    fc.assert(fc.property(odd, (a) => sign(a, a) === 0))
  })

  it('is transitive for versions that begin with a number', () => {
    fc.assert(
      fc.property(ordinary, ordinary, ordinary, (a, b, c) => {
        const [low, middle, high] = [a, b, c].sort(compareVersions) as [string, string, string]
        return sign(low, middle) <= 0 && sign(middle, high) <= 0 && sign(low, high) <= 0
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('sortVersions', () => {
  it('sorts by the order, then by text, and drops duplicates', () => {
    expect(sortVersions(['1.10', '1.0', '2', '1', '1.9', '1.0', '1-rc1'])).toEqual([
      '1-rc1',
      '1',
      '1.0',
      '1.9',
      '1.10',
      '2',
    ])
  })

  it('does not depend on the order of its input', () => {
    fc.assert(
      fc.property(fc.array(odd), (versions) => {
        expect(sortVersions(versions.toReversed())).toEqual(sortVersions(versions))
      }),
    )
  })

  it('sorts a thousand versions in milliseconds', () => {
    const versions = Array.from(
      { length: 1_000 },
      (_, i) => `${i % 7}.${i % 31}.${i}-beta-${i % 3}`,
    )
    const fastestMs = Math.min(
      ...Array.from({ length: 5 }, () => {
        const start = performance.now()
        sortVersions(versions)
        return performance.now() - start
      }),
    )
    expect(fastestMs).toBeLessThan(20)
  })
})

describe('isSnapshot and baseVersionOf', () => {
  it.each([
    ['1.0-SNAPSHOT', '1.0-SNAPSHOT'],
    ['SNAPSHOT', 'SNAPSHOT'],
    ['1.0-20240102.030405-6', '1.0-SNAPSHOT'],
    ['2.4.2-64-20240102.030405-16', '2.4.2-64-SNAPSHOT'],
    ['20240102.030405-6', 'SNAPSHOT'],
  ])('%s is a snapshot of %s', (version, baseVersion) => {
    expect(isSnapshot(version)).toBe(true)
    expect(baseVersionOf(version)).toBe(baseVersion)
  })

  it.each([
    '1.0',
    '0.0.1SNAPSHOT',
    '0.0.1.SNAPSHOT',
    '1.0-snapshot',
    '1.0-SNAPSHOT-1234',
    '1.0-20240102.030405',
    '1.020240102.030405-6',
    '1.0-20240102.030405-6-jdk8',
    '',
  ])('%s is a release', (version) => {
    expect(isSnapshot(version)).toBe(false)
    expect(baseVersionOf(version)).toBe(version)
  })
})

function sign(a: string, b: string): number {
  return Math.sign(compareVersions(a, b)) + 0
}
