/** Tells the operator: a sentence that is always the same, and what differs from case to case. Never throws. */
export type Report = (
  level: 'info' | 'warn',
  message: string,
  detail: Readonly<Record<string, unknown>>,
) => void
