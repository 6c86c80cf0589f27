import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { cpus, release } from 'node:os'

/** What a rate depends on. */
export function describeMachine(): Readonly<Record<'cpu' | 'os' | 'node', string>> {
  const cores = cpus()
  return {
    cpu: `${cores[0]?.model ?? 'unknown processor'}, ${cores.length} cores`,
    os: `Linux ${release()}`,
    node: `Node ${process.version}`,
  }
}

/** What keeps a bench from running, for the person to read; `packages` names each program's Debian package. */
export function missingPrograms(packages: Readonly<Record<string, string>>): string | undefined {
  const absent = Object.entries(packages).filter(([program]) => !isInstalled(program))
  if (absent.length === 0) return undefined
  const programs = absent.map(([program]) => program).join(' and ')
  const names = absent.map(([, name]) => name).join(' ')
  return `${programs} not found; on Debian: apt-get install ${names}`
}

/** Undefined when the directory lies on a disk. */
export function memoryDirectory(directory: string): string | undefined {
  if (statfsSync(directory).type !== TMPFS_MAGIC) return undefined
  return `${directory} is in memory, where an fsync costs nothing; choose a disk with --directory`
}

export function isInstalled(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$0"', program], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** From linux/magic.h. */
const TMPFS_MAGIC = 0x01021994
