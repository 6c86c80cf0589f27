import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TrialNode } from './trial.ts'

/** What a node says of itself once it serves. */
type Announcement = { readonly url: string; readonly token?: string }

/** How it ended: by itself with a code, or by a signal. */
export type End = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

/**
 * One node of a trial in a process of its own, by the launcher that starts all nodes. It ends when this process does, however
 * that comes about.
 */
export class TrialProcess {
  readonly node: TrialNode
  /** Resolves when the node serves; never when it ends before. */
  readonly announced: Promise<Announcement>
  readonly ended: Promise<End>
  readonly #child: ChildProcess

  /** `onLine` gets what the node logs. */
  constructor(
    node: TrialNode,
    env: Readonly<Record<string, string | undefined>>,
    onLine: (line: string) => void,
  ) {
    this.node = node
    this.#child = spawn(process.execPath, [LAUNCHER, 'start', '--json', '--config', node.config], {
      env: environmentOf(env),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const { stdout, stderr } = this.#child
    const announced = Promise.withResolvers<Announcement>()
    if (stdout !== null) {
      createInterface(stdout).on('line', (line) => announced.resolve(JSON.parse(line)))
    }
    if (stderr !== null) createInterface(stderr).on('line', onLine)
    this.announced = announced.promise
    this.ended = new Promise((resolve) => {
      // After the last of its lines.
      this.#child.once('close', (code, signal) => resolve({ code, signal }))
      this.#child.once('error', (cause) => onLine(`it cannot be run: ${cause.message}`))
    })
  }

  /** Asks it to end; a second time tells it not to wait for requests in flight. */
  stop(): void {
    this.#child.kill('SIGTERM')
  }
}

const LAUNCHER = fileURLToPath(new URL('../../bin/aether.mjs', import.meta.url))

/** These would give all nodes the same data directory or port; the other settings may well be meant for all. */
const OWN_SETTINGS = new Set(['AETHER_CONFIG', 'AETHER_DATA', 'AETHER_PORT'])

function environmentOf(env: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OWN_SETTINGS.has(name)))
}
