import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { daybook, failureOf, jsonLines, newFolder, runShell } from '../test-bed.ts'

const example = ['account.ts', 'daybook.config.ts', 'example.ts']
const project = ['.gitignore', 'package.json', 'tsconfig.json']

/** A folder that has what is installed, and nothing else. */
function emptyFolder(): string {
  const folder = newFolder()
  rmSync(join(folder, 'package.json'))
  return folder
}

describe('init', () => {
  it('begins a project that type-checks and runs, and says what to do next', async () => {
    const folder = emptyFolder()
    const accounts = join(folder, 'deep', 'accounts')
    const { code, stdout } = await daybook(['init', accounts], { columns: 100 })
    assert.equal(code, 0)
    assert.deepEqual(readdirSync(accounts).sort(), [...example, ...project].sort())
    for (const next of ['cd ', 'npm install', 'node example.ts', 'npx daybook history account-42'])
      assert.ok(stdout.includes(`\n  ${next}`), next)
    const bin = join(folder, 'node_modules', '.bin')
    const types = spawnSync(join(bin, 'tsc'), ['-p', accounts], { encoding: 'utf8' })
    assert.equal(types.status, 0, types.stdout)
    const ran = spawnSync(process.execPath, ['example.ts'], { cwd: accounts, encoding: 'utf8' })
    assert.equal(
      ran.stdout,
      "The account now holds 2000 cents.\nToo much: InsufficientFunds { available: 2000 }\nThe read model says { owner: 'Ada', cents: 2000, movements: 1 }\n",
    )
    assert.equal(ran.stderr, '')
    const commands = stdout.split('\n').filter((line) => line.startsWith('  npx daybook '))
    assert.equal(commands.length, 3)
    for (const line of commands) {
      const { code, stderr } = await runShell(accounts, line.replace('npx ', ''))
      assert.equal(code, 0, `${line}\n${stderr}`)
    }
  })

  it('leaves an existing project as it is', async () => {
    const folder = newFolder()
    const { stdout } = await daybook(['init', folder, '--json'])
    const [{ written, next } = {}] = jsonLines(stdout)
    assert.equal((written as readonly string[]).length, 3)
    assert.ok((next as readonly string[]).includes('npm install daybook zod'))
    assert.equal(readFileSync(join(folder, 'package.json'), 'utf8'), '{"type":"module"}')
    assert.equal(existsSync(join(folder, 'tsconfig.json')), false)
  })

  for (const existing of ['daybook.config.ts', 'daybook.config.js', 'account.ts', 'tsconfig.json']) {
    it(`overwrites no ${existing}, and writes nothing`, async () => {
      const folder = emptyFolder()
      writeFileSync(join(folder, existing), 'mine')
      const ran = await daybook(['init', folder, '--json'])
      assert.equal(ran.code, 1)
      assert.equal(failureOf(ran).code, 'FILE_EXISTS')
      assert.deepEqual(failureOf(ran).facts.existing, [existing])
      assert.deepEqual(new Set(readdirSync(folder)), new Set([existing, 'node_modules']))
    })
  }

  it('says so where it cannot write', async () => {
    const folder = newFolder({ file: '' })
    mkdirSync(join(folder, 'sub'))
    const ran = await daybook(['init', join(folder, 'file'), '--json'])
    assert.equal(ran.code, 1)
    assert.equal(failureOf(ran).code, 'FILE_FAILED')
  })
})
