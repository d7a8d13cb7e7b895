/** Runs the steps of the guide to PostgreSQL, as its reader would. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import type { Binaries } from '@daybook/postgres-server'
import { root } from '../../docs/code-blocks.ts'
import { password, type Row, runSql, type Servers, startServers } from './servers.ts'
import { type SettingsStep, type ShellStep, type SqlStep, type Step, statementsOf } from './steps.ts'

/** What stands in for psql where it is not installed: runs a file. */
const psql = `#!/usr/bin/env node
const { readFileSync } = require('node:fs')
const { Client } = require('pg')
const words = process.argv.slice(2)
const client = new Client({ connectionString: words.at(-1) })
client.connect()
  .then(() => client.query(readFileSync(words[words.indexOf('--file') + 1], 'utf8')))
  .then(() => client.end(), (error) => { console.error(error); process.exit(3) })
`

/** True when a program is there, and of the server's version or a newer one. */
export function hasProgram(name: string, major: number): boolean {
  const { stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' })
  return Number(/\) (\d+)/.exec(stdout ?? '')?.[1] ?? 0) >= major
}

/** The servers, a folder to work in, and what the guide calls them. */
export class GuideRun implements AsyncDisposable {
  readonly servers: Servers
  readonly #folder: string

  private constructor(servers: Servers) {
    this.servers = servers
    this.#folder = mkdtempSync(join(tmpdir(), 'daybook-guide-'))
    symlinkSync(join(root, 'node_modules'), join(this.#folder, 'node_modules'), 'junction')
    mkdirSync(join(this.#folder, 'bin'))
    if (hasProgram('psql', 1)) return
    writeFileSync(join(this.#folder, 'bin', 'psql'), psql)
    chmodSync(join(this.#folder, 'bin', 'psql'), 0o755)
  }

  static async start(binaries: Binaries): Promise<GuideRun> {
    return new GuideRun(await startServers(binaries))
  }

  /** The address of a database, with the password that the guide gives its logins. */
  address(user: string, database: string, host = 'db.example'): string {
    const server = host === 'db.example' ? this.servers.primary : this.servers.replica
    const address = new URL(server.url(database, user))
    address.password = password
    return address.href
  }

  /** Runs a step. Returns what a query answered, and what commands printed. */
  async run(step: Step): Promise<{ readonly rows: readonly Row[]; readonly printed: string }> {
    if (step.kind === 'shell') return { rows: [], printed: this.#shell(step) }
    if (step.kind === 'settings') return { rows: [], printed: await this.#settings(step) }
    return { rows: await this.#sql(step), printed: '' }
  }

  async #sql({ user, database, host, body, refusedWith }: SqlStep): Promise<readonly Row[]> {
    const address = this.address(user, database, host)
    const statements = statementsOf(body)
    if (refusedWith === undefined) return runSql(address, statements)
    for (const statement of statements)
      await assert.rejects(runSql(address, [statement]), { code: refusedWith }, statement)
    return []
  }

  /** Each line is one that the server takes. */
  async #settings({ body }: SettingsStep): Promise<string> {
    for (const line of body.trim().split('\n')) {
      const [, name = '', value = ''] = /^(\w+) = (\S+)$/.exec(line) ?? []
      const change = [`ALTER SYSTEM SET ${name} = '${value}'`, `ALTER SYSTEM RESET ${name}`]
      await runSql(this.address('postgres', 'postgres'), change)
    }
    return ''
  }

  #shell({ body, exitCode }: ShellStep): string {
    const { primary, replica } = this.servers
    const commands = body
      .replaceAll('@db.example', `@${primary.host}:${primary.port}`)
      .replaceAll('@replica.example', `@${replica.host}:${replica.port}`)
    const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|PG)/i.test(name))
    const programs = [join(this.#folder, 'bin'), dirname(process.execPath), join(root, 'node_modules/.bin')]
    const result = spawnSync('sh', ['-c', `set -e\n${commands}`], {
      cwd: this.#folder,
      env: {
        ...Object.fromEntries(own),
        PATH: [...programs, process.env.PATH ?? ''].join(delimiter),
        PGPASSWORD: password,
        NO_COLOR: '1',
      },
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.equal(result.status, exitCode, `${commands}${result.stdout}${result.stderr}`)
    return `${result.stdout}${result.stderr}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.servers[Symbol.asyncDispose]()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
