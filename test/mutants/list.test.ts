import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { BLOB_MUTANTS, ROUTING_MUTANTS } from './cluster-list.ts'
import { MUTANTS } from './list.ts'
import { REPLICATION_MUTANTS } from './replication-list.ts'

const ALL = [...MUTANTS, ...REPLICATION_MUTANTS, ...ROUTING_MUTANTS, ...BLOB_MUTANTS]

test.each(ALL)('"$name" fits the sources', ({ edits }) => {
  for (const { file, find, put } of edits) {
    const source = readFileSync(join(import.meta.dirname, '../..', file), 'utf8')
    expect(source.split(find)).toHaveLength(2)
    expect(put).not.toBe(find)
  }
})

test('no two mutants have one name', () => {
  expect(new Set(ALL.map(({ name }) => name)).size).toBe(ALL.length)
})
