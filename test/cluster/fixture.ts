import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localDisk } from '../../src/storage/disk.ts'
import type { Disk } from '../../src/storage/index.ts'
import { openLevelStore } from '../../src/storage/level.disk.ts'
import { openStorage, type Storage } from '../../src/storage/storage.disk.ts'
import type { CrashHarness, Harness } from '../conformance/harness.ts'
import { DiskTwin, type DiskTwinOptions } from '../twin/disk.ts'
import { openLevelTwin } from '../twin/level.ts'

/** The storage of a node on a disk twin. */
export function openTwinStorage(disk: DiskTwin): Promise<Storage> {
  return openStorage({
    disk,
    directory: '/data',
    openStore: (directory) => openLevelTwin(disk, directory),
  })
}

/** Something that lives on a node's storage and holds it until it is closed. */
export type Tenant<T> = { readonly tenant: T; readonly close: () => Promise<void> }

/** `directory` of `disk` is the storage's. */
export type OpenTenant<T> = (storage: Storage, disk: Disk, directory: string) => Promise<Tenant<T>>

/** On a disk twin, which loses and garbles at a crash what was not synced. */
export async function resideOnTwin<T>(
  open: OpenTenant<T>,
  disk: DiskTwin | DiskTwinOptions = {},
): Promise<CrashHarness<T>> {
  const twin = disk instanceof DiskTwin ? disk : new DiskTwin(disk)
  const storage = await openTwinStorage(twin)
  const { tenant, close: closeTenant } = await open(storage, twin, '/data')
  const close = async () => {
    await closeTenant()
    await storage.close()
  }
  return {
    tenant,
    close,
    restart: async () => {
      await close()
      return resideOnTwin(open, twin.kill())
    },
    crash: () => resideOnTwin(open, twin.crash()),
  }
}

/** On LevelDB in a temporary directory, which `close` removes. */
export async function resideOnDisk<T>(open: OpenTenant<T>): Promise<Harness<T>> {
  const directory = await mkdtemp(join(tmpdir(), 'aether-cluster-'))
  const start = async (): Promise<Harness<T>> => {
    const storage = await openStorage({ disk: localDisk, directory, openStore: openLevelStore })
    const { tenant, close: closeTenant } = await open(storage, localDisk, directory)
    const stop = async () => {
      await closeTenant()
      await storage.close()
    }
    return {
      tenant,
      restart: async () => {
        await stop()
        return start()
      },
      close: async () => {
        await stop()
        await rm(directory, { recursive: true })
      },
    }
  }
  return start()
}
