/**
 * Builds that deploy releases and snapshots and resolve what others have deployed, through all nodes: per release nine
 * uploads and one read, in the order of `mvn deploy`. Some releases are wanted by several builds at once, each with its own
 * bytes. Everything that is acknowledged is held against what is read later.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterNode } from '../fixture/cluster.ts'
import type { Random } from '../sim/random.ts'
import {
  type Build,
  extended,
  hex,
  releaseOf,
  snapshotMetadata,
  snapshotOf,
  versionsIn,
} from './build.ts'
import { Ledger } from './ledger.ts'
import { type Exchange, MavenClient, type MavenClientOptions } from './maven-client.ts'

export type RepositoryLoadOptions = MavenClientOptions & {
  readonly random: Random
  readonly builders: number
  readonly readers: number
  /** The builders stop after that many deploys together; never by themselves if absent. */
  readonly deploysMax?: number
  /** The longest pause of a builder between two deploys, and of a reader between two reads. */
  readonly thinkMs?: number
  nodes(): readonly ClusterNode[]
}

export type RepositoryOutcomes = {
  deploys: number
  /** Deploys of a release of which another build has deployed other bytes. */
  beaten: number
  givenUp: number
  reads: number
  readsGivenUp: number
}

export class RepositoryLoad {
  readonly ledger = new Ledger()
  readonly client: MavenClient
  readonly outcomes: RepositoryOutcomes = {
    deploys: 0,
    beaten: 0,
    givenUp: 0,
    reads: 0,
    readsGivenUp: 0,
  }
  /** When uploads were acknowledged, in milliseconds. */
  readonly commits: number[] = []
  /** The most deploys that were under way at one time. */
  inFlightMax = 0
  /** Requests that were given up, when they were first sent, and what they met last. */
  readonly givenUp: { readonly sinceMs: number; readonly said: string }[] = []
  readonly #options: RepositoryLoadOptions
  readonly #faults: string[] = []
  #running: Promise<void>[] = []
  #isStopping = false
  #begun = 0
  #inFlight = 0
  #contest = 0

  constructor(options: RepositoryLoadOptions) {
    this.#options = options
    this.client = new MavenClient(options)
  }

  /** Whatever was answered and should not have been. */
  get faults(): readonly string[] {
    return [...this.#faults, ...this.ledger.faults]
  }

  /** Resolves when the builders have made `deploysMax` deploys. */
  start(): Promise<void> {
    const { random, builders, readers } = this.#options
    const building = Array.from({ length: builders }, (_, at) =>
      this.#build(at, random.split(`builder ${at}`)),
    )
    const reading = Array.from({ length: readers }, (_, at) =>
      this.#read(random.split(`reader ${at}`)),
    )
    this.#running = [...building, ...reading]
    return Promise.all(building).then(() => undefined)
  }

  /** Resolves when the last request has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#running)
  }

  close(): void {
    this.client.close()
  }

  /** The longest time within [from, to] in which no upload was acknowledged. */
  longestGapMs(fromMs: number, toMs: number): number {
    let [last, longest] = [fromMs, 0]
    for (const atMs of this.commits) {
      if (atMs < fromMs || atMs > toMs) continue
      longest = Math.max(longest, atMs - last)
      last = atMs
    }
    return Math.max(longest, toMs - last)
  }

  async #build(builder: number, random: Random): Promise<void> {
    const { deploysMax = Number.POSITIVE_INFINITY } = this.#options
    for (let count = 1; !this.#isStopping && this.#begun < deploysMax; count++) {
      this.#begun++
      this.#inFlight++
      this.inFlightMax = Math.max(this.inFlightMax, this.#inFlight)
      await this.#deploy(this.#choose(builder, count, random), random)
      this.#inFlight--
      await this.#think(random)
    }
  }

  #choose(builder: number, count: number, random: Random): Build {
    const draw = random.next()
    if (draw < SNAPSHOTS) return snapshotOf(random, `s${builder}`, count)
    if (draw < SNAPSHOTS + CONTESTS) {
      const version = `1.${Math.floor(this.#contest++ / CONTESTANTS)}`
      return releaseOf(random, { artifactId: 'contested', version, builder: `${builder}` })
    }
    const artifactId = `a${builder % ARTIFACTS}`
    return releaseOf(random, { artifactId, version: `${builder}.${count}`, builder: '' })
  }

