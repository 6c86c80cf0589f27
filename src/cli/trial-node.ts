import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { EXIT_RESTART } from '../base/exit-code.ts'
import type { TrialNode } from './trial.ts'

/** What a node says of itself once it serves. */
type Announcement = { readonly url: string; readonly token?: string }

/** How it ended: by itself with a code, or by a signal. */
export type End = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

/**
 * One node of a trial in a process of its own, by the launcher that starts all nodes, and in another one when it was asked to
 * restart. It ends when this process does, however that comes about.
 */
export class TrialProcess {
  readonly node: TrialNode
  /** Resolves when the node serves; never when it ends before. */
  readonly announced: Promise<Announcement>
  readonly ended: Promise<End>
  readonly #env: NodeJS.ProcessEnv
  readonly #onLine: (line: string) => void
  readonly #announced = Promise.withResolvers<Announcement>()
  #child: ChildProcess
  #isStopping = false

  /** `onLine` gets what the node logs. */
  constructor(
    node: TrialNode,
    env: Readonly<Record<string, string | undefined>>,
    onLine: (line: string) => void,
  ) {
    this.node = node
    this.#env = environmentOf(env)
    this.#onLine = onLine
    this.announced = this.#announced.promise
    this.#child = this.#launch()
    this.ended = this.#untilEnded()
  }

  /** Asks it to end; a second time tells it not to wait for requests in flight. */
  stop(): void {
    this.#isStopping = true
    this.#child.kill('SIGTERM')
  }

  #launch(): ChildProcess {
    const args = [LAUNCHER, 'start', '--json', '--config', this.node.config]
    const child = spawn(process.execPath, args, {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    child.once('error', (cause) => this.#onLine(`it cannot be run: ${cause.message}`))
    const { stdout, stderr } = child
    if (stdout !== null) {
      createInterface(stdout).on('line', (line) => this.#announced.resolve(JSON.parse(line)))
    }
    if (stderr !== null) createInterface(stderr).on('line', this.#onLine)
    return child
  }

  async #untilEnded(): Promise<End> {
    for (;;) {
      const end = await endOf(this.#child)
      if (end.code !== EXIT_RESTART || this.#isStopping) return end
      this.#child = this.#launch()
    }
  }
}

/** After the last of its lines. */
function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
}

const LAUNCHER = fileURLToPath(new URL('../../bin/aether.mjs', import.meta.url))

/** These would give all nodes the same data directory or port; the other settings may well be meant for all. */
const OWN_SETTINGS = new Set(['AETHER_CONFIG', 'AETHER_DATA', 'AETHER_PORT'])

function environmentOf(env: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !OWN_SETTINGS.has(name)))
}
