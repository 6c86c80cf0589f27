import { expect, test } from 'vitest'
import { utf8 } from '../../../src/base/bytes.ts'
import type { NoSpace } from '../../../src/base/port.ts'
import type { Result } from '../../../src/base/result.ts'
import { PersistQueue } from '../../../src/cluster/dht/host/persist-queue.ts'
import type { Engine, EngineOperation } from '../../../src/storage/engine.ts'
import { openEngineTwin } from '../../twin/engine.ts'

test('commits as one what is pushed until the turn ends and while a commit is under way', async () => {
  const { engine } = await openEngineTwin()
  const commits: number[] = []
  const counted: Engine = {
    get: (key) => engine.get(key),
    scan: (range) => engine.scan(range),
    commit(operations: readonly EngineOperation[]): Promise<Result<void, NoSpace>> {
      commits.push(operations.length)
      if (commits.length === 1) for (const name of ['c', 'd', 'e']) queue.push(itemOf(name))
      return engine.commit(operations)
    },
    close: () => engine.close(),
  }
  const committed: string[] = []
  const turn = Promise.withResolvers<void>()
  const queue = new PersistQueue<ReturnType<typeof itemOf>>(counted, {
    turn: () => turn.promise,
    committed: ({ name }) => committed.push(name),
    refused: () => expect.unreachable(),
    failed: (fault) => expect.unreachable(String(fault)),
  })
  queue.push(itemOf('a'))
  await Promise.resolve()
  queue.push(itemOf('b'))
  turn.resolve()
  await queue.idle()
  expect(commits).toEqual([2, 3])
  expect(committed).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(queue.waitingBytes).toBe(0)
  await engine.close()
})

function itemOf(name: string) {
  const operation = { kind: 'put', key: utf8(name), value: utf8(name) } as const
  return { name, operations: [operation], sizeBytes: 2 }
}
