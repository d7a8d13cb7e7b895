import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { exampleFiles } from './init-files.ts'
import { daybook, failureOf, newFolder } from './test-bed.ts'

const imports = "import { defineBook, openBook } from 'daybook'\nimport { memory } from 'daybook/memory'\n"

describe('a configuration that is no good', () => {
  const cases: readonly (readonly [string, string, string, RegExp, RegExp])[] = [
    [
      'a missing package',
      'a.ts',
      "import 'not-there'",
      /Cannot find package 'not-there'/,
      /npm install not-there/,
    ],
    ['a missing file', 'b.ts', "import './account'", /Cannot find module/, /needs its ending/],
    [
      'a syntax error in TypeScript',
      'c.ts',
      'const a = 1\nexport default {,}',
      /at \S*c\.ts:2/,
      /Correct the code/,
    ],
    [
      'a syntax error in JavaScript',
      'd.js',
      'const a = 1\nexport default {,}',
      /at \S*d\.js:2/,
      /Correct the code/,
    ],
    [
      'TypeScript that is not only types',
      'e.ts',
      'enum A { B }\nexport default A',
      /enum is not supported/,
      /use no enum/,
    ],
    [
      'a throw',
      'f.ts',
      'const a = 1\n\nthrow new TypeError("boom")',
      /boom\n {2}at \S*f\.ts:3/,
      /Correct the code/,
    ],
    ['a throw of no error', 'g.ts', 'throw "boom"', /does not load: boom/, /Correct the code/],
    [
      'a definition that contradicts itself',
      'h.ts',
      `${imports}import { decider } from 'daybook'\ndecider('a-b', {})`,
      /category "a-b" contains a hyphen/,
      /Correct the code/,
    ],
    [
      'no default export',
      'i.ts',
      `${imports}export const book = defineBook({ store: memory() })`,
      /has no default export; it exports book/,
      /defineBook/,
    ],
    ['nothing exported', 'j.ts', 'export {}', /has no default export$/, /defineBook/],
    ['a number', 'k.ts', 'export default 42', /exports a number by default/, /defineBook/],
    ['an array', 'l.ts', 'export default []', /exports something without a store/, /defineBook/],
    ['null', 'm.ts', 'export default null', /exports null by default/, /defineBook/],
    ['no store', 'n.ts', 'export default { deciders: [] }', /without a store/, /defineBook/],
    ['a path for a store', 'o.ts', "export default { store: 'bank.db' }", /without a store/, /defineBook/],
    [
      'an open book',
      'p.ts',
      `${imports}export default await openBook({ store: memory() })`,
      /exports an open book/,
      /defineBook/,
    ],
    [
      'a promise',
      'q.ts',
      `${imports}export default openBook({ store: memory() })`,
      /exports a promise/,
      /defineBook/,
    ],
    [
      'deciders that are no array',
      'r.ts',
      `${imports}export default defineBook({ store: memory(), deciders: {} })`,
      /has deciders that are an object/,
      /defineBook/,
    ],
    [
      'no subscription among the subscriptions',
      't.ts',
      `${imports}export default defineBook({ store: memory(), subscriptions: ['search'] })`,
      /has a string in subscriptions\[0\]/,
      /defineBook/,
    ],
    [
      'processes that are no array',
      'u.ts',
      `${imports}export default defineBook({ store: memory(), processes: 'settlement' })`,
      /has processes that are a string/,
      /defineBook/,
    ],
    [
      'no decider among the deciders',
      's.ts',
      `${imports}export default defineBook({ store: memory(), deciders: ['account'] })`,
      /has a string in deciders\[0\]/,
      /defineBook/,
    ],
  ]
  for (const [name, file, content, message, hint] of cases) {
    it(name, async () => {
      const folder = newFolder({ [file]: content })
      const ran = await daybook(['read', '--config', join(folder, file), '--json'])
      assert.equal(ran.code, 1)
      assert.equal(failureOf(ran).code, 'CONFIG_INVALID')
      assert.match(failureOf(ran).message, message)
      assert.match(failureOf(ran).hint, hint)
    })
  }

  it('a file that is not there, a folder', async () => {
    const folder = newFolder()
    const missing = await daybook(['read', '--config', join(folder, 'none.ts'), '--json'])
    assert.match(failureOf(missing).message, /none\.ts does not exist/)
    const ofFolder = await daybook(['read', '--config', folder, '--json'])
    assert.match(failureOf(ofFolder).message, /is a folder/)
  })

  it('names the place in a file that the configuration imports', async () => {
    const folder = newFolder({ 'config.ts': "import './inner.ts'", 'inner.ts': '\n\n  missing()\n' })
    const ran = await daybook(['read', '--config', join(folder, 'config.ts'), '--json'])
    assert.match(String(failureOf(ran).facts.at), /inner\.ts:3:3$/)
  })
})

describe('finding the configuration', () => {
  const before = process.cwd()

  it('takes the nearest one, in this folder or above', async () => {
    const folder = newFolder(exampleFiles)
    const inner = join(folder, 'a', 'b')
    mkdirSync(inner, { recursive: true })
    process.chdir(inner)
    const ran = await daybook(['run', 'account', '1', 'open', '{"owner":"Ada"}'])
    process.chdir(before)
    assert.equal(ran.code, 0, ran.stderr)
  })

  it('of the repository is that of the bank example', async () => {
    process.chdir(join(import.meta.dirname, '..', '..', '..'))
    const ran = await daybook(['projections', '--store', 'memory:'])
    process.chdir(before)
    assert.match(ran.stdout, /^balances\t/)
  })

  it('says what to do where there is none, and needs none to read a store', async () => {
    process.chdir(newFolder())
    const ran = await daybook(['read', '--json'])
    const read = await daybook(['read', '--store', 'memory:'])
    const state = await daybook(['state', 'account', '1', '--store', 'memory:', '--json'])
    process.chdir(before)
    assert.equal(ran.code, 1)
    assert.equal(failureOf(ran).code, 'CONFIG_INVALID')
    assert.match(failureOf(ran).hint, /daybook init.*--config FILE.*--store sqlite:FILE/)
    assert.equal(read.code, 0)
    assert.equal(failureOf(state).code, 'NOT_REGISTERED')
    assert.match(failureOf(state).hint, /--store alone knows none/)
  })

  it('does without a broken one where only a store is needed', async () => {
    process.chdir(newFolder({ 'daybook.config.ts': 'throw new Error("broken")' }))
    const read = await daybook(['read', '--store', 'memory:'])
    const find = await daybook(['find', 'balances', '--store', 'memory:', '--json'])
    process.chdir(before)
    assert.equal(read.code, 0)
    assert.equal(failureOf(find).code, 'CONFIG_INVALID')
  })
})