  async #deploy(build: Build, random: Random): Promise<void> {
    const at = random.int(0, 100)
    for (const { path, bytes, sha256 } of build.files) {
      this.ledger.begin(path, sha256)
      const exchange = await this.#put(path, bytes, at)
      if (exchange.kind === 'given-up') return this.#giveUp(exchange)
      if (exchange.status === 409) {
        this.ledger.refuse(path, sha256)
        this.outcomes.beaten++
        return
      }
      if (!this.#isWell(path, exchange)) return
      this.ledger.acknowledge(path, sha256)
      if (!(await this.#putSums(path, bytes, at))) return
    }
    for (const path of build.metadata) {
      const found = await this.client.send('GET', path, at)
      if (found.kind === 'given-up') return this.#giveUp(found)
      const isVersion = path.includes('-SNAPSHOT/')
      const known = found.status === 200 ? found.body : undefined
      const bytes = isVersion ? snapshotMetadata(build) : extended(known, build)
      const exchange = await this.#put(path, bytes, at)
      if (exchange.kind === 'given-up') return this.#giveUp(exchange)
      if (!this.#isWell(path, exchange)) return
      if (!isVersion) this.ledger.acknowledgeVersion(build.artifact, build.version)
      if (!(await this.#putSums(path, bytes, at))) return
    }
    this.outcomes.deploys++
  }

  async #putSums(path: string, bytes: Buffer, at: number): Promise<boolean> {
    for (const algorithm of ['sha1', 'md5'] as const) {
      const sums = `${path}.${algorithm}`
      const exchange = await this.#put(sums, Buffer.from(hex(algorithm, bytes)), at)
      if (exchange.kind === 'given-up') {
        this.#giveUp(exchange)
        return false
      }
      if (!this.#isWell(sums, exchange)) return false
    }
    return true
  }

  async #put(path: string, bytes: Buffer, at: number): Promise<Exchange> {
    const exchange = await this.client.send('PUT', path, at, bytes)
    if (exchange.kind === 'answered' && exchange.status < 300) this.commits.push(performance.now())
    return exchange
  }

  #isWell(path: string, exchange: Exchange): boolean {
    if (exchange.kind === 'answered' && exchange.status < 300) return true
    if (exchange.kind === 'answered')
      this.#faults.push(`PUT ${path} through ${exchange.node}: ${exchange.status} ${exchange.body}`)
    return false
  }

  #giveUp(exchange: Exchange & { kind: 'given-up' }): void {
    this.outcomes.givenUp++
    this.givenUp.push(exchange)
  }

  async #read(random: Random): Promise<void> {
    while (!this.#isStopping) {
      const paths = this.ledger.acknowledgedPaths()
      const artifacts = this.ledger.artifacts()
      if (artifacts.length === 0) await sleep(POLL_MS)
      else if (random.chance(METADATA_READS))
        await this.#readMetadata(random.pick(artifacts), random)
      else await this.#readFile(random.pick(paths), random)
      await this.#think(random)
    }
  }

  async #readFile(path: string, random: Random): Promise<void> {
    const exchange = await this.#get(path, random)
    if (exchange === undefined) return
    const { status, body, node } = exchange
    if (status !== 200 || hex('sha256', body) !== this.ledger.acknowledged(path))
      this.#faults.push(`GET ${path} through ${node}: ${status}, ${body.length} bytes`)
  }

  async #readMetadata(artifact: string, random: Random): Promise<void> {
    const before = this.ledger.versions(artifact)
    const exchange = await this.#get(`${artifact}/maven-metadata.xml`, random)
    if (exchange === undefined) return
    const listed = new Set(versionsIn(exchange.body))
    const lacking = before.filter((version) => !listed.has(version))
    if (exchange.status !== 200 || lacking.length > 0)
      this.#faults.push(
        `${artifact}/maven-metadata.xml through ${exchange.node}: ${exchange.status} without ${lacking}`,
      )
  }

  async #get(path: string, random: Random): Promise<(Exchange & { kind: 'answered' }) | undefined> {
    const exchange = await this.client.send('GET', path, random.int(0, 100))
    this.outcomes.reads++
    if (exchange.kind === 'answered') return exchange
    this.outcomes.readsGivenUp++
    this.givenUp.push(exchange)
    return undefined
  }

  async #think(random: Random): Promise<void> {
    const { thinkMs = THINK_MS } = this.#options
    if (thinkMs > 0) await sleep(random.next() * thinkMs)
  }
}

/** What the deploys are, in parts of all; the rest are releases of shared artifacts. */
const SNAPSHOTS = 0.2
const CONTESTS = 0.1

/** So many deploys after each other want one version of the contested artifact. */
const CONTESTANTS = 3

/** Builders whose releases belong to one artifact contend for its metadata. */
const ARTIFACTS = 16

/** Of the reads. */
const METADATA_READS = 0.3

const THINK_MS = 100

const POLL_MS = 50
