import { expect, test } from 'vitest'
import { utf8 } from '../../src/base/bytes.ts'
import type { Disk } from '../../src/storage/file-system.ts'

/** What every disk does. `open` gives one with an empty directory to work in. */
export function diskConformance(
  open: () => Promise<{ readonly disk: Disk; readonly directory: string }>,
): void {
  async function read(disk: Disk, path: string): Promise<string> {
    const file = await disk.open(path, 'read')
    const bytes = new Uint8Array(1_024)
    const count = await file.read(bytes, 0)
    await file.close()
    return Buffer.from(bytes.subarray(0, count)).toString()
  }

  async function create(disk: Disk, path: string, content: string): Promise<void> {
    const file = await disk.open(path, 'create')
    await file.write(utf8(content), 0)
    await file.datasync()
    await file.close()
  }

  test('reads back what was written, from any position', async () => {
    const { disk, directory } = await open()
    const file = await disk.open(`${directory}/a`, 'create')
    await file.write(utf8('world'), 6)
    await file.write(utf8('hello '), 0)
    const into = new Uint8Array(4)
    expect(await file.read(into, 4)).toBe(4)
    expect(Buffer.from(into).toString()).toBe('o wo')
    await file.close()
    expect(await read(disk, `${directory}/a`)).toBe('hello world')
  })

  test('reads fewer bytes only at the end', async () => {
    const { disk, directory } = await open()
    await create(disk, `${directory}/a`, 'abc')
    const file = await disk.open(`${directory}/a`, 'read')
    expect(await file.read(new Uint8Array(8), 1)).toBe(2)
    expect(await file.read(new Uint8Array(8), 3)).toBe(0)
    expect(await file.read(new Uint8Array(8), 99)).toBe(0)
    await file.close()
  })

  test('refuses to create an existing file and to open a missing one', async () => {
    const { disk, directory } = await open()
    await create(disk, `${directory}/a`, 'abc')
    await expect(disk.open(`${directory}/a`, 'create')).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(disk.open(`${directory}/b`, 'read')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.unlink(`${directory}/b`)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.list(`${directory}/b`)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('renames over an existing file in one step', async () => {
    const { disk, directory } = await open()
    await create(disk, `${directory}/a`, 'new')
    await create(disk, `${directory}/b`, 'old')
    await disk.rename(`${directory}/a`, `${directory}/b`)
    expect(await read(disk, `${directory}/b`)).toBe('new')
    expect(await disk.list(directory)).toEqual(['b'])
  })

  test('an open file stays readable after its name is gone', async () => {
    const { disk, directory } = await open()
    await create(disk, `${directory}/a`, 'abc')
    const file = await disk.open(`${directory}/a`, 'read')
    await disk.unlink(`${directory}/a`)
    const into = new Uint8Array(3)
    expect(await file.read(into, 0)).toBe(3)
    await file.close()
    expect(await disk.exists(`${directory}/a`)).toBe(false)
  })

  test('makes directories, once or again, and lists their names', async () => {
    const { disk, directory } = await open()
    await disk.makeDirectory(`${directory}/d`)
    await create(disk, `${directory}/d/x`, '1')
    await create(disk, `${directory}/d/y`, '2')
    await disk.makeDirectory(`${directory}/d`)
    await disk.syncDirectory(`${directory}/d`)
    expect([...(await disk.list(`${directory}/d`))].sort()).toEqual(['x', 'y'])
    expect(await disk.exists(`${directory}/d/x`)).toBe(true)
    await expect(disk.makeDirectory(`${directory}/no/parent`)).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })

  test('tells how much space is free', async () => {
    const { disk, directory } = await open()
    const { freeBytes, totalBytes } = await disk.freeSpace(directory)
    expect(freeBytes).toBeGreaterThan(0)
    expect(totalBytes).toBeGreaterThanOrEqual(freeBytes)
  })
}
