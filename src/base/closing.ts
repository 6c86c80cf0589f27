/**
 * Closes one part after the other, also when one of them fails: what is left open would keep its files and its ports. Then
 * rejects with the first failure.
 */
export async function closeInOrder(parts: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = []
  for (const close of parts) {
    try {
      await close()
    } catch (failure) {
      failures.push(failure)
    }
  }
  if (failures.length > 0) throw failures[0]
}
