import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { startServer, temporaryDirectory } from '../fixture/server.ts'
import { Client } from '../http/client.ts'
import { deployUntilCut, Ledger } from './load.ts'
import { chooseSeed, Random } from './random.ts'

const ROUNDS = 50
const DEPLOYERS = 16
const LOAD_MS_MIN = 50
const LOAD_MS_MAX = 400
const START_MS_MAX = 2_000

const directory = temporaryDirectory()

afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('a node that is killed while many deploy to it', () => {
  it(`has lost nothing that it acknowledged, in ${ROUNDS} rounds on one data directory`, async () => {
    const random = new Random(chooseSeed())
    const options = { data: join(directory, 'data'), env: { AETHER_REQUEST_LOG: 'false' } }
    const ledger = new Ledger()
    const startsMs: number[] = []
    let known = new Set<string>()
    let roundsCut = 0
    for (let round = 1; round <= ROUNDS; round++) {
      const startMs = performance.now()
      const server = await startServer(options)
      startsMs.push(performance.now() - startMs)
      const client = new Client(server)
      expect(await ledger.halfFiles(client)).toEqual([])
      expect(await ledger.lostFiles(client, (path) => !known.has(path))).toEqual([])
      expect(await ledger.lostVersions(client)).toEqual([])
      known = new Set(ledger.files.keys())

      const load = Array.from({ length: DEPLOYERS }, (_, number) =>
        deployUntilCut(client, ledger, { number, round, random: random.fork() }),
      )
      await sleep(LOAD_MS_MIN + random.below(LOAD_MS_MAX - LOAD_MS_MIN))
      await server.kill()
      await Promise.all(load)
      client.close()
      expect(ledger.refused).toEqual([])
      if (ledger.open.size > 0) roundsCut += 1
    }
    const last = await startServer(options)
    const client = new Client(last)
    expect(await ledger.halfFiles(client)).toEqual([])
    expect(await ledger.lostFiles(client, () => true)).toEqual([])
    expect(await ledger.lostVersions(client)).toEqual([])
    client.close()
    await last.stop()

    startsMs.sort((a, b) => a - b)
    const median = startsMs[ROUNDS / 2] ?? 0
    const slowest = startsMs.at(-1) ?? 0
    console.log(
      `${ledger.files.size} files kept; uploads cut in ${roundsCut} of ${ROUNDS} rounds; ` +
        `start after a kill: median ${Math.round(median)} ms, slowest ${Math.round(slowest)} ms`,
    )
    expect(median).toBeLessThan(START_MS_MAX)
    // The test has tested something: the kills came in the middle of the work.
    expect(roundsCut).toBeGreaterThan(ROUNDS / 2)
    expect(ledger.files.size).toBeGreaterThan(ROUNDS * 4)
  })
})
