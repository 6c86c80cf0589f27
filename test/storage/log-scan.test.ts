import { describe, expect, test } from 'vitest'
import { AetherError } from '../../src/base/fault.ts'
import { crc32 } from '../../src/base/hash.ts'
import {
  encodeFrame,
  frameHash,
  GENESIS_HASH,
  HEADER_BYTES,
  LOG_FORMAT,
  SECTOR_BYTES,
} from '../../src/storage/log-frame.ts'
import { LogScan, type LogTail } from '../../src/storage/log-scan.ts'
import { type LogEffect, LogWriter } from '../../src/storage/log-writer.ts'
import { entry, IDENTITY } from '../conformance/consensus-log.ts'

type Files = Map<number, Uint8Array>
type Run = Extract<LogEffect, { kind: 'run' }>

function scan(files: Files, readBytes = 5_000): { slots: number[]; tail: LogTail } {
  const slots: number[] = []
  const log = new LogScan([...files.keys()], ({ slot }) => slots.push(slot))
  for (let at = log.next(); at !== undefined; at = log.next())
    log.push(files.get(at.segment)!.slice(at.offset, at.offset + readBytes))
  return { slots, tail: log.finish() }
}

/**
 * Runs a writer on plain arrays: opens, then appends `slots` one by one, with three frames to a segment. At the end it is
 * told what is not needed any more, but is cut off before it removes anything.
 */
function write(files: Files, slots: readonly number[], sizeBytes = 100, dropBelow = 0): Files {
  const after = new Map(files)
  const writer = new LogWriter(scan(files).tail, {
    identity: IDENTITY,
    segmentBytes: 3 * SECTOR_BYTES,
  })
  const inputs = slots.map(
    (slot) => ({ kind: 'append', token: slot, entries: [entry(slot, sizeBytes)] }) as const,
  )
  for (const input of [{ kind: 'open' } as const, ...inputs])
    for (let run = runOf(writer.step(input)); run; run = runOf(writer.step({ kind: 'ran' })))
      perform(after, run)
  if (dropBelow > 0) {
    const run = runOf(writer.step({ kind: 'drop-below', slot: dropBelow }))
    if (run) perform(after, run)
  }
  return after
}

function runOf(effects: readonly LogEffect[]): Run | undefined {
  return effects.find((effect) => effect.kind === 'run')
}

function perform(files: Files, { actions }: Run): void {
  for (const action of actions) {
    if (action.kind === 'create') files.set(action.segment, new Uint8Array())
    if (action.kind === 'remove') files.delete(action.segment)
    if (action.kind !== 'write') continue
    const before = files.get(action.segment)!
    const file = new Uint8Array(Math.max(before.length, action.offset + action.bytes.length))
    file.set(before)
    file.set(action.bytes, action.offset)
    files.set(action.segment, file)
  }
}

function changed(files: Files, segment: number, change: (file: Uint8Array) => Uint8Array): Files {
  return new Map([...files, [segment, change(files.get(segment)!.slice())]])
}

function flipped(files: Files, segment: number, offset: number): Files {
  return changed(files, segment, (file) => file.with(offset, file[offset]! ^ 0x10))
}

function refusal(files: Files): AetherError {
  try {
    scan(files)
  } catch (error) {
    if (error instanceof AetherError) return error
  }
  throw new Error('the scan did not refuse')
}

/** Segment 0 holds the opening frame and slots 1 and 2; segment 1 holds 3, 4, 5; segment 2 holds 6. */
const log = write(new Map(), [1, 2, 3, 4, 5, 6])

