/** The tarball of the library, used as a stranger would: installed in an empty project, type-checked, run. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, sep } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const root = fileURLToPath(new URL('..', import.meta.url))
const binaries = join(root, 'node_modules', '.bin')

/** Runs a program of the repository, or the machine's npm, with the repository's Node first in the path. */
function run(cwd: string, program: string, ...parameters: string[]): string {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_)/i.test(name))
  const env = { ...Object.fromEntries(inherited), PATH: `${binaries}:${process.env.PATH ?? ''}` }
  const result = spawnSync(program, parameters, { cwd, env, encoding: 'utf8' })
  assert.equal(result.status, 0, `${program} ${parameters.join(' ')}\n${result.stdout}\n${result.stderr}`)
  return result.stdout
}

/** Packs a copy, so that no manifest changes under the tests that run beside this one. */
function packLibrary(folder: string): string {
  const isSource = (path: string): boolean => !['node_modules', 'dist'].includes(basename(path))
  for (const entry of ['library', 'scripts', 'tsconfig.base.json', 'LICENSE', 'CHANGELOG.md', 'README.md']) {
    const from = join(root, entry)
    if (existsSync(from)) cpSync(from, join(folder, entry), { recursive: true, filter: isSource })
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const before = readFileSync(join(folder, 'library', 'package.json'), 'utf8')
  run(join(folder, 'library'), 'npm', 'pack', '--pack-destination', folder)
  assert.equal(
    readFileSync(join(folder, 'library', 'package.json'), 'utf8'),
    before,
    'the manifest is as it was',
  )
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  assert.ok(tarball !== undefined)
  return join(folder, tarball)
}

const consumer = `
import { type Book, openBook } from 'daybook'
import { memory } from 'daybook/memory'
import { sqlite } from 'daybook/sqlite'

for (const store of [memory(), sqlite('consumer.db')]) {
  const book: Book = await openBook({ store })
  await book.append('account-42', [{ type: 'AccountOpened', data: { owner: 'Ada' } }], { expectedVersion: 'none' })
  for await (const event of book.readStream('account-42')) console.log(event.position, event.type)
  await book.close()
}
`

const strictProject = {
  compilerOptions: {
    target: 'es2024',
    lib: ['esnext'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  },
  files: ['consumer.ts'],
}

describe('the tarball of the library', () => {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-pack-'))
  const project = join(folder, 'project')
  let tarball = ''

  before(() => {
    tarball = packLibrary(folder)
    mkdirSync(project)
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({ name: 'project', private: true, type: 'module' }),
    )
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(strictProject))
    writeFileSync(join(project, 'consumer.ts'), consumer)
    run(project, 'npm', 'install', '--offline', '--no-audit', '--no-fund', tarball)
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('brings nothing with it', () => {
    const installed = readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'))
    assert.deepEqual(installed, ['daybook'])
  })

  it('holds what was built, its migrations and its licence, and no source or test', () => {
    const inside = join(project, 'node_modules', 'daybook')
    const files = readdirSync(inside, { recursive: true, encoding: 'utf8' }).map((file) =>
      file.split(sep).join('/'),
    )
    for (const file of ['LICENSE', 'CHANGELOG.md', 'dist/index.js', 'dist/index.d.ts'])
      assert.ok(files.includes(file), file)
    const migrations = readdirSync(join(root, 'library/src/sqlite/migrations')).filter((name) =>
      name.endsWith('.sql'),
    )
    assert.notEqual(migrations.length, 0)
    for (const name of migrations) assert.ok(files.includes(`dist/sqlite/migrations/${name}`), name)
    assert.deepEqual(
      files.filter((file) => /(^src|\.test\.|tsbuildinfo|(?<!\.d)\.ts$)/.test(file)),
      [],
    )
  })

  it('type-checks in a strict project with no types but Node’s', () => {
    run(project, join(binaries, 'tsc'), '-p', project)
  })

  it('runs', () => {
    const printed = run(project, join(binaries, 'node'), 'consumer.ts')
    assert.equal(printed, '1 AccountOpened\n1 AccountOpened\n')
  })

  it('is in order for publint', async () => {
    const bytes = new Uint8Array(readFileSync(tarball))
    const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer }, strict: true })
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg, { color: false })),
      [],
    )
  })

  it('is in order for are-the-types-wrong', () => {
    run(dirname(tarball), join(binaries, 'attw'), tarball, '--profile', 'esm-only')
  })
})
