import type { RequestId } from '../base/ids.ts'
import {
  type DistributedMap,
  type MapOperation,
  type MapSpace,
  VALUE_BYTES_MAX,
  type Version,
} from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { ApiRefusal } from './api-refusal.ts'
import { decodedKey } from './client-write.ts'
import { ValueApi, type ValueStore } from './value-api.ts'

/** The replicated map over HTTP. Idempotency keys are remembered for the next hundred writes of the partition. */
export function mapApi(
  map: DistributedMap,
  newRequestId: () => RequestId,
): ValueApi<EntryPlace, Version> {
  return new ValueApi(valuesOf(map.space(USER_SPACE)), newRequestId)
}

type EntryPlace = { readonly partitionKey: string; readonly sortKey: string }

/** The only space that is reachable from outside, never those of services. */
const USER_SPACE = 'user'

/** Its keys are entries, and its values bytes. */
function valuesOf(space: MapSpace): ValueStore<EntryPlace, Version> {
  return {
    contentType: 'application/octet-stream',
    valueBytesMax: VALUE_BYTES_MAX,
    keyOf: placeOf,
    refusalOf: () => undefined,
    formatVersion: ({ epoch, seq }) => `${epoch}.${seq}`,
    parseVersion,
    read: ({ partitionKey, sortKey }) => space.get(partitionKey, sortKey),
    async write({ partitionKey, sortKey }, value, { condition, requestId }) {
      const expected = condition === undefined ? {} : { condition }
      const operation: MapOperation =
        value === undefined
          ? { kind: 'delete', sortKey, ...expected }
          : { kind: 'put', sortKey, value, ...expected }
      const written = await space.write(partitionKey, [operation], { requestId })
      return written.ok ? ok(written.value.version) : written
    },
  }
}

/** `user/<partition key>/<sort key>`: a slash ends the partition key unless it is encoded; the sort key may have any. */
function placeOf(target: string): Result<EntryPlace, ApiRefusal> {
  const [, space, partition, sort] = /^([^/]*)\/([^/]*)\/(.+)$/s.exec(target) ?? []
  if (space !== USER_SPACE || !partition || sort === undefined) {
    const detail = 'Clients have /api/v1/map/user/<partition key>/<sort key>.'
    return err({ problem: { status: 403, title: 'Not an entry of clients', detail } })
  }
  const partitionKey = decodedKey(partition)
  if (!partitionKey.ok) return partitionKey
  const sortKey = decodedKey(sort)
  if (!sortKey.ok) return sortKey
  return ok({ partitionKey: partitionKey.value, sortKey: sortKey.value })
}

function parseVersion(text: string): Version | undefined {
  const [, epoch, seq] = /^(\d{1,10})\.(\d{1,15})$/.exec(text) ?? []
  return epoch === undefined ? undefined : { epoch: Number(epoch), seq: Number(seq) }
}
