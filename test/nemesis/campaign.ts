import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../sim/random.ts'
import { Arena } from './arena.ts'
import type { FaultEffects } from './fault-proxy.ts'
import { checkHistory, type StoreOperation, type StoreVerdict } from './history.ts'
import { plan, type Step, type StepKind } from './plan.ts'
import { RepositoryLoad, type RepositoryOutcomes } from './repository-load.ts'
import { judgeRepository, type RepositoryVerdict } from './repository-verdict.ts'
import { perform } from './stage.ts'
import { type Outcomes, Workload } from './workload.ts'

export type CampaignOptions = {
  readonly seed: number
  readonly nodes: number
  /** No step begins after this time. */
  readonly seconds: number
  readonly kinds: readonly StepKind[]
  /** Clients of the control store; none if 0. */
  readonly clients: number
  /** Builds that deploy to the repository, with half as many that resolve from it; none if 0. */
  readonly builders: number
  readonly directory: string
  log(line: string): void
}

export type Campaign = {
  readonly nodes: number
  readonly seconds: number
  readonly steps: ReadonlyMap<StepKind, number>
  readonly effects: FaultEffects
  /** The longest that the cluster took to be whole again after a step. */
  readonly healMsMax: number
  readonly slot: number
  readonly control: ControlReport | undefined
  readonly repository: RepositoryReport | undefined
  /** What is wrong; nothing of it is expected. */
  readonly faults: readonly string[]
}

export type ControlReport = {
  readonly outcomes: Outcomes
  readonly verdict: StoreVerdict
  readonly history: readonly StoreOperation[]
}

export type RepositoryReport = {
  readonly outcomes: RepositoryOutcomes
  readonly retries: number
  /** The longest window without an acknowledged upload after one node was killed; 0 when none was. */
  readonly gapMsMax: number
  readonly verdict: RepositoryVerdict
}

/** Runs the plan of a seed on a new cluster under load, and judges what came of it. */
export async function runCampaign(options: CampaignOptions): Promise<Campaign> {
  const { seed, nodes, directory } = options
  const founders = Array.from({ length: nodes }, (_, at) => `n${at + 1}`)
  const withSmallDisk = options.kinds.includes('full-disk')
  const arena = await Arena.open({ seed, founders, directory, withSmallDisk })
  const stopOnSignal = () => void arena.close().finally(() => process.exit(1))
  process.once('SIGINT', stopOnSignal)
  process.once('SIGTERM', stopOnSignal)
  try {
    await arena.start()
    return await new Course(arena, options).run()
  } finally {
    process.off('SIGINT', stopOnSignal)
    process.off('SIGTERM', stopOnSignal)
    await arena.close()
  }
}

/** One campaign on nodes that run. */
class Course {
  readonly #arena: Arena
  readonly #options: CampaignOptions
  readonly #control: Workload | undefined
  readonly #repository: RepositoryLoad | undefined
  readonly #steps = new Map<StepKind, number>()
  readonly #faults: string[] = []
  readonly #beginMs = performance.now()
  #healMsMax = 0
  #gapMsMax = 0

