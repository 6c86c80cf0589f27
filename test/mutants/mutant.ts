/** One deliberate bug: each `find` occurs exactly once in its file and is replaced. */
export type Mutant = {
  readonly name: string
  readonly edits: readonly { readonly file: string; readonly find: string; readonly put: string }[]
}

/** A bug of one edit. */
export function mutant(name: string, file: string, find: string, put: string): Mutant {
  return { name, edits: [{ file, find, put }] }
}
