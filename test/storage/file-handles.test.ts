import { expect, test } from 'vitest'
import { FileHandles } from '../../src/storage/file-handles.ts'
import type { DiskFile } from '../../src/storage/file-system.ts'
import { failure } from '../twin/disk.ts'

class CountingFiles {
  readonly opened: string[] = []
  openCount = 0
  openCountMax = 0

  readonly open = async (path: string): Promise<DiskFile> => {
    if (path === 'missing') throw failure('ENOENT', path)
    this.opened.push(path)
    this.openCount++
    this.openCountMax = Math.max(this.openCountMax, this.openCount)
    const close = async () => {
      this.openCount--
    }
    return { close } as DiskFile
  }
}

test('opens a file once for many uses, also concurrent ones', async () => {
  const files = new CountingFiles()
  const handles = new FileHandles(files.open, 4)
  await Promise.all([handles.use('a', async () => {}), handles.use('a', async () => {})])
  await handles.use('a', async () => {})
  expect(files.opened).toEqual(['a'])
})

test('closes the least recently used beyond the limit', async () => {
  const files = new CountingFiles()
  const handles = new FileHandles(files.open, 2)
  for (const path of ['a', 'b', 'a', 'c', 'a', 'b']) await handles.use(path, async () => {})
  expect(files.opened).toEqual(['a', 'b', 'c', 'b'])
  expect(files.openCountMax).toBeLessThanOrEqual(3)
  handles.clear()
  await Promise.resolve().then(() => {})
  expect(files.openCount).toBe(0)
})

test('a dropped file stays open for its users and is opened anew for others', async () => {
  const files = new CountingFiles()
  const handles = new FileHandles(files.open, 2)
  await handles.use('a', async () => {
    handles.drop('a')
    expect(files.openCount).toBe(1)
    await handles.use('a', async () => expect(files.openCount).toBe(2))
  })
  await Promise.resolve().then(() => {})
  expect(files.openCount).toBe(1)
})

test('does not remember a file that could not be opened', async () => {
  const files = new CountingFiles()
  const handles = new FileHandles(files.open, 2)
  await expect(handles.use('missing', async () => {})).rejects.toMatchObject({ code: 'ENOENT' })
  await expect(handles.use('missing', async () => {})).rejects.toMatchObject({ code: 'ENOENT' })
})
