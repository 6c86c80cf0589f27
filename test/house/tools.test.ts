import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

/**
 * The gate is only as good as its tools: each is run on a small project with this project's own configuration, first
 * clean, then with planted violations, every one of which it has to name.
 */
const ROOT = join(import.meta.dirname, '../..')

const CONFIGURATION = ['biome.json', 'knip.json', 'tsconfig.json', 'tsconfig.core.json', 'types']

const CLEAN: Readonly<Record<string, string>> = {
  '.gitignore': 'node_modules\n',
  'package.json': `${JSON.stringify({ type: 'module', devDependencies: { vitest: '*' } }, null, 2)}\n`,
  'src/base/sum.ts': 'export function sum(a: number, b: number): number {\n  return a + b\n}\n',
  'src/cli/main.ts': "import { sum } from '../base/sum.ts'\n\nprocess.exitCode = sum(0, 0)\n",
  'test/base/sum.test.ts':
    "import { expect, test } from 'vitest'\nimport { sum } from '../../src/base/sum.ts'\n\n" +
    "test('sums', () => {\n  expect(sum(1, 2)).toBe(3)\n})\n",
}

const projects: string[] = []

afterAll(() => {
  for (const project of projects) rmSync(project, { recursive: true })
})

describe('biome', () => {
  const ci = ['@biomejs/biome/bin/biome', 'ci', '--colors=off', '--max-diagnostics=100', '.']

  test('accepts the clean project', async () => {
    await accepts(ci, {})
  })

  test('names each planted violation', async () => {
    const { exitCode, output } = await run(ci, {
      'src/base/tea.ts': "import { cup } from './cup.ts'\nexport const tea = (): unknown => cup\n",
      'src/base/cup.ts': "import { tea } from './tea.ts'\nexport const cup = (): unknown => tea\n",
      'src/base/chief.ts': 'export default function chief(): void {}\n',
      'src/base/BadName.ts': 'export const a = 1\n',
      'src/base/number.ts': 'export enum Number { One }\n',
      'src/base/point.ts': 'export class Point {\n  constructor(readonly x: number) {}\n}\n',
      'src/base/loose.ts': 'export const loose = (a: any, b?: string) => [a, b!.length]\n',
      'src/base/talk.ts': "console.log('hello')\n",
      'src/base/old.ts': "import { crc32 } from 'zlib'\nexport const old = crc32\n",
      'src/base/float.ts':
        'async function later(): Promise<void> {}\nexport function now(): void {\n  later()\n}\n',
      'src/base/long.ts': `export function long(): void {\n${'  long()\n'.repeat(61)}}\n`,
      'src/base/ugly.ts': 'export const ugly = "double";\n',
    })
    const rules = [
      ...['noImportCycles', 'noDefaultExport', 'useFilenamingConvention', 'noEnum'],
      ...['noParameterProperties', 'noExplicitAny', 'noNonNullAssertion', 'noConsole'],
      ...['useNodejsImportProtocol', 'noFloatingPromises', 'noExcessiveLinesPerFunction'],
    ]
    expect(rules.filter((rule) => !output.includes(rule))).toEqual([])
    expect(output).toMatch(/ugly\.ts format/)
    expect(exitCode).not.toBe(0)
  })
})

describe('tsc', () => {
  const core = ['typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.core.json']
  const all = ['typescript/bin/tsc', '--noEmit']

  test('accepts the clean project', async () => {
    await accepts(core, {})
    await accepts(all, {})
  })

  test('finds each touch of the outside world in a pure file', async () => {
    const planted = {
      'src/base/timer.ts': 'export const timer = setTimeout(() => {}, 1)\n',
      'src/base/environment.ts': 'export const home = process.env\n',
      'src/base/file.ts': "export { readFileSync } from 'node:fs'\n",
      'src/base/random.ts': "export { randomBytes } from 'node:crypto'\n",
      'src/base/buffer.ts': "export const bytes = Buffer.from('a')\n",
      'src/base/stopwatch.ts': 'export const startMs = performance.now()\n',
      'src/base/answer.ts': "export const answer = fetch('http://localhost')\n",
      'src/base/log.ts': "console.log('hello')\n",
    }
    const { exitCode, output } = await run(core, planted)
    expect(Object.keys(planted).filter((path) => !output.includes(path))).toEqual([])
    expect(exitCode).not.toBe(0)
    await accepts(all, planted)
  })

  test('finds syntax that type stripping cannot run, and unsafe indexing', async () => {
    const planted = {
      'src/base/number.ts': 'export enum Digit {\n  One,\n}\n',
      'src/base/index-unsafe.ts': 'export const first = (a: string[]): string => a[0]\n',
      'src/base/point.ts': 'export class Point {\n  constructor(readonly x: number) {}\n}\n',
    }
    const { exitCode, output } = await run(all, planted)
    expect(Object.keys(planted).filter((path) => !output.includes(path))).toEqual([])
    expect(exitCode).not.toBe(0)
  })
})

describe('knip', () => {
  const knip = ['knip/bin/knip.js']

  test('accepts the clean project', async () => {
    await accepts(knip, {})
  })

  test('finds code that nothing uses and packages that nothing declares', async () => {
    const { exitCode, output } = await run(knip, {
      'src/base/orphan.ts': 'export const orphan = 1\n',
      'src/base/pair.ts': 'export const used = 1\nexport const unusedExport = 2\n',
      'src/cli/main.ts':
        "import 'left-pad'\nimport { used } from '../base/pair.ts'\nused.toFixed()\n",
    })
    for (const name of ['orphan.ts', 'unusedExport', 'left-pad']) expect(output).toContain(name)
    expect(exitCode).not.toBe(0)
  })
})

async function accepts(...[tool, planted]: Parameters<typeof run>): Promise<void> {
  const { exitCode, output } = await run(tool, planted)
  expect(exitCode, output).toBe(0)
}

/** Runs a tool of node_modules in a new project of the clean files and `planted`. */
function run(
  [tool = '', ...parameters]: readonly string[],
  planted: Readonly<Record<string, string>>,
): Promise<{ exitCode: number; output: string }> {
  const project = mkdtempSync(join(tmpdir(), 'aether-house-'))
  projects.push(project)
  for (const name of CONFIGURATION)
    cpSync(join(ROOT, name), join(project, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'))
  for (const [path, text] of Object.entries({ ...CLEAN, ...planted })) {
    mkdirSync(dirname(join(project, path)), { recursive: true })
    writeFileSync(join(project, path), text)
  }
  const script = join(ROOT, 'node_modules', tool)
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1' }
    execFile(
      process.execPath,
      [script, ...parameters],
      { cwd: project, env },
      (error, out, log) => {
        const exitCode = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ exitCode, output: out + log })
      },
    )
  })
}
