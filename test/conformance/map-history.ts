/**
 * Random concurrent clients against a map, and a judge. Versions give the writes of a partition key
 * their order, so the judge need not search for one: it replays the writes in that order and asks
 * whether each answer fits a moment between its question and itself.
 */
import { expect, test } from 'vitest'
import { text, utf8 } from '../../src/base/bytes.ts'
import type { RequestId } from '../../src/base/ids.ts'
import type { DistributedMap, MapOperation, MapSpace, Version } from '../../src/base/port.ts'
import { seededRandom } from '../twin/random.ts'
import type { CrashHarness, Harness } from './harness.ts'

const SEEDS = [1, 2, 3, 4, 5]
const CLIENTS = 5
const STEPS = 16
const PARTITION_KEYS = ['p', 'q']
const SORT_KEYS = ['a', 'b', 'c']

/** Histories with a restart in the middle. */
export function testHistories(open: () => Promise<Harness<DistributedMap>>): void {
  test.each(SEEDS)('seed %i: every answer fits one order of the writes', async (seed) => {
    let harness = await open()
    const history = new History(seed)
    await history.run(harness.tenant)
    harness = await harness.restart()
    await history.run(harness.tenant)
    await history.readAll(harness.tenant)
    history.judge()
    await harness.close()
  })
}

/**
 * What every DistributedMap does that may lose its power: for a store that can be made to lose what
 * is not durable.
 */
export function describeMapCrashes(
  name: string,
  open: (seed: number) => Promise<CrashHarness<DistributedMap>>,
): void {
  const seeds = Array.from({ length: 12 }, (_, i) => i + 1)
  test.each(seeds)(`${name} loses nothing acknowledged in a crash, seed %i`, async (seed) => {
    let harness = await open(seed)
    const history = new History(seed)
    for (let round = 0; round < 3; round++) {
      void history.run(harness.tenant)
      await turns(history.random() * 300)
      harness = await harness.crash()
      await history.retryAll(harness.tenant)
    }
    await history.run(harness.tenant)
    await history.readAll(harness.tenant)
    history.judge()
    await harness.close()
  })
}

/**
 * `floor`: a seq known to be committed when the question was asked. `asked` and `answered` count
 * events.
 */
type Question = { readonly partitionKey: string; readonly floor: number; readonly asked: number }

type Write = Question & { readonly operations: readonly MapOperation[]; readonly id: string }

/** An entry had this version, or was absent, at some moment. */
type Sighting = Question & {
  readonly sortKey: string
  readonly version: Version | undefined
  readonly answered: number
}

type Sight = Question & { readonly page: Map<string, string>; readonly version: Version }

