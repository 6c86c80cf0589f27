import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { NodeId } from '../../../src/base/ids.ts'
import type { ControlEntry, ControlStore } from '../../../src/base/port.ts'
import {
  PartitionDirectory,
  type Situation,
} from '../../../src/cluster/partition/directory.driver.ts'
import { type Standing, zoneKey } from '../../../src/cluster/partition/index.ts'

const ids = ['n1', 'n2', 'n3'] as NodeId[]
const [n1, n2, n3] = ids as [NodeId, NodeId, NodeId]

/** The directory of n1, over a control state that takes every write at once, or refuses it for `refusal.reason`. */
function directoryOf(zone?: string) {
  const entries = new Map<string, ControlEntry>()
  const refusal: { reason: string | undefined } = { reason: undefined }
  const said: string[] = []
  let writes = 0
  const write: ControlStore['write'] = async ([operation]) => {
    writes++
    const { reason } = refusal
    if (reason !== undefined) return { ok: false, error: { kind: 'unavailable', reason } }
    const { key, value } = operation as { key: string; value: string }
    entries.set(key, { value, revision: writes })
    return { ok: true, value: writes }
  }
  const directory = new PartitionDirectory({
    self: n1,
    zone,
    isAlone: false,
    read: (key) => entries.get(key),
    control: { write } as ControlStore,
    relieved() {},
    report: (_, message) => said.push(message),
  })
  const tick = async (count: number, situation: Situation, canWrite = true) => {
    for (let i = 0; i < count; i++) {
      directory.tick(situation, () => canWrite)
      await turn()
      directory.refresh()
    }
  }
  return { directory, entries, refusal, said, tick, writes: () => writes }
}

function situation(tableVersion: number, ...each: readonly Standing[]): Situation {
  return {
    standings: new Map(each.map((standing, i) => [ids[i] as NodeId, standing])),
    progress: new Map(ids.map((id) => [id, { tableVersion, behind: '' }])),
    voters: ids.slice(0, each.length),
  }
}

const steady = (tableVersion: number) => situation(tableVersion, 'steady', 'steady', 'steady')

test('the first table knows the zones of all members', async () => {
  const { directory, entries, tick } = directoryOf('east')
  entries.set(zoneKey(n2), { value: 'east', revision: -1 })
  await tick(100, steady(0))
  expect(entries.get(zoneKey(n1))?.value).toBe('east')
  expect(directory.table).toBeUndefined()
  entries.set(zoneKey(n3), { value: 'west', revision: -1 })
  await tick(2, steady(0))
  expect(directory.table?.version).toBe(1)
})

test('the first table waits three seconds for a member that does not come', async () => {
  const { directory, tick } = directoryOf()
  await tick(140, situation(0, 'present', 'present', 'down'))
  expect(directory.table).toBeUndefined()
  await tick(20, situation(0, 'present', 'present', 'down'))
  expect(directory.table?.rows[0]?.replicas.length).toBe(3)
})

test('a node of a lone voter grows in turns, each when the one before is complete', async () => {
  const { directory, entries, tick } = directoryOf()
  await tick(3, situation(0, 'steady'))
  expect(directory.table?.rows.every(({ replicas }) => replicas.join() === n1)).toBe(true)
  const grown = () => directory.table?.rows.filter(({ replicas }) => replicas.length === 3).length
  await tick(60, steady(1))
  expect(grown()).toBe(0)
  for (const id of [n2, n3]) entries.set(zoneKey(id), { value: '', revision: -1 })
  await tick(60, steady(1))
  expect(grown()).toBe(64)
  // Roles go to those that are complete, not more than once a second, and then the next turn begins.
  await tick(60, steady(2))
  expect(directory.led).toBeLessThan(1_024)
  expect(grown()).toBe(64)
  await tick(60, steady(3))
  expect(grown()).toBe(128)
})

test('a write that fails is tried again half a second later, and told once', async () => {
  const { directory, refusal, said, tick, writes } = directoryOf()
  refusal.reason = 'the state is full'
  await tick(100, situation(0, 'steady'))
  expect(writes()).toBeLessThan(8)
  expect(said).toEqual(['the partition table could not be changed yet'])
  refusal.reason = undefined
  await tick(60, situation(0, 'steady'))
  expect(directory.table?.version).toBe(1)
})

test('listeners learn of a table before it is used, and of each later one', async () => {
  const { directory, tick } = directoryOf()
  const versions: number[] = []
  directory.follow(({ version }) => versions.push(version))
  await tick(3, situation(0, 'steady'))
  expect(versions).toEqual([1])
  directory.follow(({ version }) => versions.push(-version))
  expect(versions).toEqual([1, -1])
})

test('nothing is written without a quorum', async () => {
  const { tick, writes } = directoryOf('east')
  await tick(300, steady(0), false)
  expect(writes()).toBe(0)
})
