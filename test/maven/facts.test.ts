import { expect, test } from 'vitest'
import type { FileFact } from '../../src/maven/metadata.ts'
import { openRepository } from './fixture.ts'

const HOME = 'com/acme/app'
const file = (version: string) => `${HOME}/${version}/app-${version}.jar`

test('tells the present state, and takes over what has not changed', async () => {
  const { facts, repository, deployer, put, close } = await openRepository('release')
  const read = async (): Promise<readonly FileFact[]> => {
    const known = await facts.of(repository.name, HOME)
    if (!known.ok) throw new Error(known.error.kind)
    return known.value.files
  }
  await put(file('1.0'), 'one')
  await put(file('1.1'), 'two')
  const [one, two] = await read()
  expect([one?.path, two?.path]).toEqual([file('1.0'), file('1.1')])

  expect(await put(`${file('1.1')}.sha1`, '0'.repeat(40))).toBe('conflict')
  const [oneAgain, quarantined] = await read()
  expect(oneAgain).toBe(one)
  expect(quarantined).toEqual({ ...two, quarantined: true })

  await deployer.remove(repository, file('1.0'))
  await put(file('1.2'), 'three')
  expect((await read()).map(({ path }) => path)).toEqual([file('1.1'), file('1.2')])
  await close()
})
