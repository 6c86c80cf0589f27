import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { artifactPath } from '../../src/maven/coordinates.ts'
import { parseLayout } from '../../src/maven/layout.ts'
import {
  artifactMetadata,
  type FileFact,
  groupMetadata,
  listedVersions,
  type Metadata,
  mergeMetadata,
  nextSnapshotBuild,
  resolveSnapshotAlias,
  snapshotMetadata,
  timestampedVersion,
} from '../../src/maven/metadata.ts'
import { baseVersionOf } from '../../src/maven/version.ts'
import { anyMetadata } from './fixture.ts'

const APP = { groupId: 'g', artifactId: 'a' }
const T0 = Date.UTC(2024, 0, 2, 3, 4, 5, 678)

/** The fact of a file with the name `a-<rest>`. */
function fact(rest: string, more: Partial<FileFact> = {}): FileFact {
  const [version = ''] = /^.*?(?=-sources|\.(?![0-9])|$)/.exec(rest) ?? []
  return factOf(`g/a/${baseVersionOf(version)}/a-${rest}`, more)
}

function factOf(path: string, more: Partial<FileFact>): FileFact {
  const layout = parseLayout(path)
  if (layout.kind !== 'artifact') throw new Error(`${path} is no artifact`)
  const { baseVersion, fileVersion, snapshot, coordinates } = layout
  const { classifier, extension } = coordinates
  const timeMs = T0
  const quarantined = false
  return {
    path,
    baseVersion,
    fileVersion,
    snapshot,
    classifier,
    extension,
    timeMs,
    quarantined,
    ...more,
  }
}

function release(version: string, timeMs = T0): FileFact[] {
  return [fact(`${version}.jar`, { timeMs }), fact(`${version}.pom`, { timeMs, packaging: 'jar' })]
}

/** Few enough that files of one version and of one build meet. */
const anyFactVersion = fc.constantFrom(
  ...['1', '1.0', '2-rc1', '2', '1-SNAPSHOT', '1-20240102.030405-6', '1-20240102.030405-06'],
  ...['1-20240102.030405-10', '1-20240103.000000-2', '2-20240103.000000-2'],
)
const anyFact: fc.Arbitrary<FileFact> = fc
  .record({
    version: anyFactVersion,
    classifier: fc.constantFrom(undefined, undefined, 'sources'),
    extension: fc.constantFrom('jar', 'pom', 'jar.asc'),
    timeMs: fc.integer({ min: T0, max: T0 + 9_999 }),
    packaging: fc.constantFrom('pom', 'jar', undefined),
    quarantined: fc.boolean(),
    literal: fc.boolean(),
  })
  .map(({ version, classifier, extension, ...more }) => {
    const coordinates = { ...APP, version, extension, ...(classifier && { classifier }) }
    return factOf(artifactPath(coordinates), more)
  })
const anyFacts = fc.uniqueArray(anyFact, { selector: ({ path }) => path, maxLength: 12 })

