import { afterEach, beforeEach, expect, test } from 'vitest'
import { text } from '../../src/base/bytes.ts'
import type { Unavailable } from '../../src/base/port.ts'
import { err } from '../../src/base/result.ts'
import { type ArtifactPath, parseLayout } from '../../src/maven/layout.ts'
import { openRepository } from './fixture.ts'

const RELEASE = 'com/acme/app/1.0/app-1.0.jar'
const SNAPSHOT = 'com/acme/app/2.0-SNAPSHOT/app-2.0-20240102.030405-1.jar'

let repository: Awaited<ReturnType<typeof openRepository>>

beforeEach(async () => {
  repository = await openRepository('any')
})
afterEach(() => repository.close())

/** From now on no quorum is reached. */
function cutOff(): void {
  const unavailable: Unavailable = { kind: 'unavailable', reason: 'too few replicas' }
  repository.store.artifacts.get = async () => err(unavailable)
  repository.store.artifacts.scan = async () => err(unavailable)
  repository.store.artifacts.version = async () => err(unavailable)
}

/** What a client gets: the text of the file, or why there is none. */
async function read(path: string): Promise<string> {
  const { reader } = repository
  const found = await reader.file(repository.repository, parseLayout(path) as ArtifactPath)
  if (!found.ok) return found.error.kind
  const source = await reader.source(found.value)
  if (!source.ok) return source.error.kind
  return source.value.kind === 'inline' ? text(source.value.bytes) : source.value.kind
}

test('a release that this node knows is read without asking anybody', async () => {
  await repository.put(RELEASE, 'body')
  await repository.put(`${RELEASE}.sha1`, '02083f4579e08a612425c0c1a17ee47add783b94')
  cutOff()
  expect(await read(RELEASE)).toBe('body')
})

test('what it does not know is unavailable without a quorum, and never not found', async () => {
  expect(await read(RELEASE)).toBe('not-found')
  cutOff()
  expect(await read(RELEASE)).toBe('unavailable')
})

test('a snapshot is what the quorum says', async () => {
  await repository.put(SNAPSHOT, 'body')
  expect(await read(SNAPSHOT)).toBe('body')
  cutOff()
  expect(await read(SNAPSHOT)).toBe('unavailable')
})

test('a quarantined release is what the quorum says', async () => {
  await repository.put(RELEASE, 'body')
  await repository.put(`${RELEASE}.sha1`, '0'.repeat(40))
  expect(await read(RELEASE)).toBe('not-found')
  cutOff()
  expect(await read(RELEASE)).toBe('unavailable')
})

test('a body of a later write than the record is not given out for it', async () => {
  await repository.put(RELEASE, 'body')
  const { reader } = repository
  const before = await reader.file(repository.repository, parseLayout(RELEASE) as ArtifactPath)
  if (!before.ok) throw new Error(before.error.kind)
  await repository.deployer.remove(repository.repository, RELEASE)
  await repository.put(RELEASE, 'other bytes')
  expect(await reader.source(before.value)).toMatchObject({ error: { kind: 'unavailable' } })
  expect(await read(RELEASE)).toBe('other bytes')
})
