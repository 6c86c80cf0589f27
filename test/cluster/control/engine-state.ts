import { encodeBinary } from '../../../src/base/binary.ts'
import type { Transition } from '../../../src/cluster/control/state.ts'
import type { EngineOperation } from '../../../src/storage/index.ts'

/** A write as the nodes before the log stored it: the same bytes. */
export function encodeTransition({ revision, requestId, changes }: Transition): EngineOperation[] {
  const entries = changes.map(({ key: name, value }): EngineOperation => {
    const key = encodeBinary((writer) => writer.uint8(0x10).uint8(0x01).text(name))
    if (value === undefined) return { kind: 'delete', key }
    const bytes = encodeBinary((writer) => writer.uint8(1).uint48(revision).text(value))
    return { kind: 'put', key, value: bytes }
  })
  const key = encodeBinary((writer) => writer.uint8(0x10).uint8(0x02).uint48(revision))
  const value = encodeBinary((writer) => {
    writer.uint8(1).sizedText(requestId).uint16(changes.length)
    for (const change of changes) {
      writer.uint8(change.value === undefined ? 0 : 1).sizedText(change.key)
      if (change.value !== undefined) writer.sizedText(change.value)
    }
  })
  return [...entries, { kind: 'put', key, value }]
}
