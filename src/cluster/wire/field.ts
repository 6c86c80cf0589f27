import type { NodeId } from '../../base/ids.ts'

/**
 * How the parts of a message are packed as msgpack values and checked when they come in. What `unpack` is given was made
 * by another program: it throws `MalformedError` unless the value is one that `pack` makes.
 */
export type Field<T> = {
  pack(value: T): unknown
  unpack(packed: unknown): T
}

/** How each property of T is packed, in the order in which they travel. */
export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> }

/** Caught where a message is decoded, never further. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}

/** A value that is packed as it is and passes `isValid`. */
export function plain<T>(what: string, isValid: (packed: unknown) => boolean): Field<T> {
  return {
    pack: (value) => value,
    unpack(packed) {
      if (!isValid(packed)) throw new MalformedError(`no ${what}`)
      return packed as T
    },
  }
}

/** A whole number of at least `min` that a double holds exactly. */
export function whole(min: number): Field<number> {
  return plain(
    `whole number from ${min}`,
    (packed) => Number.isSafeInteger(packed) && min <= Number(packed),
  )
}

export const flag: Field<boolean> = plain('boolean', (packed) => typeof packed === 'boolean')

/** A text of `min` to `max` UTF-16 units. */
export function word<T extends string = string>(min: number, max: number): Field<T> {
  return plain(
    `text of ${min} to ${max}`,
    (packed) => typeof packed === 'string' && packed.length >= min && packed.length <= max,
  )
}

/** Names of nodes have at most 63 letters. */
export const node: Field<NodeId> = word<NodeId>(1, 63)

/** One of `values`. */
export function choice<T extends string | number>(values: readonly T[]): Field<T> {
  return plain(values.join(' or '), (packed) => values.includes(packed as T))
}

/** At most `bytesMax` bytes. */
export function blob(bytesMax: number): Field<Uint8Array> {
  return plain('bytes', (packed) => packed instanceof Uint8Array && packed.length <= bytesMax)
}

/** As many as a payload holds: what is unpacked is never much larger than the bytes that say it. */
export function list<T>(field: Field<T>): Field<readonly T[]> {
  return {
    pack: (values) => values.map((value) => field.pack(value)),
    unpack(packed) {
      if (!Array.isArray(packed)) throw new MalformedError('no list')
      return packed.map((one) => field.unpack(one))
    },
  }
}

/** `none`, or what `field` packs, which is never null. */
export function maybe<T, None extends null | undefined>(
  field: Field<T>,
  none: None,
): Field<T | None> {
  return {
    pack: (value) => (value === none ? null : field.pack(value as T)),
    unpack: (packed) => (packed === null ? none : field.unpack(packed)),
  }
}

/** An object as the list of its properties, and a check of how they go together. */
export function record<T extends object>(
  fields: Fields<T>,
  isConsistent: (value: T) => boolean = () => true,
): Field<T> {
  const parts = Object.entries(fields).map(([key, field]) => ({ key, field }) as Part<T>)
  return {
    pack: (value) => parts.map(({ key, field }) => field.pack(value[key])),
    unpack(packed) {
      if (!Array.isArray(packed) || packed.length !== parts.length) {
        throw new MalformedError(`no list of ${parts.length}`)
      }
      const value: Partial<T> = {}
      let at = 0
      for (const { key, field } of parts) value[key] = field.unpack(packed[at++])
      if (!isConsistent(value as T)) throw new MalformedError('parts that do not go together')
      return value as T
    },
  }
}

type Part<T> = { readonly key: keyof T; readonly field: Field<T[keyof T]> }
