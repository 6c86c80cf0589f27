import { expect, test } from 'vitest'
import { DirectorySync } from '../../src/storage/directory-sync.ts'
import type { Disk } from '../../src/storage/file-system.ts'

function controlled(): { disk: Disk; running: PromiseWithResolvers<void>[] } {
  const running: PromiseWithResolvers<void>[] = []
  const syncDirectory = () => {
    const sync = Promise.withResolvers<void>()
    running.push(sync)
    return sync.promise
  }
  return { disk: { syncDirectory } as unknown as Disk, running }
}

test('whoever comes during a sync shares the next one', async () => {
  const { disk, running } = controlled()
  const syncs = new DirectorySync(disk)
  const first = syncs.sync('/a')
  const others = [syncs.sync('/a'), syncs.sync('/a'), syncs.sync('/a')]
  expect(running.length).toBe(1)
  running[0]?.resolve()
  await first
  await Promise.resolve()
  expect(running.length).toBe(2)
  running[1]?.resolve()
  await Promise.all(others)
  void syncs.sync('/a')
  expect(running.length).toBe(3)
})

test('directories do not wait for each other', () => {
  const { disk, running } = controlled()
  const syncs = new DirectorySync(disk)
  void syncs.sync('/a')
  void syncs.sync('/b')
  expect(running.length).toBe(2)
})

test('a sync is not tried again after a failure', async () => {
  const { disk, running } = controlled()
  const syncs = new DirectorySync(disk)
  const first = syncs.sync('/a')
  const second = syncs.sync('/a')
  running[0]?.reject(new Error('EIO'))
  await expect(first).rejects.toThrow('EIO')
  await expect(second).rejects.toThrow('EIO')
  expect(running.length).toBe(1)
})