describe('listedVersions', () => {
  it.each<[string, FileFact[], string[]]>([
    ['a main file and its POM', release('1.0'), ['1.0']],
    ['a POM of packaging pom alone', [fact('1.0.pom', { packaging: 'pom' })], ['1.0']],
    ['a POM alone', [fact('1.0.pom', { packaging: 'jar' })], []],
    ['a POM that could not be read, alone', [fact('1.0.pom')], []],
    ['a POM of a packaging made of properties', [fact('1.0.pom', { packaging: '${p}' })], []],
    ['a main file alone', [fact('1.0.jar')], []],
    ['a main file of any extension', [fact('1.0.pom'), fact('1.0.tar.gz')], ['1.0']],
    ['a main file without extension', [fact('1.0.pom'), fact('1.0')], ['1.0']],
    ['a POM with a classified file', [fact('1.0.pom'), fact('1.0-sources.jar')], []],
    ['a classified POM', [fact('1.0-sources.pom', { packaging: 'pom' }), fact('1.0.jar')], []],
    ['a POM with a Gradle module', [fact('1.0.pom'), fact('1.0.module')], []],
    ['a POM with a signature', [fact('1.0.pom'), fact('1.0.jar.asc')], []],
    ['a POM with a bundle', [fact('1.0.pom'), fact('1.0.pom.sigstore.json')], []],
    ['a quarantined main file', [fact('1.0.pom'), fact('1.0.jar', { quarantined: true })], []],
    ['a quarantined POM', [fact('1.0.pom', { quarantined: true }), fact('1.0.jar')], []],
    ['files of different versions', [fact('1.0.pom'), fact('1.1.jar')], []],
    [
      'two builds of a snapshot',
      [fact('1-20240102.030405-1.pom'), fact('1-20240102.030406-2.jar')],
      ['1-SNAPSHOT'],
    ],
    ['literal snapshot files', [fact('1-SNAPSHOT.pom'), fact('1-SNAPSHOT.jar')], ['1-SNAPSHOT']],
  ])('decides on %s', (_, facts, versions) => {
    expect(listedVersions(facts, [])).toEqual(versions)
  })

  it('lists what a client has named when it has any file that readers see', () => {
    const marks = ['1.0', '1.1', '1.2'].map((version) => ({ version, timeMs: T0 }))
    const facts = [fact('1.0.pom'), fact('1.1.pom', { quarantined: true })]
    expect(listedVersions(facts, marks)).toEqual(['1.0'])
  })

  it('sorts by version', () => {
    const facts = ['1.10', '1.9', '2-rc1', '2', '1.9.1-SNAPSHOT'].flatMap((version) =>
      release(version),
    )
    expect(listedVersions(facts, [])).toEqual(['1.9', '1.9.1-SNAPSHOT', '1.10', '2-rc1', '2'])
  })
})

describe('artifactMetadata', () => {
  it('names the highest versions and the newest time', () => {
    const facts = [...release('1.0', T0 + 60_000), ...release('1.1-SNAPSHOT'), ...release('0.9')]
    expect(artifactMetadata(APP, facts, [])).toEqual({
      groupId: 'g',
      artifactId: 'a',
      latest: '1.1-SNAPSHOT',
      release: '1.0',
      versions: ['0.9', '1.0', '1.1-SNAPSHOT'],
      lastUpdated: '20240102030505',
      snapshotVersions: [],
      plugins: [],
    })
  })

  it('has no release when all versions are snapshots', () => {
    expect(artifactMetadata(APP, release('1-SNAPSHOT'), [])).not.toHaveProperty('release')
  })

  it('takes its time from what is listed: files that readers see, and what clients named', () => {
    const late = T0 + 3_600_000
    const facts = [
      ...release('1.0'),
      fact('1.0-sources.jar', { timeMs: late, quarantined: true }),
      fact('2.0.jar', { timeMs: late }),
    ]
    const marks = [
      { version: '1.0', timeMs: T0 + 1_000 },
      { version: '3.0', timeMs: late },
    ]
    expect(artifactMetadata(APP, facts, [])).toMatchObject({ lastUpdated: '20240102030405' })
    expect(artifactMetadata(APP, facts, marks)).toMatchObject({ lastUpdated: '20240102030406' })
  })

  it('is undefined when no version is listed', () => {
    expect(artifactMetadata(APP, [], [])).toBeUndefined()
    expect(artifactMetadata(APP, [fact('1.0.pom')], [])).toBeUndefined()
  })

  it('does not depend on the order of the records', () => {
    const anyMarks = fc.array(fc.record({ version: anyFactVersion, timeMs: fc.constant(T0) }))
    fc.assert(
      fc.property(anyFacts, anyMarks, (facts, marks) => {
        expect(artifactMetadata(APP, facts.toReversed(), marks.toReversed())).toEqual(
          artifactMetadata(APP, facts, marks),
        )
      }),
    )
  })
})

