import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { factsOf, isIoFile, readSources, type SourceFile } from './source.ts'

/**
 * Which folder may import which: `base ← storage ← cluster` and `base ← slice ← services`, which meet in `node ← cli`. A
 * service is loaded from its jar, so `node` imports none; the CLI reads coordinates and versions as the service does.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  storage: ['base'],
  cluster: ['base', 'storage'],
  slice: ['base'],
  maven: ['base', 'slice'],
  routing: ['base', 'slice'],
  cache: ['base', 'slice'],
  bootstrap: ['base', 'slice'],
  node: ['base', 'storage', 'cluster', 'slice'],
  cli: ['base', 'maven', 'node'],
}

/** Who uses a package. A package that does I/O or keeps module state stays out of the pure files. */
const PACKAGES: Readonly<Record<string, { in: readonly string[]; doesIo?: true }>> = {
  '@hono/node-server': { in: ['node'], doesIo: true },
  commander: { in: ['cli'], doesIo: true },
  got: { in: ['cli'], doesIo: true },
  hashring: { in: ['cluster'] },
  hono: { in: ['node'], doesIo: true },
  level: { in: ['storage'], doesIo: true },
  msgpackr: { in: ['storage', 'cluster', 'maven', 'cache'] },
  pino: { in: ['node'], doesIo: true },
  'prom-client': { in: ['node'], doesIo: true },
  semver: { in: ['slice', 'bootstrap', 'node'] },
  'smol-toml': { in: ['node', 'bootstrap'] },
  xml2js: { in: ['maven'] },
  yauzl: { in: ['slice', 'cli'], doesIo: true },
  zod: { in: ['slice', 'maven', 'routing', 'cache', 'bootstrap', 'node'] },
}

/** Every import in `files` that the two tables above do not allow. */
function layeringViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    factsOf(file).imports.flatMap(({ specifier, line }) => {
      if (specifier === undefined || specifier.startsWith('node:')) return []
      const refusal = specifier.startsWith('.')
        ? refuseFile(file.path, posix.join(posix.dirname(file.path), specifier))
        : refusePackage(file.path, specifier)
      return refusal === undefined ? [] : [`${file.path}:${line} imports ${specifier}: ${refusal}`]
    }),
  )
}

function refuseFile(from: string, to: string): string | undefined {
  const [fromFolder = '', toFolder = ''] = [from, to].map((path) => path.split('/')[1] ?? '')
  const allowed = MAY_IMPORT[fromFolder]
  if (allowed === undefined) return `src/${fromFolder} is not in the table of folders`
  if (!to.startsWith('src/')) return 'it is outside src'
  if (fromFolder !== toFolder && !allowed.includes(toFolder)) {
    return `${fromFolder} may import only ${allowed.join(', ') || 'nothing'}`
  }
  // A file sees its own folder and the folders around it; what is in another one it sees through the index.
  const isWithin = posix.dirname(from).startsWith(posix.dirname(to))
  const isOpen = isWithin || toFolder === 'base' || posix.basename(to) === 'index.ts'
  // An index has only pure code, or every pure file that imports it would reach I/O; I/O files meet by name.
  if (isOpen || (isIoFile(from) && isIoFile(to))) return undefined
  return 'across folders import index.ts only'
}

function refusePackage(from: string, specifier: string): string | undefined {
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
  const rule = PACKAGES[name]
  const folder = from.split('/')[1] ?? ''
  if (rule === undefined) return 'it is not in the table of packages'
  if (!rule.in.includes(folder)) return `only ${rule.in.join(', ')} may use it`
  if (rule.doesIo && !isIoFile(from))
    return 'it does I/O, and the name of this file does not say so'
  return undefined
}

test('the source keeps to the import table', () => {
  const files = readSources('src')
  expect(files.length).toBeGreaterThan(5)
  expect(layeringViolations(files)).toEqual([])
})

test.each([
  ['src/base/a.ts', '../storage/index.ts', 'base may import only nothing'],
  ['src/storage/a.ts', '../cluster/index.ts', 'storage may import only base'],
  ['src/cluster/dht/a.ts', '../../slice/index.ts', 'cluster may import only base, storage'],
  ['src/slice/a.ts', '../storage/index.ts', 'slice may import only base'],
  ['src/maven/a.ts', '../cluster/index.ts', 'maven may import only base, slice'],
  ['src/maven/a.ts', '../cache/index.ts', 'maven may import only base, slice'],
  ['src/node/a.ts', '../maven/index.ts', 'node may import only'],
  ['src/node/a.ts', '../cli/index.ts', 'node may import only'],
  ['src/cli/a.ts', '../storage/index.ts', 'cli may import only'],
  ['src/cli/a.ts', '../maven/version.ts', 'across folders import index.ts only'],
  ['src/cluster/a.ts', '../storage/level.disk.ts', 'across folders import index.ts only'],
  ['src/cluster/dht/a.ts', '../rabia/slot.ts', 'across folders import index.ts only'],
  ['src/cluster/a.ts', './rabia/slot.ts', 'across folders import index.ts only'],
  ['src/misc/a.ts', '../base/result.ts', 'not in the table of folders'],
  ['src/node/a.ts', '../../test/fixture.ts', 'outside src'],
  ['src/maven/a.ts', 'level', 'only storage may use it'],
  ['src/storage/a.ts', 'level', 'does I/O'],
  ['src/maven/http.ts', 'hono/tiny', 'only node may use it'],
  ['src/node/a.ts', 'left-pad', 'not in the table of packages'],
])('refuses %s importing %s', (path, specifier, reason) => {
  const planted = [
    `import { a } from '${specifier}'`,
    `import type { A } from '${specifier}'`,
    `export { a } from '${specifier}'`,
    `export * from '${specifier}'`,
    `import '${specifier}'`,
    `const a = await import('${specifier}')`,
    `type A = import('${specifier}').A`,
  ]
  for (const text of planted) {
    expect(layeringViolations([{ path, text }]), text).toEqual([expect.stringContaining(reason)])
  }
})

test.each([
  ['src/base/port.ts', './result.ts'],
  ['src/cluster/dht/a.ts', '../../base/result.ts'],
  ['src/cluster/dht/a.ts', '../wire.ts'],
  ['src/cluster/dht/a.ts', '../rabia/index.ts'],
  ['src/node/a.ts', '../storage/level.disk.ts'],
  ['src/cli/a.ts', '../maven/index.ts'],
  ['src/storage/level.disk.ts', 'level'],
  ['src/node/a.ts', '@hono/node-server/conninfo'],
])('accepts %s importing %s', (path, specifier) => {
  expect(layeringViolations([{ path, text: `import { a } from '${specifier}'` }])).toEqual([])
})

test('import text in comments and strings is not an import', () => {
  const text = "// import 'level'\nexport const a = \"import 'level'\" + /import 'level'/.source\n"
  expect(layeringViolations([{ path: 'src/base/a.ts', text }])).toEqual([])
})
