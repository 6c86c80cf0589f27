/**
 * What has been written, as an outside observer sees it on the disks: which write followed which, and
 * what each has to lead to.
 */
import { hex } from '../../../src/base/bytes.ts'
import type { MapOperation, Version } from '../../../src/base/port.ts'
import { encodeEntry } from '../../../src/cluster/dht/entry.ts'
import { entryKey, entryPrefix } from '../../../src/cluster/dht/key.ts'
import { compareVersions } from '../../../src/cluster/dht/version.ts'
import { type EngineTwin, partition } from './replica-node.ts'

export type Request = {
  readonly space: string
  readonly partitionKey: string
  readonly operations: readonly MapOperation[]
}

type Link = { readonly version: Version; readonly requestId: string; readonly before: string }

export class ReplicaHistory {
  readonly requests = new Map<string, Request>()
  readonly #links = new Map<string, Link>()

  /** Looks at a disk after a commit. Throws when a version has two contents or two pasts. */
  observe(engine: EngineTwin): void {
    let before: string | undefined
    for (const { version, requestId } of engine.records()) {
      const name = nameOf(version)
      const past = version.seq === 1 ? '' : before
      const known = this.#links.get(name)
      if (known !== undefined && known.requestId !== requestId) {
        throw new Error(`identity: ${name} is ${known.requestId} and ${requestId}`)
      }
      if (known === undefined && past !== undefined) {
        this.#links.set(name, { version, requestId, before: past })
      } else if (known !== undefined && past !== undefined && known.before !== past) {
        throw new Error(`prefix: ${name} follows ${known.before} and ${past}`)
      }
      before = name
    }
  }

  /** Every write up to the last one on that disk, oldest first. */
  of(engine: EngineTwin): readonly Link[] {
    const last = engine.records().at(-1)
    const links: Link[] = []
    for (let name = last === undefined ? '' : nameOf(last.version); name !== ''; ) {
      const link = this.#links.get(name)
      if (link === undefined) throw new Error(`prefix: nobody has seen ${name}`)
      links.push(link)
      if (links.length > this.#links.size) throw new Error(`prefix: ${name} follows itself`)
      name = link.before
    }
    return links.reverse()
  }

  /**
   * Throws unless the entries on that disk are, byte for byte, what its writes one after the other
   * make of them, each once and each with its conditions fulfilled.
   */
  checkEntries(engine: EngineTwin): void {
    const entries = new Map<string, { version: Version; value: Uint8Array | undefined }>()
    const seen = new Set<string>()
    for (const { version, requestId } of this.of(engine)) {
      if (requestId === '') continue
      if (seen.has(requestId)) throw new Error(`once: ${requestId} has been written twice`)
      seen.add(requestId)
      const request = this.requests.get(requestId)
      if (request === undefined) throw new Error(`nobody has asked for ${requestId}`)
      this.#apply(entries, request, version, requestId)
    }
    const expected = new Map([...entries].map(([key, entry]) => [key, hex(encodeEntry(entry))]))
    const found = engine.dump('01')
    for (const key of new Set([...expected.keys(), ...found.keys()])) {
      if (expected.get(key) !== found.get(key)) {
        throw new Error(`state: ${key} is ${found.get(key)}, has to be ${expected.get(key)}`)
      }
    }
  }

  #apply(
    entries: Map<string, { version: Version; value: Uint8Array | undefined }>,
    { space, partitionKey, operations }: Request,
    version: Version,
    requestId: string,
  ): void {
    const prefix = entryPrefix(partition, space, partitionKey)
    const nameOfKey = (sortKey: string) => hex(entryKey(prefix, sortKey))
    for (const { sortKey, condition } of operations) {
      if (condition === undefined) continue
      const entry = entries.get(nameOfKey(sortKey))
      const current = entry?.value === undefined ? undefined : entry.version
      const holds =
        condition === 'absent'
          ? current === undefined
          : current !== undefined && compareVersions(current, condition) === 0
      if (!holds) throw new Error(`condition: that of ${requestId} did not hold`)
    }
    for (const operation of operations) {
      if (operation.kind === 'check') continue
      const value = operation.kind === 'put' ? operation.value : undefined
      entries.set(nameOfKey(operation.sortKey), { version, value })
    }
  }
}

export function nameOf({ epoch, seq }: Version): string {
  return `${epoch}/${seq}`
}
