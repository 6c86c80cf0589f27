import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../sim/random.ts'
import { Arena } from './arena.ts'
import type { FaultEffects } from './fault-proxy.ts'
import { checkHistory, type StoreOperation, type StoreVerdict } from './history.ts'
import { plan, type StepKind } from './plan.ts'
import { perform } from './stage.ts'
import { type Outcomes, Workload } from './workload.ts'

export type CampaignOptions = {
  readonly seed: number
  readonly nodes: number
  /** No step begins after this time. */
  readonly seconds: number
  readonly kinds: readonly StepKind[]
  readonly clients: number
  readonly directory: string
  log(line: string): void
}

export type Campaign = {
  readonly nodes: number
  readonly seconds: number
  readonly steps: ReadonlyMap<StepKind, number>
  readonly effects: FaultEffects
  readonly outcomes: Outcomes
  readonly operationsPerSecond: number
  /** The longest that the cluster took to be whole again after a step. */
  readonly healMsMax: number
  readonly slot: number
  readonly verdict: StoreVerdict | undefined
  /** What is wrong; nothing of it is expected. */
  readonly faults: readonly string[]
  readonly history: readonly StoreOperation[]
}

/** Runs the plan of a seed on a new cluster under load, and judges what came of it. */
export async function runCampaign(options: CampaignOptions): Promise<Campaign> {
  const { seed, nodes, clients, directory } = options
  const founders = Array.from({ length: nodes }, (_, at) => `n${at + 1}`)
  const arena = await Arena.open({ seed, founders, directory })
  const stopOnSignal = () => void arena.close().finally(() => process.exit(1))
  process.once('SIGINT', stopOnSignal)
  process.once('SIGTERM', stopOnSignal)
  try {
    await arena.start()
    const workload = new Workload({
      random: new Random(seed).split('workload'),
      clients,
      name: `nemesis-${seed}`,
      nodes: () => arena.nodes(),
      credentials: () => arena.cluster.credentials,
    })
    return await judge(arena, workload, options)
  } finally {
    process.off('SIGINT', stopOnSignal)
    process.off('SIGTERM', stopOnSignal)
    await arena.close()
  }
}

async function judge(
  arena: Arena,
  workload: Workload,
  { seed, nodes, seconds, kinds, log }: CampaignOptions,
): Promise<Campaign> {
  const steps = new Map<StepKind, number>()
  const faults: string[] = []
  const attempt = async (what: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work()
      return true
    } catch (cause) {
      faults.push(`${what}: ${cause instanceof Error ? cause.message : cause}`)
      return false
    }
  }
  const beginMs = performance.now()
  let healMsMax = 0
  workload.start()
  await sleep(CALM_MS)
  for (const step of plan(seed)) {
    if (performance.now() - beginMs > seconds * 1_000) break
    if (!kinds.includes(step.kind)) continue
    log(`${((performance.now() - beginMs) / 1_000).toFixed(1).padStart(6)} s  ${step.kind}`)
    steps.set(step.kind, (steps.get(step.kind) ?? 0) + 1)
    const isDone = await attempt(step.kind, async () => {
      await perform(arena, step)
      const healedMs = performance.now()
      await Promise.all(arena.nodes().map((node) => node.ready()))
      healMsMax = Math.max(healMsMax, performance.now() - healedMs)
    })
    faults.push(...arena.crashes())
    await sleep(CALM_MS)
    if (!isDone || faults.length > 0) break
  }
  await workload.stop()
  const tookS = (performance.now() - beginMs) / 1_000
  let slot = 0
  await attempt('convergence', async () => {
    slot = await arena.converge()
    const missed = await workload.readAll(arena.nodes())
    if (missed > 0) throw new Error(`${missed} reads were not answered although all is well`)
  })
  workload.close()
  const verdict = checkHistory(workload.history)
  if (verdict.kind !== 'linearizable') faults.push(`history: ${JSON.stringify(verdict)}`)
  faults.push(...workload.outcomes.strange.slice(0, 10))
  return {
    nodes,
    seconds: tookS,
    steps,
    effects: arena.proxy.effects,
    outcomes: workload.outcomes,
    operationsPerSecond: workload.outcomes.answered / tookS,
    healMsMax,
    slot,
    verdict,
    faults,
    history: workload.history,
  }
}

/** Between two steps, for the clients to get something done. */
const CALM_MS = 1_000

export function describeCampaign(campaign: Campaign): string {
  const { steps, effects, outcomes, verdict } = campaign
  const injected = [...steps].map(([kind, count]) => `${kind} ${count}`).join(', ')
  const network = Object.entries(effects)
    .map(([name, count]) => `${name} ${count.toLocaleString('en')}`)
    .join(', ')
  const { answered, refused, unknown } = outcomes
  return [
    `${campaign.nodes} nodes, ${Math.round(campaign.seconds)} s, ${campaign.slot} slots`,
    `  injected: ${injected || 'nothing'}`,
    `  network: ${network}`,
    `  operations: ${answered} answered (${Math.round(campaign.operationsPerSecond)}/s), ${refused} refused, ${unknown} unknown`,
    `  whole again at most ${Math.round(campaign.healMsMax)} ms after a step`,
    `  verdict: ${verdict?.kind === 'linearizable' ? `linearizable in all ${verdict.keys} keys` : verdict?.kind}`,
    ...campaign.faults.map((fault) => `  FAULT: ${fault}`),
  ].join('\n')
}
