/** The rules of the house, on every file of the repository, and each on snippets that break it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { honestTypesRule, pureCoreRule, quietRule } from './house-rules/honesty-rules.ts'
import { importsRule } from './house-rules/imports-rule.ts'
import { placeNamesIn } from './house-rules/place-names.ts'
import { fileLengthRule, functionLengthRule, typeParametersRule } from './house-rules/size-rules.ts'
import { parse, type Rule } from './house-rules/source.ts'
import { misplacedSqlFiles, sqlRule } from './house-rules/sql-rule.ts'
import { allPaths, isCode, isMeasured, isText, read } from './house-rules/tree.ts'
import { fileNamesRule, wordsRule } from './house-rules/words-rules.ts'

const rules: readonly Rule[] = [
  importsRule,
  fileLengthRule,
  functionLengthRule,
  typeParametersRule,
  honestTypesRule,
  quietRule,
  pureCoreRule,
  wordsRule,
  fileNamesRule,
  sqlRule,
]

const paths = allPaths()
const sources = paths.filter(isCode).map((path) => parse(read(path)))

function assertNone(complaints: readonly string[]): void {
  assert.equal(complaints.length, 0, `\n${complaints.join('\n')}`)
}

for (const rule of rules) {
  describe(rule.name, () => {
    it('is kept by every file', () => {
      assertNone(sources.flatMap((source) => rule.check(source)))
    })

    it('is broken by the offending snippets, and kept by the others', () => {
      for (const snippet of rule.offending) {
        assert.notEqual(
          rule.check(parse(snippet)).length,
          0,
          `no complaint about ${snippet.path}: ${snippet.text}`,
        )
      }
      for (const snippet of rule.accepted) assertNone(rule.check(parse(snippet)))
    })
  })
}

describe('files that are not code', () => {
  it('have no more than 400 lines either', () => {
    const others = paths.filter((path) => isMeasured(path) && !isCode(path)).map(read)
    const long = others.filter(({ text }) => text.trimEnd().split('\n').length > 400)
    assert.deepEqual(
      long.map(({ path }) => path),
      [],
    )
  })

  it('hold SQL only in the rooms of stores', () => {
    assert.deepEqual(misplacedSqlFiles(paths), [])
    assert.deepEqual(
      misplacedSqlFiles(['library/src/book/0001-log.sql', 'library/src/sqlite/migrations/0001-log.sql']),
      ['library/src/book/0001-log.sql'],
    )
  })
})

describe('no file names a place of the machine it was written on', () => {
  it('is kept by every file', () => {
    assertNone(paths.filter(isText).flatMap((path) => placeNamesIn(read(path))))
  })

  it('finds the places, and lets others be', () => {
    const slash = '/'
    for (const place of ['work/main/a.ts', 'tmp/a.db', 'root/.npmrc']) {
      assert.equal(placeNamesIn({ path: 'a.md', text: `see ${slash}${place}` }).length, 1, place)
    }
    // Put together here, so that this file names no such place itself.
    const text = ['https://example.org/WORK/a', './tmp/a', 'frame/WORK/a']
      .join(' ')
      .replaceAll('WORK', 'work')
    assertNone(placeNamesIn({ path: 'a.md', text }))
  })
})
