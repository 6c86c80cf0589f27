import { isUtf8 } from 'node:buffer'
import type { RequestId } from '../base/ids.ts'
import type { ControlStore, Revision } from '../base/port.ts'
import { err, ok, type Result } from '../base/result.ts'
import { type ApiRefusal, badRequest } from './api-refusal.ts'
import { decodedKey } from './client-write.ts'
import { ValueApi, type ValueStore } from './value-api.ts'

/** The control store over HTTP. Idempotency keys are remembered for the next thousand writes. */
export function controlApi(
  control: ControlStore,
  newRequestId: () => RequestId,
): ValueApi<string, Revision> {
  return new ValueApi(valuesOf(control), newRequestId)
}

/** The only keys that are reachable from outside, never the platform's own. */
const USER_KEYS = 'user/'

/** Of the port: values are in the memory of every node. */
const VALUE_BYTES_MAX = 64 * 1_024

const NOT_TEXT = badRequest('A value is text in UTF-8: encode other bytes, for instance as Base64.')

/** Its values are text, and its versions revisions. */
function valuesOf(control: ControlStore): ValueStore<string, Revision> {
  return {
    contentType: 'text/plain; charset=utf-8',
    valueBytesMax: VALUE_BYTES_MAX,
    keyOf,
    refusalOf: (value) => (isUtf8(value) ? undefined : NOT_TEXT),
    formatVersion: String,
    parseVersion: (text) => (/^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined),
    async read(key) {
      const found = await control.get(key)
      if (!found.ok) return found
      const entry = found.value
      return ok(entry && { value: entry.value, version: entry.revision })
    },
    write(key, value, { condition, requestId }) {
      const operation =
        value === undefined
          ? { kind: 'delete' as const, key }
          : { kind: 'put' as const, key, value: value.toString() }
      const preconditions = condition === undefined ? [] : [{ key, revision: condition }]
      return control.write([operation], { preconditions, requestId })
    },
  }
}

function keyOf(target: string): Result<string, ApiRefusal> {
  const key = decodedKey(target)
  if (!key.ok) return key
  if (key.value.startsWith(USER_KEYS) && key.value.length > USER_KEYS.length) return key
  const detail = 'Clients have the keys below user/, such as /api/v1/control/user/name.'
  return err({ problem: { status: 403, title: 'Not a key of clients', detail } })
}