describe('snapshotMetadata', () => {
  const SNAPSHOT = { ...APP, baseVersion: '1-SNAPSHOT' }

  it('names the newest build, and for each file the newest that has it', () => {
    const facts = [
      fact('1-20240102.030405-1.jar'),
      fact('1-20240102.030405-1.pom'),
      fact('1-20240102.030405-1-sources.jar'),
      fact('1-20240103.000000-2.pom', { timeMs: T0 + 1_000 }),
      fact('1-20240103.000000-2.jar'),
      fact('1-20240103.000000-2.jar.asc'),
      fact('2-20240104.000000-3.jar'),
      fact('1-SNAPSHOT.war', { timeMs: T0 + 9_000 }),
      fact('1-20240105.000000-4.jar', { quarantined: true, timeMs: T0 + 9_000 }),
    ]
    const second = { value: '1-20240103.000000-2', updated: '20240103000000' }
    expect(snapshotMetadata(SNAPSHOT, facts)).toEqual({
      groupId: 'g',
      artifactId: 'a',
      version: '1-SNAPSHOT',
      versions: [],
      snapshot: { timestamp: '20240103.000000', buildNumber: 2 },
      snapshotVersions: [
        { extension: 'jar', ...second },
        { extension: 'jar.asc', ...second },
        { extension: 'pom', ...second },
        {
          classifier: 'sources',
          extension: 'jar',
          value: '1-20240102.030405-1',
          updated: '20240102030405',
        },
      ],
      lastUpdated: '20240102030406',
      plugins: [],
    })
  })

  it.each([
    ['an earlier timestamp with a higher number', '20240102.030405-9', '20240102.030406-1'],
    ['a lower number of the same second', '20240102.030405-9', '20240102.030405-10'],
  ])('prefers a build to one of %s', (_, older, newer) => {
    const metadata = snapshotMetadata(SNAPSHOT, [fact(`1-${newer}.jar`), fact(`1-${older}.jar`)])
    expect(metadata?.snapshotVersions).toMatchObject([{ value: `1-${newer}` }])
    expect(metadata?.snapshot?.buildNumber).toBe(Number(newer.slice(16)))
  })

  it('is undefined without timestamped files', () => {
    expect(snapshotMetadata(SNAPSHOT, [fact('1-SNAPSHOT.jar'), fact('1.jar')])).toBeUndefined()
  })

  it('does not depend on the order of the records', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        for (const { baseVersion } of facts) {
          const directory = { ...APP, baseVersion }
          expect(snapshotMetadata(directory, facts.toReversed())).toEqual(
            snapshotMetadata(directory, facts),
          )
        }
      }),
    )
  })
})

describe('groupMetadata', () => {
  it('lists each plugin once, by artifact', () => {
    const one = { prefix: 'one', artifactId: 'one-maven-plugin', name: 'One' }
    const two = { prefix: 'two', artifactId: 'a-two-plugin' }
    const nameless = { prefix: 'one', artifactId: 'one-maven-plugin' }
    expect(groupMetadata([one, two, one, nameless])).toEqual({
      versions: [],
      snapshotVersions: [],
      plugins: [two, one],
    })
  })

  it('is undefined without plugins', () => {
    expect(groupMetadata([])).toBeUndefined()
  })
})

