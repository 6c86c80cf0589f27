import { expect, test } from 'vitest'
import { compareBytes, utf8 } from '../../src/base/bytes.ts'
import type { Disk } from '../../src/storage/file-system.ts'
import { ConsensusLog } from '../../src/storage/log.disk.ts'
import type { LogEntry } from '../../src/storage/log-frame.ts'

export const IDENTITY = new Uint8Array(16).fill(7)

/** An entry of `slot` that fills half a sector or more, so that few of them fill a segment. */
export function entry(slot: number, sizeBytes = 100): LogEntry {
  const bytes = new Uint8Array(sizeBytes).fill(slot)
  bytes.set(utf8(`entry ${slot} `).subarray(0, sizeBytes))
  return { slot, bytes }
}

/** Opens a log with segments of two frames and gives it with the slots it replayed. */
export async function openLog(
  disk: Disk,
  directory: string,
  segmentBytes = 2 * 4_096,
): Promise<{ log: ConsensusLog; slots: number[] }> {
  const slots: number[] = []
  const options = { directory, identity: IDENTITY, segmentBytes }
  const log = await ConsensusLog.open(disk, options, ({ slot, bytes }) => {
    if (compareBytes(bytes, entry(slot, bytes.length).bytes) !== 0)
      throw new Error(`the bytes of slot ${slot} have changed`)
    slots.push(slot)
  })
  return { log, slots }
}

/** What the consensus log promises on any disk. `open` gives one with an empty directory to work in. */
export function consensusLogConformance(
  open: () => Promise<{ readonly disk: Disk; readonly directory: string }>,
): void {
  async function appendAll(log: ConsensusLog, from: number, to: number): Promise<void> {
    for (let slot = from; slot <= to; slot++)
      expect(await log.append(slot, [entry(slot)])).toEqual({ ok: true, value: undefined })
  }

  function upTo(last: number, from = 1): number[] {
    return Array.from({ length: last - from + 1 }, (_, i) => from + i)
  }

  test('replays what was appended, in order, over several starts and segments', async () => {
    const { disk, directory } = await open()
    for (let start = 0; start < 4; start++) {
      const { log, slots } = await openLog(disk, directory)
      expect(slots).toEqual(upTo(start * 5))
      expect(log.identity).toEqual(IDENTITY)
      await appendAll(log, start * 5 + 1, start * 5 + 5)
      await log.close()
    }
  })

  test('appends that come together resolve in order and are all there', async () => {
    const { disk, directory } = await open()
    const { log } = await openLog(disk, directory)
    const resolved: number[] = []
    await Promise.all(
      upTo(50).map(async (slot) => {
        await log.append(slot, [entry(slot), entry(slot)])
        resolved.push(slot)
      }),
    )
    expect(resolved).toEqual(upTo(50))
    await log.close()
    const { log: again, slots } = await openLog(disk, directory)
    expect(slots).toEqual(upTo(50).flatMap((slot) => [slot, slot]))
    await again.close()
  })

  test('an empty append and an empty entry are kept', async () => {
    const { disk, directory } = await open()
    const { log } = await openLog(disk, directory)
    await log.append(1, [])
    await log.append(2, [entry(3, 0)])
    await log.close()
    const { log: again, slots } = await openLog(disk, directory)
    expect(slots).toEqual([3])
    await again.close()
  })

  test('an entry of several mebibytes and entries across read boundaries come back whole', async () => {
    const { disk, directory } = await open()
    const { log } = await openLog(disk, directory)
    const sizes = [3_000_000, 1, 262_144 - 100, 4_096 - 88 - 12, 4_096 - 88 - 11, 7]
    for (const [i, size] of sizes.entries()) await log.append(i, [entry(i, size)])
    await log.close()
    const { log: again, slots } = await openLog(disk, directory)
    expect(slots).toEqual(upTo(sizes.length - 1, 0))
    await again.close()
  })

  test('drops whole segments below a slot, and only those', async () => {
    const { disk, directory } = await open()
    const { log } = await openLog(disk, directory)
    await appendAll(log, 1, 20)
    const before = (await disk.list(directory)).length
    log.dropBelow(15)
    await appendAll(log, 21, 21)
    await log.close()
    expect((await disk.list(directory)).length).toBeLessThan(before - 4)
    const { log: again, slots } = await openLog(disk, directory)
    expect(slots).toEqual(upTo(21, slots[0]))
    expect(slots[0]).toBeLessThanOrEqual(15)
    expect(slots[0]).toBeGreaterThan(11)
    await again.close()
  })
}