  constructor(arena: Arena, options: CampaignOptions) {
    this.#arena = arena
    this.#options = options
    const { seed, clients, builders } = options
    const target = { nodes: () => arena.nodes(), credentials: () => arena.cluster.credentials }
    const random = (name: string) => new Random(seed).split(name)
    if (clients > 0)
      this.#control = new Workload({
        random: random('workload'),
        name: `nemesis-${seed}`,
        clients,
        ...target,
      })
    if (builders > 0)
      this.#repository = new RepositoryLoad({
        random: random('repository'),
        builders,
        readers: Math.ceil(builders / 2),
        ...target,
      })
  }

  async run(): Promise<Campaign> {
    const { nodes } = this.#options
    const loads = [this.#control, this.#repository].filter((load) => load !== undefined)
    for (const load of loads) void load.start()
    await sleep(CALM_MS)
    await this.#inject()
    await Promise.all(loads.map((load) => load.stop()))
    const seconds = (performance.now() - this.#beginMs) / 1_000
    let slot = 0
    await this.#attempt('convergence', async () => {
      slot = await this.#arena.converge()
    })
    const control = await this.#judgeControl()
    const repository = await this.#judgeRepository()
    for (const load of loads) load.close()
    return {
      ...{ nodes, seconds, steps: this.#steps, effects: this.#arena.proxy.effects },
      ...{ healMsMax: this.#healMsMax, slot, control, repository, faults: this.#faults },
    }
  }

  /** The steps of the plan, until the time is over or something is wrong. */
  async #inject(): Promise<void> {
    const { seed, seconds, kinds, log } = this.#options
    for (const step of plan(seed)) {
      const passedMs = performance.now() - this.#beginMs
      if (passedMs > seconds * 1_000) break
      if (!kinds.includes(step.kind)) continue
      if (step.kind === 'full-disk' && !this.#hasSmallDisk()) {
        log('          full-disk left out: no member has a disk that could be filled')
        continue
      }
      log(`${(passedMs / 1_000).toFixed(1).padStart(6)} s  ${step.kind}`)
      this.#steps.set(step.kind, (this.#steps.get(step.kind) ?? 0) + 1)
      const isDone = await this.#attempt(step.kind, () => this.#perform(step))
      this.#faults.push(...this.#arena.crashes(), ...(this.#repository?.faults.slice(0, 10) ?? []))
      await sleep(CALM_MS)
      // Whoever is still down would hide what else is wrong.
      if (!isDone) await this.#attempt('starting again', () => this.#arena.start())
      if (this.#faults.length > 0) break
    }
  }

  async #perform(step: Step): Promise<void> {
    const fromMs = performance.now()
    await perform(this.#arena, step)
    const healedMs = performance.now()
    await Promise.all(this.#arena.nodes().map((node) => node.ready()))
    const givenUp = this.#repository?.givenUp.find(({ sinceMs }) => sinceMs > fromMs)
    if (givenUp !== undefined && PATIENT_STEPS.has(step.kind))
      throw new Error(`a request was given up: ${givenUp.said}`)
    const gapMs = this.#repository?.longestGapMs(fromMs, performance.now()) ?? 0
    if (step.kind === 'kill') this.#gapMsMax = Math.max(this.#gapMsMax, gapMs)
    this.#healMsMax = Math.max(this.#healMsMax, performance.now() - healedMs)
  }

  /** Without root there is none, and who had it may be no member any more. */
  #hasSmallDisk(): boolean {
    return this.#arena.members.includes(this.#arena.smallDisk?.node ?? '')
  }

  async #judgeControl(): Promise<ControlReport | undefined> {
    const load = this.#control
    if (load === undefined) return undefined
    await this.#attempt('reading the control store', async () => {
      const missed = await load.readAll(this.#arena.nodes())
      if (missed > 0) throw new Error(`${missed} reads were not answered although all is well`)
    })
    const verdict = checkHistory(load.history)
    if (verdict.kind !== 'linearizable') this.#faults.push(`history: ${JSON.stringify(verdict)}`)
    this.#faults.push(...load.outcomes.strange.slice(0, FAULTS_SHOWN))
    return { outcomes: load.outcomes, verdict, history: load.history }
  }

  async #judgeRepository(): Promise<RepositoryReport | undefined> {
    const load = this.#repository
    if (load === undefined) return undefined
    const verdict = await judgeRepository(load.ledger, load.client, this.#arena.nodes())
    this.#faults.push(...[...load.faults, ...verdict.faults].slice(0, FAULTS_SHOWN))
    const { outcomes, client } = load
    return { outcomes, retries: client.retries, gapMsMax: this.#gapMsMax, verdict }
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (cause) {
      this.#faults.push(`${what}: ${cause instanceof Error ? cause.message : cause}`)
      return false
    }
  }
}

/** Of these a client notices nothing but the time that its repetitions take. */
const PATIENT_STEPS: ReadonlySet<StepKind> = new Set<StepKind>(['kill', 'rolling-restart'])

/** Between two steps, for the clients to get something done. */
const CALM_MS = 1_000

/** One thing that is wrong shows itself in many places. */
const FAULTS_SHOWN = 10

export function describeCampaign(campaign: Campaign): string {
  const { steps, effects, control, repository, seconds } = campaign
  const injected = [...steps].map(([kind, count]) => `${kind} ${count}`).join(', ')
  const network = Object.entries(effects)
    .map(([name, count]) => `${name} ${count.toLocaleString('en')}`)
    .join(', ')
  return [
    `${campaign.nodes} nodes, ${Math.round(seconds)} s, ${campaign.slot} slots`,
    `  injected: ${injected || 'nothing'}`,
    `  network: ${network}`,
    `  whole again at most ${Math.round(campaign.healMsMax)} ms after a step`,
    ...(control === undefined ? [] : describeControl(control, seconds)),
    ...(repository === undefined ? [] : describeRepository(repository, seconds)),
    ...campaign.faults.map((fault) => `  FAULT: ${fault}`),
  ].join('\n')
}

function describeControl({ outcomes, verdict }: ControlReport, seconds: number): string[] {
  const { answered, refused, unknown } = outcomes
  const isWell = verdict.kind === 'linearizable'
  return [
    `  control store: ${answered} operations answered (${Math.round(answered / seconds)}/s), ${refused} refused, ${unknown} unknown`,
    `  verdict: ${isWell ? `linearizable in all ${verdict.keys} keys` : verdict.kind}`,
  ]
}

function describeRepository(report: RepositoryReport, seconds: number): string[] {
  const { outcomes, verdict, retries, gapMsMax } = report
  const { deploys, beaten, givenUp, reads, readsGivenUp } = outcomes
  return [
    `  repository: ${deploys} deploys (${Math.round(deploys / seconds)}/s), ${beaten} beaten by another, ${givenUp} given up; ${reads} reads, ${readsGivenUp} given up; ${retries} requests repeated`,
    `  at most ${Math.round(gapMsMax)} ms without an acknowledged upload after a node was killed`,
    `  verdict: ${verdict.faults.length === 0 ? 'every node has' : 'NOT every node has'} all ${verdict.files} acknowledged files and ${verdict.versions} versions; ${verdict.unacknowledged} more without an answer`,
  ]
}
