import { expect, test } from 'vitest'
import { factsOf, isIoFile, readSources, type SourceFile } from './source.ts'

/** What a pure file may take from the platform: functions of their arguments, and types it only passes on. */
const PURE_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  'node:crypto': ['createCipheriv', 'createHash', 'createHmac', 'hash', 'timingSafeEqual'],
  'node:http': ['IncomingMessage', 'ServerResponse'],
  'node:zlib': ['crc32'],
}

/** Time, randomness and the outside world, as they are reached without an import. */
const IMPURE_USES: ReadonlySet<string> = new Set([
  ...['Date.now', 'new Date()', 'Date()', 'Math.random', 'crypto', 'performance'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'],
  ...['clearTimeout', 'clearInterval', 'clearImmediate'],
  ...['process', 'globalThis', 'console', 'fetch', 'navigator', 'WebSocket', 'EventSource'],
])

/** Every place in the pure files of `files` that reaches outside of the program. */
function purityViolations(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => !isIoFile(file.path))
    .flatMap((file) => {
      const { imports, uses } = factsOf(file)
      const imported = imports.flatMap(({ specifier, names, line }) => {
        if (specifier === undefined) return [`${file.path}:${line} loads code by a computed name`]
        if (!specifier.startsWith('node:')) return []
        const pure = PURE_IMPORTS[specifier] ?? []
        const impure = names.length === 0 ? ['*'] : names.filter((name) => !pure.includes(name))
        return impure.map((name) => `${file.path}:${line} imports ${name} of ${specifier}`)
      })
      const used = uses
        .filter(({ name }) => IMPURE_USES.has(name))
        .map(({ name, line }) => `${file.path}:${line} uses ${name}`)
      return [...imported, ...used]
    })
}

test('only the files that say so in their names do I/O', () => {
  expect(purityViolations(readSources('src'))).toEqual([])
})

test.each([
  ["import { readFile } from 'node:fs/promises'", 'imports readFile of node:fs/promises'],
  ["import type { Readable } from 'node:stream'", 'imports Readable of node:stream'],
  ["import { createHash, randomBytes } from 'node:crypto'", 'imports randomBytes of node:crypto'],
  ["import * as crypto from 'node:crypto'", 'imports * of node:crypto'],
  ["import zlib from 'node:zlib'", 'imports default of node:zlib'],
  ["import 'node:http'", 'imports * of node:http'],
  ["export { createServer } from 'node:http'", 'imports createServer of node:http'],
  ["const fs = await import('node:fs')", 'imports * of node:fs'],
  ['const plugin = (name) => import(name)', 'loads code by a computed name'],
  ['const now = Date.now()', 'uses Date.now'],
  ["const now = Date['now']()", 'uses Date.now'],
  ['const clock = { nowMs: Date.now }', 'uses Date.now'],
  ['const now = new Date()', 'uses new Date()'],
  ['const now = Date()', 'uses Date()'],
  ['const coin = Math.random() < 0.5', 'uses Math.random'],
  ['setTimeout(() => {}, 1)', 'uses setTimeout'],
  ['const wait = setInterval', 'uses setInterval'],
  ['const home = process.env.HOME', 'uses process'],
  ['const t = performance.now()', 'uses performance'],
  ["const answer = fetch('http://localhost')", 'uses fetch'],
  ['const now = globalThis.Date.now()', 'uses globalThis'],
])('refuses %s', (text, violation) => {
  const found = purityViolations([{ path: 'src/cluster/rabia/core.ts', text: `\n${text}` }])
  expect(found).toContain(`src/cluster/rabia/core.ts:2 ${violation}`)
  for (const path of ['src/node/a.ts', 'src/storage/disk.ts', 'src/slice/jar.disk.ts']) {
    expect(purityViolations([{ path, text }])).toEqual([])
  }
})

test.each([
  "import { createHash } from 'node:crypto'",
  "import { crc32 as zlibCrc32 } from 'node:zlib'",
  'const at = new Date(atMs).toISOString()',
  'const day = Date.UTC(2026, 0, 1)',
  'const most = Math.max(1, 2)',
  'const step = (fetch: (key: string) => string) => fetch("key")',
  'class Replica { process(message: Date) { return message } }',
  'const port = { process: 1, clock: context.performance }',
  '// Date.now() would make this impure\nconst text = "process.env"',
])('accepts %s', (text) => {
  expect(purityViolations([{ path: 'src/cluster/rabia/core.ts', text }])).toEqual([])
})

test.each([
  'http.ts',
  'upload.http.ts',
  'tcp.ts',
  'level.disk.ts',
  'driver.ts',
  'worker.process.ts',
])('a file named %s may do I/O', (name) => expect(isIoFile(`src/cluster/${name}`)).toBe(true))

test.each(['disks.ts', 'disk-cache.ts', 'http/route.ts', 'node.ts', 'mydisk.ts'])(
  'a file named %s may not do I/O',
  (name) => expect(isIoFile(`src/cluster/${name}`)).toBe(false),
)