describe('a torn tail', () => {
  test('is dropped wherever the last frame is cut', () => {
    for (let size = 0; size < SECTOR_BYTES; size++) {
      const torn = changed(log, 2, (file) => file.slice(0, size))
      expect(scan(torn).slots).toEqual([1, 2, 3, 4, 5])
    }
  })

  test('is dropped wherever zeros or garbage begin in the last frame', () => {
    const end = HEADER_BYTES + 12 + 100
    for (let from = 0; from < end; from++) {
      for (const fill of [0, 0xa5]) {
        const torn = changed(log, 2, (file) => file.fill(fill, from))
        expect(scan(torn).slots).toEqual([1, 2, 3, 4, 5])
      }
    }
  })

  test('is dropped whichever byte of the last frame is damaged', () => {
    for (let offset = 0; offset < HEADER_BYTES + 12 + 100; offset++)
      expect(scan(flipped(log, 2, offset)).slots).toEqual([1, 2, 3, 4, 5])
  })

  test('of several sectors is dropped wherever it is cut, and the log goes on after it', () => {
    const long = write(log, [7], 9_000)
    const [segment, file] = [...long].at(-1)!
    for (let size = SECTOR_BYTES; size < file.length; size += 61) {
      const torn = new Map([...long, [segment, file.slice(0, size)]])
      expect(scan(torn).slots).toEqual([1, 2, 3, 4, 5, 6])
      expect(scan(write(torn, [8, 9])).slots).toEqual([1, 2, 3, 4, 5, 6, 8, 9])
    }
  })

  test('stays harmless when later segments follow it', () => {
    let files = log
    for (let slot = 7; slot < 12; slot++) {
      const last = Math.max(...files.keys())
      files = changed(
        files,
        last,
        (file) => new Uint8Array([...file, ...file.slice(0, 3_000), 1, 2, 3]),
      )
      files = write(files, [slot])
    }
    expect(scan(files).slots).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  })

  test('may be a whole file, which the next start replaces', () => {
    for (const junk of [new Uint8Array(), new Uint8Array(10_000).fill(3)]) {
      const files = new Map([...log, [3, junk]])
      expect(scan(files).slots).toEqual([1, 2, 3, 4, 5, 6])
      expect(scan(write(files, [7])).slots).toEqual([1, 2, 3, 4, 5, 6, 7])
      expect(scan(new Map([[0, junk]])).tail.identity).toBe(undefined)
      expect(scan(write(new Map([[0, junk]]), [1])).slots).toEqual([1])
    }
  })
})

describe('damage before an intact frame', () => {
  test('is refused whichever byte it is, with what to do', () => {
    for (const [segment, frame] of [
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 0],
      [1, 1],
      [1, 2],
    ] as const)
      for (let offset = 0; offset < HEADER_BYTES + (segment + frame === 0 ? 0 : 112); offset++) {
        const fault = refusal(flipped(log, segment, frame * SECTOR_BYTES + offset))
        expect(fault.code).toBe('data-damaged')
        expect(fault.next).toContain('add it as a new member')
      }
  })

  test('is refused when a segment ends early, is missing or is empty', () => {
    for (const segment of [0, 1]) {
      for (const size of [0, 1, SECTOR_BYTES, 3 * SECTOR_BYTES - 1])
        expect(refusal(changed(log, segment, (file) => file.slice(0, size))).code).toBe(
          'data-damaged',
        )
      expect(refusal(new Map([...log].filter(([name]) => name !== segment))).code).toBe(
        'data-damaged',
      )
    }
  })

  test('is refused when only the header of the later frame is intact', () => {
    const torn = changed(flipped(log, 1, 5), 2, (file) => file.slice(0, HEADER_BYTES))
    expect(refusal(torn).code).toBe('data-damaged')
  })

  test('is refused when a frame was replaced by an older one of the same place', () => {
    const other = write(new Map(), [1, 2, 33, 34, 35, 36])
    expect(refusal(new Map([...log, [1, other.get(1)!]])).code).toBe('data-damaged')
    const middle = changed(log, 1, (file) => {
      file.set(other.get(1)!.subarray(SECTOR_BYTES, 2 * SECTOR_BYTES), SECTOR_BYTES)
      return file
    })
    expect(refusal(middle).code).toBe('data-damaged')
  })
})

test('bytes of another log, place or segment are not frames', () => {
  const foreign = encodeFrame(
    {
      identity: new Uint8Array(16),
      segment: 2,
      offset: SECTOR_BYTES,
      floor: 0,
      sequence: 9,
      previous: GENESIS_HASH,
    },
    [entry(9)],
  )
  const own = log.get(1)!.subarray(0, SECTOR_BYTES)
  for (const stale of [foreign, own]) {
    const files = changed(log, 2, (file) => new Uint8Array([...file, ...stale]))
    expect(scan(files).slots).toEqual([1, 2, 3, 4, 5, 6])
  }
})

