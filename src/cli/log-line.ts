/**
 * A line of a node's log for people: time of day, level unless it is the usual one, message, and the other fields. A line
 * that is no JSON stays as it is. Nothing in it can steer the terminal.
 */
export function readableLine(line: string): string {
  return format(line).replace(/\p{Cc}/gu, ' ')
}

function format(line: string): string {
  const entry = parse(line)
  if (entry === undefined) return line
  const { level, time, msg, err, ...fields } = entry
  const words = [String(time).slice(11, 19)]
  if (level !== 'info') words.push(String(level).toUpperCase())
  words.push(String(msg))
  for (const [name, value] of Object.entries(fields)) words.push(`${name}=${textOf(value)}`)
  if (err !== undefined) words.push(`(${textOf((err as { message?: unknown }).message ?? err)})`)
  return words.join(' ')
}

function parse(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
