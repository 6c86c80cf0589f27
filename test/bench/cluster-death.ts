import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { sendRequest } from '../fixture/cluster.ts'
import { put } from './cluster-http.ts'
import type { Contender, Member } from './consensus-cluster.ts'
import { longestPause } from './consensus-gap.ts'
import { VALUE_BYTES } from './consensus-load.ts'

export type Death = {
  /** The longest time that a client went without a successful write, each client with partitions of its own. */
  readonly longestGapMs: number
  readonly reads: number
  /** Reads that failed on one node and then on another. */
  readonly failedReads: number
}

/**
 * Kills a node under writes to the map and reads of releases and of metadata, the reads through all nodes, the dead one
 * included; then brings it back.
 */
export async function killUnderLoad(cluster: Contender, victimNumber: number): Promise<Death> {
  const { members } = cluster
  const victim = members[victimNumber % members.length]
  if (victim === undefined) throw new Error('there is nobody to kill')
  const paths = await deployRelease(cluster, victimNumber)
  const survivors = members.filter((member) => member !== victim)
  const stop = new AbortController()
  const { signal } = stop
  const writers = Array.from({ length: WRITERS }, (_, client) =>
    write(cluster, survivors[client % survivors.length] as Member, client, signal),
  )
  const readers = Array.from({ length: READERS }, (_, reader) =>
    read(members, paths, reader, signal),
  )
  await sleep(WARM_MS)
  const killedMs = performance.now()
  await victim.kill()
  await sleep(WATCHED_MS)
  const endMs = performance.now()
  stop.abort()
  const commits = await Promise.all(writers)
  const counts = await Promise.all(readers)
  await victim.restart()
  return {
    longestGapMs: Math.max(...commits.map((each) => longestPause(each, killedMs, endMs))),
    reads: counts.reduce((sum, each) => sum + each.reads, 0),
    failedReads: counts.reduce((sum, each) => sum + each.failed, 0),
  }
}

/** Enough that some write where the dead node led, few enough not to be a load. */
const WRITERS = 16
const READERS = 6

/** Long enough to fail over and back again, if it did. */
const WARM_MS = 2_000
const WATCHED_MS = 8_000

/** A client asks anew after that long. */
const WRITE_PATIENCE_MS = 2_500

/** As long as builds wait for an answer before they take the connection for dead, at the least. */
const READ_PATIENCE_MS = 10_000

const PAUSE_MS = 10

/** Of several artifacts, so that every node leads the metadata of some. */
async function deployRelease(cluster: Contender, round: number): Promise<readonly string[]> {
  const origin = cluster.members[0]?.origin
  const paths: string[] = []
  for (let at = 0; at < 12; at++) {
    const artifact = `/repository/releases/bench/death${round}/a${at}`
    const file = `${artifact}/1.0/a${at}-1.0.pom`
    await put(
      origin + file,
      Buffer.from(`<project><artifactId>a${at}</artifactId><packaging>pom</packaging></project>`),
    )
    paths.push(file, `${artifact}/1.0/a${at}-1.0.pom.sha1`, `${artifact}/maven-metadata.xml`)
  }
  return paths
}

/** Resolves with the times of the commits. */
async function write(
  cluster: Contender,
  member: Member,
  client: number,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const value = 'x'.repeat(VALUE_BYTES)
  const commits: number[] = []
  while (!signal.aborted) {
    const isCommitted = await cluster
      .put(member, `death-${client}`, value, { agent, timeoutMs: WRITE_PATIENCE_MS })
      .catch(() => false)
    if (isCommitted) commits.push(performance.now())
    await sleep(PAUSE_MS)
  }
  agent.destroy()
  return commits
}

async function read(
  members: readonly Member[],
  paths: readonly string[],
  reader: number,
  signal: AbortSignal,
): Promise<{ readonly reads: number; readonly failed: number }> {
  const agent = new Agent({ keepAlive: true })
  const ask = async (attempt: number, path: string) => {
    const { origin } = members[attempt % members.length] as Member
    const answer = await sendRequest(origin + path, {
      agent,
      timeoutMs: READ_PATIENCE_MS,
    }).catch(() => undefined)
    return answer?.status === 200
  }
  let reads = 0
  let failed = 0
  for (let number = reader; !signal.aborted; number++) {
    const path = paths[(number * 7) % paths.length] as string
    reads++
    if (!(await ask(number, path)) && !(await ask(number + 1, path))) failed++
    await sleep(PAUSE_MS)
  }
  agent.destroy()
  return { reads, failed }
}
