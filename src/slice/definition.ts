import type { SliceContext } from './context.ts'

/**
 * The part of the Standard Schema interface (standardschema.dev, version 1) that the platform calls, so that a slice may
 * describe its methods with the validation library of its choice.
 */
export type Schema<T> = {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>
  }
}

type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] }

/** A method that other slices call by name. */
export type Method = {
  /** Checks what arrives, since types are gone at run time, and runs the method. Rejects on input that does not fit. */
  invoke(input: unknown): Promise<unknown>
}

/** What the module named by `Slice-Main` exports as `slice`. */
export type Slice = {
  readonly methods: Readonly<Record<string, Method>>
  /** Resolves when the slice can serve; until then nothing reaches it. Rejecting puts it into FAILED. */
  start(context: SliceContext): Promise<void>
  /** Resolves when nothing of the slice runs any more. */
  stop(): Promise<void>
}

/** States the type of a slice; nothing else happens. */
export function defineSlice(slice: Slice): Slice {
  return slice
}

/** A method whose input `schema` describes. */
export function defineMethod<In, Out>(
  schema: Schema<In>,
  call: (input: In) => Promise<Out>,
): Method {
  return {
    async invoke(input) {
      const checked = await schema['~standard'].validate(input)
      if (checked.issues === undefined) return call(checked.value)
      throw new TypeError(checked.issues.map((issue) => issue.message).join('; '))
    },
  }
}
