import { type Disk, parentDirectory } from './file-system.ts'

/**
 * Makes `bytes` the content of the file at `path`, in one step, durable when it resolves. When it rejects with `isNoSpace`,
 * the file has its old content or the new one, whole; after any other failure the disk is not to be trusted. One call at a
 * time for a path, and `<path>.tmp` is its own.
 */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporaryPath = temporaryOf(path)
  const file = await disk.open(temporaryPath, 'create')
  try {
    await file.write(bytes, 0)
    await file.datasync()
    await disk.rename(temporaryPath, path)
  } catch (error) {
    await disk.unlink(temporaryPath)
    throw error
  } finally {
    await file.close()
  }
  await disk.syncDirectory(parentDirectory(path))
}

/** Removes what a replacement that was cut off has left. Before the first replacement of a life. */
export async function removeTemporary(disk: Disk, path: string): Promise<void> {
  const temporaryPath = temporaryOf(path)
  if (await disk.exists(temporaryPath)) await disk.unlink(temporaryPath)
}

function temporaryOf(path: string): string {
  return `${path}.tmp`
}
