/** An expected outcome: a value or a refusal. Bugs throw instead, broken environments reject. */
export type Result<T, E> = Ok<T> | Err<E>

type Ok<T> = { readonly ok: true; readonly value: T }
type Err<E> = { readonly ok: false; readonly error: E }

export function ok<T>(value: T): Ok<T> {
  return { ok: true, value }
}

export function err<E>(error: E): Err<E> {
  return { ok: false, error }
}
