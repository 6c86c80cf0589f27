import { afterEach, expect, test } from 'vitest'
import { openRepository } from './fixture.ts'

let repository: Awaited<ReturnType<typeof openRepository>>
afterEach(() => repository.close())

test('stores a POM whose packaging is longer than a record may be', async () => {
  repository = await openRepository('release')
  const pom = `<project><packaging>${'x'.repeat(300_000)}</packaging></project>`
  expect(await repository.put('com/acme/app/1.0/app-1.0.pom', pom)).toBe('created')
})
