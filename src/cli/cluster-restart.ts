import { setTimeout as sleep } from 'node:timers/promises'
import { err, ok, type Result } from '../base/result.ts'
import type { ClusterStatus } from '../node/index.ts'
import { askStatus } from './cluster-admin.ts'
import { memberWeakness, weakness } from './cluster-strength.ts'
import { type Failure, refused } from './failure.ts'
import type { Outcome, Session } from './session.ts'

export type RollingRestartFlags = {
  /** How long to wait for anything, in seconds. */
  readonly timeout?: number
}

/**
 * `aether cluster rolling-restart`: one node after the other, each when all are well and every partition has all its replicas.
 * Stopped at any moment it has asked one node at most, which goes on by itself.
 */
export async function clusterRollingRestart(flags: RollingRestartFlags, session: Session): Outcome {
  const first = await askStatus(session)
  if (!first.ok) return first
  const run = new RollingRestart(session, (flags.timeout ?? TIMEOUT_SECONDS) * 1_000)
  const restarted: Restarted[] = []
  const nodes = first.value.members.map(({ id }) => id)
  if (nodes.length === 0) return err(refused(`${weakness(first.value)}`, NEXT))
  if (nodes.length === 1) run.say('there is only one node: nothing is served while it restarts')
  for (const node of nodes) {
    const done = await run.restart(node)
    if (!done.ok) return err(withDone(done.error, restarted))
    restarted.push(done.value)
  }
  const whole = await run.untilStrong()
  if (!whole.ok) return err(withDone(whole.error, restarted))
  const text = `${nodes.length} nodes restarted; all are well, and every partition has all its replicas`
  return ok({ data: { restarted }, text: nodes.length === 1 ? `${nodes[0]} restarted` : text })
}

type Restarted = { readonly node: string; readonly seconds: number }

class RollingRestart {
  readonly #session: Session
  readonly #timeoutMs: number
  /** The reason to wait that was said last, if nothing was said since. */
  #waitsFor = ''

  constructor(session: Session, timeoutMs: number) {
    this.#session = session
    this.#timeoutMs = timeoutMs
  }

  /** One line for those who watch. */
  say(text: string): void {
    const { json, surroundings } = this.#session
    const line = text.replace(/\p{Cc}/gu, ' ')
    ;(json ? surroundings.stderr : surroundings.stdout).write(`${line}\n`)
    this.#waitsFor = ''
  }

  async restart(node: string): Promise<Result<Restarted, Failure>> {
    const before = await this.untilStrong()
    if (!before.ok) return before
    const boot = bootOf(before.value, node)
    if (boot === undefined) return err(refused(`${node} is no member any more`, NEXT))
    const asked = await this.#ask(node, boot)
    if (!asked.ok) return asked
    this.say(`${node} restarts`)
    const back = await this.#until((status) => {
      if (bootOf(status, node) === boot) return `${node} has yet to restart`
      return memberWeakness(status, node)
    })
    if (!back.ok) return err(refused(`${node} did not come back: ${back.error}`, BACK_NEXT(node)))
    const seconds = Math.round((performance.now() - asked.value) / 100) / 10
    this.say(`${node} is back after ${seconds} s`)
    return ok({ node, seconds })
  }

  /** Until any node may be taken away for a moment. */
  async untilStrong(): Promise<Result<ClusterStatus, Failure>> {
    const strong = await this.#until((status) => {
      const reason = weakness(status)
      if (reason !== undefined) this.#sayWaiting(reason)
      return reason
    })
    if (strong.ok) return strong
    return err(refused(`the cluster is not at full strength: ${strong.error}`, NEXT))
  }

  #sayWaiting(reason: string): void {
    // What counts down is said once.
    const kind = reason.replace(/\b\d+\b/g, '')
    if (kind === this.#waitsFor) return
    this.say(`${reason.replace(/\.$/, '')}; waiting`)
    this.#waitsFor = kind
  }

  /** Until nothing is in the way any more; the error is what was to the last. The server may be away for a while. */
  async #until(
    obstacle: (status: ClusterStatus) => string | undefined,
  ): Promise<Result<ClusterStatus, string>> {
    const deadlineMs = performance.now() + this.#timeoutMs
    for (;;) {
      const status = await askStatus(this.#session)
      const reason = status.ok ? obstacle(status.value) : status.error.message
      if (status.ok && reason === undefined) return status
      if (performance.now() > deadlineMs) {
        return err(`${reason} (after ${Math.round(this.#timeoutMs / 1_000)} s)`)
      }
      await sleep(POLL_MS)
    }
  }

  /**
   * Gives when it was last asked. Before it is asked again everybody has to be well again: meanwhile another node may have
   * restarted, or this one, if only the answer was lost.
   */
  async #ask(node: string, boot: string): Promise<Result<number, Failure>> {
    const deadlineMs = performance.now() + this.#timeoutMs
    for (;;) {
      const askedMs = performance.now()
      const asked = await this.#session.server.ask('POST', '/api/v1/cluster/restart', {
        node,
        boot,
      })
      if (asked.ok) return ok(askedMs)
      if (!mayPass(asked.error) || askedMs > deadlineMs) return asked
      this.#sayWaiting(asked.error.message)
      await sleep(POLL_MS)
      const strong = await this.untilStrong()
      if (!strong.ok) return strong
      if (bootOf(strong.value, node) !== boot) return ok(askedMs)
    }
  }
}

/** Also a conflict: another node restarts, or this one is down. */
function mayPass({ kind, statusCode = 0 }: Failure): boolean {
  return kind === 'no-connection' || statusCode === 409 || statusCode >= 500
}

function bootOf({ members }: ClusterStatus, node: string): string | undefined {
  return members.find(({ id }) => id === node)?.vitals?.boot
}

function withDone(failure: Failure, restarted: readonly Restarted[]): Failure {
  const done = restarted.map(({ node }) => node).join(', ') || 'none'
  return { ...failure, message: `${failure.message}; restarted before: ${done}` }
}

/** A node replays its log and fetches what it has missed; how much that is nobody knows. */
const TIMEOUT_SECONDS = 300

const POLL_MS = 250

const NEXT = 'See what is missing: aether cluster status. Then run this again.'

const BACK_NEXT = (node: string) =>
  `Its log says why. Once ${node} is up in aether cluster status, run this again.`