describe('mergeMetadata', () => {
  const nothing: Metadata = { versions: [], snapshotVersions: [], plugins: [] }
  const merge = (...members: (Metadata | undefined)[]) =>
    mergeMetadata(members.filter((member) => member !== undefined))

  it('has every version, and the highest as release and latest', () => {
    expect(
      merge(
        artifactMetadata(APP, [...release('1.0'), ...release('3-SNAPSHOT')], []),
        artifactMetadata(APP, [...release('1.0'), ...release('2.0', T0 + 1_000)], []),
      ),
    ).toEqual({
      ...nothing,
      groupId: 'g',
      artifactId: 'a',
      latest: '3-SNAPSHOT',
      release: '2.0',
      versions: ['1.0', '2.0', '3-SNAPSHOT'],
      lastUpdated: '20240102030406',
    })
  })

  it('believes a release that no version list has', () => {
    expect(
      merge({ ...nothing, release: '5' }, { ...nothing, versions: ['4'], latest: '4' }),
    ).toMatchObject({ latest: '5', release: '5', versions: ['4'] })
  })

  it('has the newest build and, for each file, the newest version', () => {
    const entry = (extension: string, value: string) => ({
      extension,
      value,
      updated: value.slice(2, 10) + value.slice(11, 17),
    })
    const first = entry('jar', '1-20240102.030405-9')
    const second = entry('jar', '1-20240102.030405-10')
    const pom = entry('pom', '1-20240102.030405-9')
    expect(
      merge(
        {
          ...nothing,
          snapshot: { timestamp: '20240102.030405', buildNumber: 10 },
          snapshotVersions: [second],
        },
        {
          ...nothing,
          snapshot: { timestamp: '20240102.030405', buildNumber: 9 },
          snapshotVersions: [first, pom],
        },
      ),
    ).toMatchObject({
      snapshot: { buildNumber: 10 },
      snapshotVersions: [second, pom],
    })
  })

  it('joins a directory as a group and as an artifact', () => {
    const plugins = [{ prefix: 'p', artifactId: 'p-maven-plugin' }]
    expect(merge(groupMetadata(plugins), artifactMetadata(APP, release('1'), []))).toMatchObject({
      artifactId: 'a',
      versions: ['1'],
      plugins,
    })
  })

  it('is undefined without members', () => {
    expect(mergeMetadata([])).toBeUndefined()
  })

  it('is commutative and associative, and the same for members given twice', () => {
    fc.assert(
      fc.property(anyMetadata, anyMetadata, anyMetadata, (a, b, c) => {
        const all = merge(a, b, c)
        expect(merge(c, a, b)).toEqual(all)
        expect(merge(merge(a, b), c)).toEqual(all)
        expect(merge(a, merge(b, c))).toEqual(all)
        expect(merge(a, b, c, a, b, c)).toEqual(all)
        expect(merge(all)).toEqual(all)
      }),
      { numRuns: 500 },
    )
  })

  it('changes nothing in what is derived from records', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const derived = [
          artifactMetadata(APP, facts, []),
          ...facts.map(({ baseVersion }) => snapshotMetadata({ ...APP, baseVersion }, facts)),
        ]
        for (const metadata of derived) expect(merge(metadata, metadata)).toEqual(metadata)
      }),
    )
  })
})

describe('resolveSnapshotAlias', () => {
  const jar = { baseVersion: '1-SNAPSHOT', extension: 'jar' }
  const first = fact('1-20240102.030405-1.jar')
  const second = fact('1-20240103.000000-2.jar', { timeMs: T0 - 1_000 })
  const sources = fact('1-20240104.000000-3-sources.jar')
  const literal = fact('1-SNAPSHOT.jar')

  it('finds the file of the newest build that has it', () => {
    expect(resolveSnapshotAlias([second, sources, first], jar)).toBe(second)
    expect(resolveSnapshotAlias([first, sources], { ...jar, classifier: 'sources' })).toBe(sources)
  })

  it('finds a literally named file when its record is newer', () => {
    expect(resolveSnapshotAlias([literal], jar)).toBe(literal)
    expect(resolveSnapshotAlias([first, second, literal], jar)).toBe(literal)
    expect(resolveSnapshotAlias([literal, first], jar)).toBe(first)
    expect(resolveSnapshotAlias([first, { ...literal, timeMs: T0 - 1 }], jar)).toBe(first)
  })

  it('sees no other files and none in quarantine', () => {
    const facts = [fact('1-20240102.030405-1.pom'), fact('2-20240102.030405-1.jar'), fact('1.jar')]
    expect(resolveSnapshotAlias(facts, jar)).toBeUndefined()
    expect(resolveSnapshotAlias([first, { ...second, quarantined: true }], jar)).toBe(first)
  })

  it('finds the file that the metadata name', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const timestamped = facts.filter(({ snapshot }) => snapshot?.kind === 'timestamped')
        for (const { baseVersion } of timestamped) {
          const metadata = snapshotMetadata({ ...APP, baseVersion }, timestamped)
          for (const { classifier, extension, value } of metadata?.snapshotVersions ?? []) {
            const alias = resolveSnapshotAlias(timestamped, { baseVersion, classifier, extension })
            expect(alias?.fileVersion).toBe(value)
          }
        }
      }),
    )
  })
})

