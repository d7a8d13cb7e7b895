/** What commands do with files that are not what they should be. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, describe, it } from 'node:test'
import { daybook, exampleFolder, failureOf } from './test-bed.ts'

const folder = exampleFolder()
const config = ['--config', join(folder, 'daybook.config.ts')]
const file = (name: string): string => join(folder, name)
const reading = [
  'read',
  'read account-1',
  'state account 1',
  'history account-1',
  'find balances',
  'projections',
  'stats',
  'doctor',
]
const all = [
  ...reading,
  'append account-1 AccountOpened {"owner":"Ada"}',
  'run account 1 open {"owner":"Ada"}',
]

before(async () => {
  const data = { owner: 'x'.repeat(200) }
  const lines = Array.from({ length: 500 }, (_, n) =>
    JSON.stringify({ stream: `account-${n}`, type: 'AccountOpened', data }),
  )
  await daybook(['append', '--file', '-', '--store', `sqlite:${file('sound.db')}`, ...config], {
    input: lines.join('\n'),
  })
})

async function failing(words: string, name: string): Promise<readonly [string, number | null]> {
  const ran = await daybook([...words.split(' '), ...config, '--store', `sqlite:${file(name)}`, '--json'])
  if (!words.startsWith('doctor')) return [failureOf(ran).code, ran.code]
  const code = /"kind":"finding".*?"code":"(\w+)"/.exec(ran.stdout)?.[1] ?? 'none'
  return [code, ran.code]
}

describe('a store that does not exist', () => {
  for (const words of reading) {
    it(`is not created by daybook ${words}`, async () => {
      const [code, exitCode] = await failing(words, 'none.db')
      assert.equal(code, 'STORE_CANNOT_OPEN')
      assert.equal(exitCode, words === 'doctor' ? 1 : 5)
      for (const suffix of ['', '-wal', '-shm']) assert.equal(existsSync(file(`none.db${suffix}`)), false)
    })
  }

  it('says where it looked, and who may begin one', async () => {
    const ran = await daybook(['read', '--store', 'sqlite:none.db', '--json'])
    assert.match(failureOf(ran).message, /sqlite:none\.db does not exist/)
    assert.ok(failureOf(ran).hint.includes(join(process.cwd(), 'none.db')))
    assert.match(failureOf(ran).hint, /Only append and run begin a new book/)
  })
})

describe('a file that is no book', () => {
  const files: readonly (readonly [string, string, () => void])[] = [
    [
      'garbage.db',
      'STORE_FOREIGN',
      () => writeFileSync(file('garbage.db'), 'This is no database. '.repeat(100)),
    ],
    ['empty.db', 'STORE_FOREIGN', () => writeFileSync(file('empty.db'), '')],
    [
      'foreign.db',
      'STORE_FOREIGN',
      () => {
        const database = new DatabaseSync(file('foreign.db'))
        database.exec('CREATE TABLE person (name TEXT)')
        database.close()
      },
    ],
    [
      'newer.db',
      'STORE_NEWER',
      () => {
        copyFileSync(file('sound.db'), file('newer.db'))
        const database = new DatabaseSync(file('newer.db'))
        database.exec('PRAGMA user_version = 99')
        database.close()
      },
    ],
    ['folder.db', 'STORE_CANNOT_OPEN', () => mkdirSync(file('folder.db'))],
  ]
  for (const [name, expected, make] of files) {
    it(`is refused as ${expected} and left as it is: ${name}`, async () => {
      make()
      const isFolder = name === 'folder.db'
      const bytes = isFolder ? undefined : readFileSync(file(name))
      // An empty file becomes a book by the first append, as one that does not exist does.
      for (const words of name === 'empty.db' ? reading : all) {
        const [code, exitCode] = await failing(words, name)
        assert.equal(code, expected, words)
        assert.equal(exitCode, words === 'doctor' ? 1 : 5, words)
      }
      if (bytes !== undefined) assert.ok(bytes.equals(readFileSync(file(name))), 'the file was changed')
    })
  }
})

describe('a damaged book', () => {
  it('is reported as STORE_CORRUPT when its end is missing', async () => {
    copyFileSync(file('sound.db'), file('short.db'))
    truncateSync(file('short.db'), 40_960)
    for (const words of ['stats', 'doctor']) {
      const [code, exitCode] = await failing(words, 'short.db')
      assert.equal(code, 'STORE_CORRUPT', words)
      assert.equal(exitCode, words === 'doctor' ? 1 : 5)
    }
  })

  it('is reported as STORE_CORRUPT when pages were overwritten', async () => {
    const bytes = readFileSync(file('sound.db'))
    bytes.fill(0xa5, 16_384, 65_536)
    writeFileSync(file('overwritten.db'), bytes)
    const [code] = await failing('doctor', 'overwritten.db')
    assert.equal(code, 'STORE_CORRUPT')
  })
})

describe('a book that may only be read', () => {
  it('can be read, and says so when it is to be written', async () => {
    copyFileSync(file('sound.db'), file('frozen.db'))
    chmodSync(file('frozen.db'), 0o444)
    const store = ['--store', `sqlite:${file('frozen.db')}`, '--json']
    assert.equal((await daybook(['stats', ...store])).code, 0)
    // Nothing is read-only to root.
    if (process.getuid?.() === 0) return
    const [code, exitCode] = await failing('append account-9999 AccountOpened {"owner":"Ada"}', 'frozen.db')
    assert.equal(code, 'STORE_READ_ONLY')
    assert.equal(exitCode, 5)
  })
})

describe('an address of a store', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['bank.db', /--store sqlite:bank\.db/],
    ['sqlite:', /Known are sqlite:FILE, postgres:\/\/user:password@host\/database and memory:/],
    ['mysql://ada:secret@localhost/bank', /Known are/],
    ['postgres://ada:secret@local host/bank', /%40/],
    ['postgres://ada:p#secret@localhost/bank', /PGPASSWORD/],
    ['postgres://ada:p?secret@localhost/bank', /PGPASSWORD/],
    ['postgres://localhost/bank?schema=no-name', /bounds/],
    ['memory:x', /Known are/],
    ['', /Known are/],
  ]
  for (const [address, hint] of cases) {
    it(`is refused: ${JSON.stringify(address)}`, async () => {
      const ran = await daybook(['read', '--store', address, '--json'])
      assert.equal(ran.code, 2)
      assert.match(failureOf(ran).hint, hint)
      assert.doesNotMatch(`${ran.stdout}${ran.stderr}`, /secret|ada/)
    })
  }
})
