/**
 * Runs every command of docs/reference/cli.md, in order, in the folder that the first one makes, and compares what they
 * print. `DAYBOOK_WRITE_DOCS=1 node --test server/src/cli/reference.test.ts` writes what they print instead.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { exitCodes } from './failures.ts'
import { exampleFiles } from './init-files.ts'
import { daybook, newFolder } from './test-bed.ts'

const file = new URL('../../../docs/reference/cli.md', import.meta.url)
const reference = readFileSync(file, 'utf8')
const isWriting = process.env.DAYBOOK_WRITE_DOCS === '1'

/** The example's configuration, its store named from the current folder and its clock stopped. */
const config = `import { defineBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, balances } from './account.ts'
const now = () => Date.parse('2026-01-05T09:30:00Z')
export default defineBook({ store: sqlite('accounts.db'), deciders: [account], projections: [balances], host: { now } })
`

/** Words of a command line, as a shell splits them, and the exit code that a comment announces. */
function parsed(line: string): { readonly words: readonly string[]; readonly code: number } {
  const [command = '', comment = ''] = line.split(/ {4}# /)
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
  return { words: words.slice(2), code: Number(/^exits with (\d+)$/.exec(comment)?.[1] ?? 0) }
}

/** What differs from run to run and machine to machine. */
function steady(text: string): string {
  const ids = new Map<string, string>()
  return text
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
      if (!ids.has(id)) ids.set(id, `019b8d2e-1a40-7000-8000-00000000000${ids.size + 1}`)
      return ids.get(id) ?? id
    })
    .replaceAll(
      /^(size|bytes|wal bytes|sqlite)( +)\S.*$/gm,
      (_line, name: string, space: string) => `${name}${space}…`,
    )
    .replaceAll(/ takes about \d+\.\d s:/g, ' takes less than 0.1 s:')
    .replaceAll(/(?<![\w.:/])\/(?:[^\s/]+\/)+/g, '…/')
}

async function printed(line: string): Promise<string> {
  const { words, code } = parsed(line)
  if (line === '$ cat daybook.config.ts') return exampleFiles['daybook.config.ts'] ?? ''
  const ran = await daybook(words, { columns: 100, env: { NO_COLOR: '1' } })
  assert.equal(ran.code, code, `${line}\n${ran.stdout}${ran.stderr}`)
  if (words.join(' ') === 'init accounts') {
    process.chdir('accounts')
    writeFileSync('daybook.config.ts', config)
  }
  return steady(`${ran.stdout}${ran.stderr}`)
}

/** Runs what a block shows; returns it with what is printed now. */
async function rerun(block: string): Promise<string> {
  const shown: string[] = []
  for (const line of block.split('\n').filter((text) => text.startsWith('$ ')))
    shown.push(`${line}\n${await printed(line)}`.trimEnd())
  return shown.join('\n\n')
}

describe('the reference of the command line', () => {
  const before = process.cwd()
  after(() => process.chdir(before))

  it('shows what the commands print', async () => {
    process.chdir(newFolder())
    const parts = reference.split(/(?<=^```console\n)([\s\S]*?)(?=\n```$)/m)
    for (let index = 1; index < parts.length; index += 2) parts[index] = await rerun(parts[index] ?? '')
    const fresh = parts.join('')
    if (isWriting) writeFileSync(file, fresh)
    else assert.equal(fresh, reference)
  })

  it('has every command and every exit code', async () => {
    const commands = await commandsOf('')
    assert.ok(commands.length >= 15)
    const members = (await Promise.all(commands.map((name) => commandsOf(name)))).flat()
    assert.ok(members.length >= 19)
    for (const name of [...commands, ...members]) {
      const heading = name.includes(' ') ? '###' : '##'
      assert.ok(reference.includes(`\n${heading} ${name}\n\n\`\`\`console\n$ daybook ${name} --help\n`), name)
    }
    for (const [code] of Object.values(exitCodes))
      assert.ok(reference.includes(`\n| ${code} |`), String(code))
  })
})

/** The commands that a help lists, of the program or of a group of commands, by their whole names. */
async function commandsOf(group: string): Promise<readonly string[]> {
  const { stdout } = await daybook([...group.split(' ').filter((word) => word !== ''), '--help'])
  const [, list = ''] = /\nCommands:\n([\s\S]*?)\n\n/.exec(stdout) ?? []
  const names = [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name)
  return names.filter((name) => name !== 'help').map((name) => `${group} ${name}`.trim())
}
