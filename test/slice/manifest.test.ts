import { expect, test } from 'vitest'
import { formatManifest, parseManifest, type SliceManifest } from '../../src/slice/index.ts'

const manifest: SliceManifest = {
  groupId: 'dev.aether.infra',
  artifactId: 'artifact-repo',
  version: '1.2.3',
  main: 'artifact-repo.mjs',
  isolation: 'inline',
}

test('a formatted manifest parses to the same values', () => {
  expect(parseManifest(formatManifest(manifest))).toEqual({ ok: true, value: manifest })
})

test('long lines are folded at 72 bytes as the JAR specification asks, and unfolded', () => {
  const long = { ...manifest, groupId: `org.${'x'.repeat(150)}` }
  const text = formatManifest(long)
  for (const line of text.split('\r\n')) expect(line.length).toBeLessThanOrEqual(72)
  expect(parseManifest(text)).toEqual({ ok: true, value: long })
})

test('isolation is process unless the manifest says inline', () => {
  const text = 'Slice-Artifact: g:a:1\nSlice-Main: a.mjs\n'
  expect(parseManifest(text)).toMatchObject({ value: { isolation: 'process' } })
})

test('a jar without the slice attributes is an ordinary artifact', () => {
  expect(parseManifest('Manifest-Version: 1.0\nMain-Class: App\n')).toMatchObject({
    error: { kind: 'not-a-slice' },
  })
})

test('only the main section counts', () => {
  expect(parseManifest('Manifest-Version: 1.0\n\nSlice-Main: a.mjs\n')).toMatchObject({
    error: { kind: 'not-a-slice' },
  })
})

test.each([
  ['Slice-Artifact: g:a\nSlice-Main: a.mjs', 'Slice-Artifact'],
  ['Slice-Artifact: g:a:1', 'Slice-Main'],
  ['Slice-Artifact: g:a:1\nSlice-Main: ../a.mjs', 'Slice-Main'],
  ['Slice-Artifact: g:a:1\nSlice-Main: /a.mjs', 'Slice-Main'],
  ['Slice-Artifact: g:a:1\nSlice-Main: a.mjs\nSlice-Isolation: thread', 'Slice-Isolation'],
])('%j is refused with the attribute that is wrong', (text, attribute) => {
  expect(parseManifest(text)).toMatchObject({
    error: { kind: 'malformed', detail: expect.stringContaining(attribute) },
  })
})