class History {
  readonly random: () => number
  readonly #writes = new Map<Write, Version>()
  readonly #unanswered = new Set<Write>()
  readonly #sightings: Sighting[] = []
  readonly #pages: Sight[] = []
  readonly #floors = new Map<string, number>()
  readonly #known = new Map<string, Version | undefined>()
  #events = 0
  #ids = 0

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }

  /** Never resolves when the map dies under it. */
  async run(map: DistributedMap): Promise<void> {
    const client = async () => {
      for (let step = 0; step < STEPS; step++) {
        await turns(this.random() * 6)
        await this.#step(map.space('s'))
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, client))
  }

  /** Asks again for the outcome of every write whose answer was lost. */
  async retryAll(map: DistributedMap): Promise<void> {
    const lost = [...this.#unanswered]
    await Promise.all(lost.map((write) => this.#submit(map.space('s'), write)))
  }

  async readAll(map: DistributedMap): Promise<void> {
    for (const partitionKey of PARTITION_KEYS) {
      for (const sortKey of SORT_KEYS) await this.#get(map.space('s'), partitionKey, sortKey)
      await this.#scan(map.space('s'), partitionKey)
    }
  }

  judge(): void {
    for (const partitionKey of PARTITION_KEYS) {
      const isHere = (question: Question) => question.partitionKey === partitionKey
      const states = replay([...this.#writes].filter(([write]) => isHere(write)))
      for (const sighting of this.#sightings.filter(isHere)) judgeSighting(states, sighting)
      for (const sight of this.#pages.filter(isHere)) judgePage(states, sight)
    }
  }

  #step(space: MapSpace): Promise<void> {
    const partitionKey = this.#pick(PARTITION_KEYS)
    const choice = this.random()
    if (choice < 0.25) return this.#get(space, partitionKey, this.#pick(SORT_KEYS))
    if (choice < 0.4) return this.#scan(space, partitionKey)
    const id = `request ${++this.#ids}`
    const operations = this.#operations(partitionKey, id)
    return this.#submit(space, { ...this.#ask(partitionKey), id, operations })
  }

  async #get(space: MapSpace, partitionKey: string, sortKey: string): Promise<void> {
    const question = this.#ask(partitionKey)
    const result = await space.get(partitionKey, sortKey)
    if (!result.ok) throw new Error(result.error.reason)
    this.#saw(question, sortKey, result.value?.version)
  }

  async #scan(space: MapSpace, partitionKey: string): Promise<void> {
    const question = this.#ask(partitionKey)
    const result = await space.scan(partitionKey, '')
    if (!result.ok) throw new Error(result.error.reason)
    const { entries, version } = result.value
    const page = new Map(entries.map(({ sortKey, value }) => [sortKey, text(value)]))
    this.#pages.push({ ...question, page, version })
    this.#raise(partitionKey, version)
  }

  async #submit(space: MapSpace, write: Write): Promise<void> {
    this.#unanswered.add(write)
    const options = { requestId: write.id as RequestId }
    const attempts = Array.from({ length: this.random() < 0.1 ? 2 : 1 }, () =>
      space.write(write.partitionKey, write.operations, options),
    )
    for (const result of await Promise.all(attempts)) {
      if (result.ok) {
        const { version } = result.value
        expect(this.#writes.get(write) ?? version).toEqual(version)
        this.#writes.set(write, version)
        this.#raise(write.partitionKey, version)
      } else if (result.error.kind === 'conflict') {
        const { key, current } = result.error
        expect(write.operations.some((operation) => fails(operation, key, current))).toBe(true)
        this.#saw(write, key, current)
      } else {
        throw new Error(JSON.stringify(result.error))
      }
    }
    this.#unanswered.delete(write)
  }

  #operations(partitionKey: string, id: string): MapOperation[] {
    const sortKeys = SORT_KEYS.filter(() => this.random() < 0.4)
    return (sortKeys.length > 0 ? sortKeys : ['a']).map((sortKey) => {
      const known = this.#known.get(`${partitionKey}/${sortKey}`) ?? ('absent' as const)
      const condition = this.random() < 0.5 ? { condition: known } : {}
      const choice = this.random()
      if (choice < 0.2) return { kind: 'delete', sortKey, ...condition }
      if (choice < 0.3) return { kind: 'check', sortKey, condition: known }
      return { kind: 'put', sortKey, value: utf8(id), ...condition }
    })
  }

  #ask(partitionKey: string): Question {
    return { partitionKey, floor: this.#floors.get(partitionKey) ?? 0, asked: ++this.#events }
  }

  #saw(question: Question, sortKey: string, version: Version | undefined): void {
    this.#sightings.push({ ...question, sortKey, version, answered: ++this.#events })
    this.#known.set(`${question.partitionKey}/${sortKey}`, version)
    if (version !== undefined) this.#raise(question.partitionKey, version)
  }

  #raise(partitionKey: string, { seq }: Version): void {
    this.#floors.set(partitionKey, Math.max(seq, this.#floors.get(partitionKey) ?? 0))
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)] as T
  }
}

type State = ReadonlyMap<string, { readonly value: string; readonly version: Version }>

/**
 * The states of a partition key, one after each of its writes; `asked` is when the write that made
 * it was.
 */
type States = { readonly seq: number; readonly asked: number; readonly state: State }[]

/**
 * Also judges the writes: their conditions held, and none was ordered before what it came after.
 */
function replay(writes: readonly [Write, Version][]): States {
  const states: States = [{ seq: 0, asked: 0, state: new Map() }]
  for (const [write, version] of writes.toSorted(([, a], [, b]) => a.seq - b.seq)) {
    const before = states.at(-1) as States[number]
    expect(version.seq).toBeGreaterThan(before.seq)
    expect(version.seq).toBeGreaterThan(write.floor)
    const state = new Map(before.state)
    for (const operation of write.operations) {
      const current = before.state.get(operation.sortKey)?.version
      expect(fails(operation, operation.sortKey, current)).toBe(false)
      if (operation.kind === 'put') {
        state.set(operation.sortKey, { value: text(operation.value), version })
      } else if (operation.kind === 'delete') {
        state.delete(operation.sortKey)
      }
    }
    states.push({ seq: version.seq, asked: write.asked, state })
  }
  return states
}

function judgeSighting(states: States, sighting: Sighting): void {
  const { floor, sortKey, version, answered } = sighting
  const fits = states.some(({ asked, state }, index) => {
    const until = states[index + 1]?.seq ?? Number.POSITIVE_INFINITY
    const isThen = until > floor && asked < answered
    return isThen && state.get(sortKey)?.version.seq === version?.seq
  })
  expect(fits, `seen at no moment: ${JSON.stringify(sighting)}`).toBe(true)
}

function judgePage(states: States, { floor, page, version }: Sight): void {
  expect(version.seq).toBeGreaterThanOrEqual(floor)
  const { state } = states.findLast(({ seq }) => seq <= version.seq) as States[number]
  expect(page).toEqual(new Map([...state].map(([sortKey, { value }]) => [sortKey, value])))
}

/**
 * Whether `operation` has a condition on `key` that does not hold when its version is `current`.
 */
function fails(operation: MapOperation, key: string, current: Version | undefined): boolean {
  const { condition, sortKey } = operation
  if (sortKey !== key || condition === undefined) return false
  return condition === 'absent' ? current !== undefined : current?.seq !== condition.seq
}

/** Lets what is ready run, so many times over. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve()
}
