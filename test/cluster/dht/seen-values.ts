import { utf8 } from '../../../src/base/bytes.ts'
import type { MapOperation, Version } from '../../../src/base/port.ts'
import { compareVersions } from '../../../src/cluster/dht/version.ts'
import type { Random } from '../../sim/random.ts'
import type { MapChange } from './map-model.ts'

/** What the clients of a map have seen so far, and the changes that they make of it. */
export class SeenValues {
  /** The newest by partition key and sort key. */
  readonly #newest = new Map<string, readonly [version: Version, value: string]>()

  /** A client comes to see a value, not necessarily in the order of the versions. */
  see(partitionKey: string, sortKey: string, version: Version, value: string): void {
    const key = `${partitionKey} ${sortKey}`
    const before = this.#newest.get(key)
    if (before === undefined || compareVersions(before[0], version) < 0) {
      this.#newest.set(key, [version, value])
    }
  }

  /** One or two changes, to `value` or to nothing, some on condition of what is there now. */
  draw(
    random: Random,
    partitionKey: string,
    sortKeys: readonly string[],
    value: string,
  ): MapChange[] {
    const count = random.int(1, 2)
    return random
      .shuffled(sortKeys)
      .slice(0, count)
      .map((sortKey): MapChange => {
        const put = random.chance(0.2) ? null : value
        return { sortKey, put, expected: this.#expectation(random, partitionKey, sortKey) }
      })
  }

  /** What a client asks the map for to have the change. */
  operation(partitionKey: string, { sortKey, put, expected }: MapChange): MapOperation {
    const version = this.#newest.get(`${partitionKey} ${sortKey}`)?.[0]
    const condition = expected === null ? ('absent' as const) : version
    const conditional = expected === undefined || condition === undefined ? {} : { condition }
    return typeof put === 'string'
      ? { kind: 'put', sortKey, value: utf8(put), ...conditional }
      : { kind: 'delete', sortKey, ...conditional }
  }

  #expectation(random: Random, partitionKey: string, sortKey: string): string | null | undefined {
    const chance = random.next()
    if (chance < 0.5) return undefined
    return chance < 0.6 ? null : this.#newest.get(`${partitionKey} ${sortKey}`)?.[1]
  }
}
