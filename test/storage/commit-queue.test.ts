import { expect, test } from 'vitest'
import { utf8 } from '../../src/base/bytes.ts'
import { ok } from '../../src/base/result.ts'
import {
  CommitQueue,
  GROUP_BYTES_MAX,
  GROUP_OPERATIONS_MAX,
} from '../../src/storage/commit-queue.ts'
import type { EngineOperation } from '../../src/storage/engine.ts'

function put(key: string, sizeBytes = 1): EngineOperation {
  return { kind: 'put', key: utf8(key), value: new Uint8Array(sizeBytes) }
}

/** A queue whose groups are written when the test says so. */
function controlled() {
  const groups: string[][] = []
  const finish: (() => void)[] = []
  const queue = new CommitQueue((operations) => {
    groups.push(operations.map(({ key }) => Buffer.from(key).toString()))
    return new Promise((resolve) => finish.push(() => resolve(ok(undefined))))
  })
  return { groups, finish, queue }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

test('commits of one turn share a group, those that come during it the next', async () => {
  const { groups, finish, queue } = controlled()
  const commits = [queue.commit([put('a')]), queue.commit([put('b'), put('c')])]
  await turn()
  commits.push(queue.commit([put('d')]), queue.commit([put('e')]))
  await turn()
  expect(groups).toEqual([['a', 'b', 'c']])
  finish[0]?.()
  await turn()
  expect(groups).toEqual([
    ['a', 'b', 'c'],
    ['d', 'e'],
  ])
  finish[1]?.()
  await Promise.all(commits)
  await queue.drained()
})

test('a group is bounded in bytes and operations, and a commit is never split', async () => {
  const { groups, finish, queue } = controlled()
  const third = Math.floor(GROUP_BYTES_MAX / 3) - 10
  for (const key of ['a', 'b', 'c', 'd']) void queue.commit([put(key, third)])
  void queue.commit([put('large', 2 * GROUP_BYTES_MAX)])
  const many = Array.from({ length: GROUP_OPERATIONS_MAX }, (_, i) => put(`m${i}`))
  void queue.commit(many)
  void queue.commit([put('last')])
  for (let group = 0; group < 5; group++) {
    await turn()
    finish[group]?.()
  }
  await queue.drained()
  expect(groups.map((keys) => keys.length)).toEqual([3, 1, 1, GROUP_OPERATIONS_MAX, 1])
  expect(groups[2]).toEqual(['large'])
})

test('a failed group fails its commits only', async () => {
  let isBroken = true
  const queue = new CommitQueue(async () => {
    if (isBroken) throw new Error('EIO')
    return ok(undefined)
  })
  const commits = [queue.commit([put('a')]), queue.commit([put('b')])]
  for (const commit of commits) await expect(commit).rejects.toThrow('EIO')
  isBroken = false
  expect(await queue.commit([put('c')])).toEqual({ ok: true })
})
