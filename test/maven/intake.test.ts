import { afterAll, expect, test } from 'vitest'
import { takeIn } from '../../src/maven/intake.ts'
import { openBlobs } from './fixture.ts'

const blobs = await openBlobs()
afterAll(() => blobs.close())

test('lets go of the source of a large body that it refuses, so that the rest can be drained', async () => {
  let isReleased = false
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield new Uint8Array(50_000)
    } finally {
      isReleased = true
    }
  }
  const taken = await takeIn(endless(), blobs.store, { maxBytes: 1_000_000 })
  expect(taken).toMatchObject({ error: { kind: 'too-large' } })
  expect(isReleased).toBe(true)
})
