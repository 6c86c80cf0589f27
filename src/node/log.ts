import { type DestinationStream, destination, type Logger, pino } from 'pino'

/** Lines are written when this much has gathered, or once a second: a request does not wait for its log line. */
const BUFFER_BYTES = 8 * 1_024
const FLUSH_INTERVAL_MS = 1_000

export type NodeLog = {
  readonly logger: Logger
  /** Resolves when every line is written, or nobody reads them any more. */
  close(): Promise<void>
}

/** JSON lines on standard error, which leaves standard output to what is meant for people. */
export function openLog(level: string): NodeLog {
  const stream = destination({ dest: 2, sync: false, minLength: BUFFER_BYTES })
  const flush = setInterval(() => stream.flush(), FLUSH_INTERVAL_MS)
  flush.unref()
  return {
    // Without the stream's way to flush at once, which pino would use: it tries for ever when the reader has gone.
    logger: newLogger(level, { write: (line) => stream.write(line) }),
    close() {
      clearInterval(flush)
      return new Promise((resolve) => stream.flush(() => resolve()))
    },
  }
}

function newLogger(level: string, stream: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  )
}