describe('nextSnapshotBuild', () => {
  const jar = { baseVersion: '1-SNAPSHOT', extension: 'jar' }
  const pom = { baseVersion: '1-SNAPSHOT', extension: 'pom' }
  const ofServer = fact('1-20240102.030405-4.jar', { literal: true })
  const build = { timestamp: '20240102.030405', buildNumber: 4 }

  it('begins with 1 at the time given', () => {
    expect(nextSnapshotBuild([], jar, T0)).toEqual({ timestamp: '20240102.030405', buildNumber: 1 })
    expect(nextSnapshotBuild([fact('2-20240102.030405-7.jar')], jar, T0).buildNumber).toBe(1)
    expect(nextSnapshotBuild([fact('1-SNAPSHOT.jar')], jar, T0).buildNumber).toBe(1)
  })

  it('joins the newest build when the server made it and it lacks the file', () => {
    expect(nextSnapshotBuild([ofServer], pom, T0 + 5_000)).toEqual(build)
    expect(nextSnapshotBuild([ofServer], { ...jar, classifier: 'x' }, T0 + 5_000)).toEqual(build)
  })

  it('makes a new build when the newest has the file', () => {
    expect(nextSnapshotBuild([ofServer], jar, T0 + 5_000)).toEqual({
      timestamp: '20240102.030410',
      buildNumber: 5,
    })
  })

  it('lets a file in quarantine be replaced in its build', () => {
    expect(nextSnapshotBuild([{ ...ofServer, quarantined: true }], jar, T0 + 5_000)).toEqual(build)
  })

  it('joins no build that a client made', () => {
    expect(nextSnapshotBuild([{ ...ofServer, literal: false }], pom, T0).buildNumber).toBe(5)
    expect(
      nextSnapshotBuild([ofServer, fact('1-20240103.000000-5.jar')], pom, T0).buildNumber,
    ).toBe(6)
    expect(
      nextSnapshotBuild([ofServer, fact('1-20240102.030405-4.war')], pom, T0).buildNumber,
    ).toBe(5)
  })

  it('is newer than every build, though their clocks were ahead or their numbers higher', () => {
    const ahead = fact('1-20991231.235959-2.jar')
    expect(nextSnapshotBuild([ofServer, ahead], jar, T0)).toEqual({
      timestamp: '20991231.235959',
      buildNumber: 5,
    })
  })

  it('makes what is uploaded literally the file that its literal name stands for', () => {
    fc.assert(
      fc.property(anyFacts, fc.constantFrom(jar, pom), (facts, file) => {
        const before = facts.filter(({ snapshot }) => snapshot?.kind !== 'literal')
        const version = timestampedVersion(file.baseVersion, nextSnapshotBuild(before, file, T0))
        const uploaded = fact(`${version}.${file.extension}`, { literal: true })
        const after = [...before.filter(({ path }) => path !== uploaded.path), uploaded]
        expect(resolveSnapshotAlias(after, file)).toBe(uploaded)
      }),
    )
  })
})

describe('timestampedVersion', () => {
  it('puts the build in the place of SNAPSHOT', () => {
    const build = { timestamp: '20240102.030405', buildNumber: 6 }
    expect(timestampedVersion('1.0-rc-SNAPSHOT', build)).toBe('1.0-rc-20240102.030405-6')
    expect(baseVersionOf(timestampedVersion('1.0-rc-SNAPSHOT', build))).toBe('1.0-rc-SNAPSHOT')
  })
})
