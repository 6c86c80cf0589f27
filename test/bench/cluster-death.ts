import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { sendRequest } from '../fixture/cluster.ts'
import { put } from './cluster-http.ts'
import type { Contender, Member } from './consensus-cluster.ts'
import { killUnder, longestPauseMs, write } from './kill.ts'

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
  const killed = await killUnder(victim, TIMES, async (signal) => {
    const writers = Array.from({ length: WRITERS }, (_, client) => {
      const member = survivors[client % survivors.length] as Member
      return write(cluster, member, { ...WRITER, key: `death-${client}` }, signal)
    })
    const readers = Array.from({ length: READERS }, (_, reader) =>
      read(members, paths, reader, signal),
    )
    return { commits: await Promise.all(writers), counts: await Promise.all(readers) }
  })
  const { commits, counts } = killed.seen
  return {
    longestGapMs: Math.max(...commits.map((each) => longestPauseMs(each, killed))),
    reads: counts.reduce((sum, each) => sum + each.reads, 0),
    failedReads: counts.reduce((sum, each) => sum + each.failed, 0),
  }
}

/** Enough that some write where the dead node led, few enough not to be a load. */
const WRITERS = 16
const READERS = 6

/** Long enough to fail over and back again, if it did. */
const TIMES = { warmMs: 2_000, watchedMs: 8_000 }

const PAUSE_MS = 10

const WRITER = { patienceMs: 2_500, pauseMs: { afterCommit: PAUSE_MS, afterRefusal: PAUSE_MS } }

/** As long as builds wait for an answer before they take the connection for dead, at the least. */
const READ_PATIENCE_MS = 10_000

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
