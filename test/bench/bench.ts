/** What all benches share: flags, a scratch directory, an orderly end whatever happens, the report and the exit code. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ParseArgsOptionsConfig } from 'node:util'
import { memoryDirectory, missingPrograms } from './machine.ts'
import { stopAll } from './process.ts'

/** For `parseArgs`. */
export const FLAGS = {
  quick: { type: 'boolean', default: false },
  json: { type: 'string' },
  directory: { type: 'string', default: tmpdir() },
  /** Flags for Node, to profile our nodes by hand. */
  'node-flag': { type: 'string', multiple: true, default: [] },
} satisfies ParseArgsOptionsConfig

export type Bench = {
  readonly flags: {
    /** Where the scratch directory comes to be; has to lie on a disk. */
    readonly directory: string
    /** The file that the report goes to, if there is to be one. */
    readonly json?: string | undefined
  }
  /** Each program's Debian package. */
  readonly packages: Readonly<Record<string, string>>
  /** What else keeps it from running, for the person to read. */
  lack?(): string | undefined
  /** What the figures depend on. */
  machine(): Readonly<Record<string, string>>
  measure(scratch: string, running: Running): Promise<Outcome>
}

/** What a measurement has started, to be closed in the end whatever happens. */
export type Running = { close(): Promise<void> }[]

export type Outcome = {
  readonly passed: boolean
  /** For the person to read. */
  readonly text: string
  readonly report: object
}

/** Resolves with the exit code: 0, or 1 when a bar is missed or the measurement failed, or 2 when the machine lacks something. */
export async function runBench(bench: Bench): Promise<number> {
  const lack = lackOf(bench)
  if (lack !== undefined) {
    console.error(`bench: ${lack}`)
    return 2
  }
  const { flags } = bench
  const scratch = mkdtempSync(join(flags.directory, 'aether-bench-'))
  const running: Running = []
  const end = async () => {
    await Promise.all(running.map((each) => each.close()))
    await stopAll()
    rmSync(scratch, { recursive: true, force: true })
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void end().finally(() => process.exit(1)))
  }
  try {
    const machine = bench.machine()
    console.log(Object.values(machine).join(' · '))
    const { passed, text, report } = await bench.measure(scratch, running)
    console.log(text)
    if (flags.json !== undefined) {
      writeFileSync(flags.json, `${JSON.stringify({ machine, ...report }, undefined, 2)}\n`)
    }
    return passed ? 0 : 1
  } catch (cause) {
    console.error(`bench: ${cause instanceof Error ? cause.message : String(cause)}`)
    return 1
  } finally {
    await end()
  }
}

/** What `--only` names and does not exist, for the person to read. */
export function unknownName(only: readonly string[], names: readonly string[]): string | undefined {
  const unknown = only.find((name) => !names.includes(name))
  if (unknown === undefined) return undefined
  return `nothing is called ${unknown}; choose from ${names.join(', ')}`
}

export type Pair<Sample> = { readonly ours: Sample; readonly theirs: Sample }

/**
 * Measures both sides `pairs` times, each time with the number of the pair from 0. They take turns in going first, so that
 * what a run leaves to the next one burdens both alike.
 */
export async function alternate<Sample>(
  pairs: number,
  measureOurs: (pair: number) => Promise<Sample>,
  measureTheirs: (pair: number) => Promise<Sample>,
): Promise<readonly Pair<Sample>[]> {
  const measured: Pair<Sample>[] = []
  for (let pair = 0; pair < pairs; pair++) {
    if (pair % 2 === 0) {
      const ours = await measureOurs(pair)
      measured.push({ ours, theirs: await measureTheirs(pair) })
    } else {
      const theirs = await measureTheirs(pair)
      measured.push({ ours: await measureOurs(pair), theirs })
    }
  }
  return measured
}

function lackOf({ packages, flags, lack }: Bench): string | undefined {
  if (process.platform !== 'linux')
    return 'it reads /proc and pins programs to cores: it needs Linux'
  return missingPrograms(packages) ?? memoryDirectory(flags.directory) ?? lack?.()
}
