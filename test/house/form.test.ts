import { posix } from 'node:path'
import { expect, test } from 'vitest'
import { factsOf, readSources, type SourceFile } from './source.ts'

/** A file that is longer has more than one idea in it. */
const LINES_MAX = { src: 400, scripts: 400, test: 600 }

/** Words that name no idea. In names of files and folders, and as parts of declared names. */
const EMPTY_FILE_NAME = /^(utils?|helpers?|common|misc|managers?|impl|abstract)$/
const EMPTY_NAME = /(Utils?|Helpers?|Managers?|Impl)$|^(Abstract|Base)[A-Z][a-z]/

/** What silences a checker or puts work off. */
const EXCUSE = /biome-ignore|@ts-(ignore|expect-error|nocheck)|\b(TODO|FIXME|XXX)\b/

/** Every file in `files` that is too long, badly named, or asks for an exception. */
function formViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const lines = file.text.split('\n')
    const limit = LINES_MAX[file.path.split('/')[0] as keyof typeof LINES_MAX]
    const length = lines.length - 1
    const violations = length > limit ? [`${file.path} has ${length} lines, ${limit} at most`] : []
    const words = posix
      .relative('.', file.path)
      .split('/')
      .slice(1)
      .flatMap((part) => part.split(/[.-]/))
    for (const word of words.filter((word) => EMPTY_FILE_NAME.test(word))) {
      violations.push(`${file.path} has "${word}" in its name, which names no idea`)
    }
    if (!file.path.startsWith('src/')) return violations
    for (const { name, line } of factsOf(file).declared) {
      if (!EMPTY_NAME.test(name)) continue
      violations.push(`${file.path}:${line} declares ${name}, a name without an idea`)
    }
    lines.forEach((text, index) => {
      const excuse = EXCUSE.exec(text)?.[0]
      if (excuse !== undefined) violations.push(`${file.path}:${index + 1} has a ${excuse}`)
    })
    return violations
  })
}

test('the files keep to the limits of length and naming', () => {
  expect(formViolations(readSources('src', 'test'))).toEqual([])
})

test.each([
  ['src/a/long.ts', 'a()\n'.repeat(401), 'has 401 lines, 400 at most'],
  ['test/a/long.test.ts', 'a()\n'.repeat(601), 'has 601 lines, 600 at most'],
  ['src/a/utils.ts', '', '"utils" in its name'],
  ['src/a/string-helpers.ts', '', '"helpers" in its name'],
  ['src/common/text.ts', '', '"common" in its name'],
  ['test/a/misc.test.ts', '', '"misc" in its name'],
  ['src/a/a.ts', 'export class SliceManager {}', 'declares SliceManager'],
  ['src/a/a.ts', 'export class StoreImpl {}', 'declares StoreImpl'],
  ['src/a/a.ts', 'export type AbstractStore = 1', 'declares AbstractStore'],
  ['src/a/a.ts', 'export interface BaseStore {}', 'declares BaseStore'],
  ['src/a/a.ts', 'export function pathUtil() {}', 'declares pathUtil'],
  ['src/a/a.ts', '// TODO later', 'a.ts:1 has a TODO'],
  ['src/a/a.ts', '// @ts-expect-error', 'has a @ts-expect-error'],
  ['src/a/a.ts', '// biome-ignore lint: because', 'has a biome-ignore'],
])('refuses %s (case %#)', (path, text, violation) => {
  expect(formViolations([{ path, text }])).toEqual([expect.stringContaining(violation)])
})

test('accepts names and lengths that keep to the limits', () => {
  const text = `export const baseUrl = 1, BASE = 2, implied = 3, TODOS = 4\n${'a()\n'.repeat(399)}`
  expect(formViolations([{ path: 'src/base/newline.ts', text }])).toEqual([])
})
