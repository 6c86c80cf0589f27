import type { Engine } from '../../src/storage/engine.ts'
import { FailStop } from '../../src/storage/fail-stop.ts'
import { SpaceGuard } from '../../src/storage/free-space.ts'
import { openLevelEngine } from '../../src/storage/level-engine.ts'
import { DiskTwin } from './disk.ts'
import { openLevelTwin } from './level.ts'

/**
 * The engine that ships over a LevelDB twin, in memory. `disk.crash()` loses what was not synced, `disk.kill()` only
 * the process; open again on the disk that they give.
 */
export async function openEngineTwin(
  disk = new DiskTwin(),
  options: { readonly valueFileBytes?: number } = {},
): Promise<EngineTwin> {
  const failStop = new FailStop()
  await disk.makeDirectory('/engine')
  await disk.makeDirectory('/values')
  await disk.syncDirectory('/')
  const engine = await openLevelEngine({
    disk,
    directory: '/engine',
    valueDirectory: '/values',
    ...options,
    space: new SpaceGuard(disk, '/'),
    failStop,
    openStore: (directory) => openLevelTwin(disk, directory),
  })
  return { engine, disk, failStop }
}

export type EngineTwin = {
  readonly engine: Engine
  readonly disk: DiskTwin
  readonly failStop: FailStop
}
