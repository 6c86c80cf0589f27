import { afterEach, expect, test } from 'vitest'
import { openRepository } from './fixture.ts'

const JAR = 'com/acme/app/1.0/app-1.0.jar'

let repository: Awaited<ReturnType<typeof openRepository>>
afterEach(() => repository.close())

test('stores a POM whose packaging is longer than a record may be', async () => {
  repository = await openRepository('release')
  const pom = `<project><packaging>${'x'.repeat(300_000)}</packaging></project>`
  expect(await repository.put('com/acme/app/1.0/app-1.0.pom', pom)).toBe('created')
})

test('reads no more of a body without length than the release that exists has', async () => {
  repository = await openRepository('release')
  await repository.put(JAR, 'x'.repeat(1_000))
  let sentBytes = 0
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (; sentBytes < 1_000_000; sentBytes += 1_000) yield new Uint8Array(1_000)
  }
  expect(await repository.put(JAR, endless())).toBe('conflict')
  expect(sentBytes).toBeLessThan(10_000)
})