test('a payload that looks like a frame is not taken for one in a torn tail', () => {
  const last = log.get(2)!
  const inner = encodeFrame(
    {
      identity: new Uint8Array(16),
      segment: 2,
      offset: 2 * SECTOR_BYTES,
      floor: 0,
      sequence: 50,
      previous: frameHash(last),
    },
    [],
  )
  const bytes = new Uint8Array(3 * SECTOR_BYTES).fill(1)
  bytes.set(inner, SECTOR_BYTES - HEADER_BYTES - 12)
  const place = {
    identity: IDENTITY,
    segment: 2,
    offset: SECTOR_BYTES,
    floor: 0,
    sequence: scan(log).tail.sequence + 1,
    previous: frameHash(last),
  }
  const frame = encodeFrame(place, [{ slot: 7, bytes }])
  const whole = changed(
    log,
    2,
    (file) => new Uint8Array([...file.subarray(0, SECTOR_BYTES), ...frame]),
  )
  expect(scan(whole).slots).toEqual([1, 2, 3, 4, 5, 6, 7])
  const torn = changed(whole, 2, (file) => file.fill(0, SECTOR_BYTES + 3 * SECTOR_BYTES))
  expect(scan(torn).slots).toEqual([1, 2, 3, 4, 5, 6])
})

test('the last frame is there as long as one of its copies is, and once', () => {
  const reopened = write(log, [])
  expect([...reopened.keys()]).toEqual([0, 1, 2, 3])
  const lost = changed(reopened, 2, () => new Uint8Array())
  const garbled = changed(reopened, 2, (file) => file.fill(9))
  const torn = changed(reopened, 3, (file) => file.slice(0, 50))
  for (const files of [reopened, lost, garbled, torn]) {
    expect(scan(files).slots).toEqual([1, 2, 3, 4, 5, 6])
    expect(scan(write(files, [7])).slots).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(scan(write(write(files, []), [7])).slots).toEqual([1, 2, 3, 4, 5, 6, 7])
  }
  expect(scan(changed(lost, 3, () => new Uint8Array())).slots).toEqual([1, 2, 3, 4, 5])
})

describe('a copy of the last frame that was never durable', () => {
  const slots = [6, 7, 8, 9, 10, 11]

  /** Segment 3 holds nothing but a copy of slot 6, as segment 4 does with 7 and 8. Those before are gone. */
  function copied(dropBelow: number): Files {
    const files = write(write(log, []), slots.slice(1), 100, dropBelow)
    return new Map([...files].filter(([segment]) => segment >= 3))
  }

  test.each([0, SECTOR_BYTES])(
    'does no harm as the oldest segment, being dropped: %i bytes',
    (size) => {
      const files = copied(7)
      expect(scan(files).slots).toEqual(slots)
      expect(scan(files).tail.floor).toBe(4)
      const lost = changed(files, 3, () => new Uint8Array(size).fill(3))
      expect(scan(lost).slots).toEqual(slots)
      expect(scan(write(lost, [12])).slots).toEqual([...slots, 12])
    },
  )

  test.each([0, SECTOR_BYTES])(
    'is refused as the oldest segment when it is needed: %i bytes',
    (size) => {
      const lost = changed(copied(0), 3, () => new Uint8Array(size).fill(3))
      expect(refusal(lost).code).toBe('data-damaged')
    },
  )
})

test('a frame of a newer format is refused', () => {
  const frame = encodeFrame(
    { identity: IDENTITY, segment: 0, offset: 0, floor: 0, sequence: 0, previous: GENESIS_HASH },
    [],
  )
  const view = new DataView(frame.buffer)
  view.setUint32(8, LOG_FORMAT + 1)
  view.setUint32(4, crc32(frame.subarray(8, HEADER_BYTES)))
  expect(refusal(new Map([[0, frame]])).code).toBe('data-format-newer')
})

test('replay is the same in whatever pieces the log is read', () => {
  const files = write(
    new Map(),
    Array.from({ length: 30 }, (_, i) => i + 1),
  )
  for (const readBytes of [1, 100, SECTOR_BYTES, 1 << 20])
    expect(scan(files, readBytes).slots.length).toBe(30)
})
