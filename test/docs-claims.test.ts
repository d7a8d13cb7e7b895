/** Every claim names a test, and every test named exists, down to its cases. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readText } from '../docs/code-blocks.ts'

const text = readText('docs/reference/claims.md')
const root = new URL('..', import.meta.url)

interface Claim {
  readonly claim: string
  readonly proof: string
}

const claims: readonly Claim[] = [...text.matchAll(/^\| (?!claim |---)(.+) \| (.+) \|$/gm)].map(
  ([, claim = '', proof = '']) => ({ claim, proof }),
)

/** The files a proof names, each with the cases that stand behind it. */
function testsIn(proof: string): readonly { readonly file: string; readonly cases: readonly string[] }[] {
  return proof.split(/, (?=`)/).map((part) => ({
    file: /^`([^`]+)`/.exec(part)?.[1] ?? '',
    cases: [...part.matchAll(/“([^”]+)”/g)].map(([, name]) => name ?? ''),
  }))
}

describe('claims.md', () => {
  it('is read by this test', () => {
    assert.ok(claims.length >= 25, `${claims.length} claims`)
  })

  for (const { claim, proof } of claims) {
    it(claim, () => {
      for (const { file, cases } of testsIn(proof)) {
        assert.match(file, /\.test\.ts$|^torture\/t\d\d-|^library\/src\/testing\/conformance\//, proof)
        assert.ok(existsSync(new URL(file, root)), `${file} does not exist`)
        const source = readText(file)
        for (const name of cases) assert.ok(source.includes(name), `${file} has no “${name}”`)
      }
    })
  }

  it('names only files that exist outside of its tables, too', () => {
    const files = [...text.matchAll(/`((?:test|library|torture)\/[^`]+\.ts)`/g)].map(([, file]) => file ?? '')
    assert.deepEqual(
      files.filter((file) => !existsSync(new URL(file, root))),
      [],
    )
  })

  it('speaks of every promise', () => {
    const promises = Array.from({ length: 14 }, (_, index) => `P${index + 1} `)
    assert.deepEqual(
      promises.filter((promise) => !text.includes(promise)),
      [],
    )
  })
})
