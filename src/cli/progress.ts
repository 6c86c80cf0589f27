import type { Session } from './session.ts'

/** A terminal needs no more than ten pictures a second. */
const INTERVAL_MS = 100

/** One line on stderr that shows how far a transfer is, if somebody is watching: only on a terminal, never with `--json`. */
export class Progress {
  readonly #session: Session
  readonly #name: string
  readonly #sizeBytes: number | undefined
  #shownMs = 0

  constructor(session: Session, name: string, sizeBytes: number | undefined) {
    this.#session = session
    this.#name = name
    this.#sizeBytes = sizeBytes
  }

  show(doneBytes: number): void {
    const { stderr } = this.#session.surroundings
    const nowMs = performance.now()
    if (stderr.isTTY !== true || this.#session.json || nowMs - this.#shownMs < INTERVAL_MS) return
    this.#shownMs = nowMs
    const whole = this.#sizeBytes ? ` of ${megabytes(this.#sizeBytes)}` : ''
    stderr.write(`\r\x1b[K${this.#name}  ${megabytes(doneBytes)}${whole} MB`)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shownMs > 0) this.#session.surroundings.stderr.write('\r\x1b[K')
  }
}

function megabytes(sizeBytes: number): string {
  return (sizeBytes / 1_000_000).toFixed(1)
}
