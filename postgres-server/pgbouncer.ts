/** A real PgBouncer in front of a server: https://www.pgbouncer.org/config.html. Installed by the system, not by npm. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The version of the PgBouncer that is installed, as `[1, 18]`, or undefined. */
export function pgbouncerVersion(): readonly [number, number] | undefined {
  const { stdout } = spawnSync(program(), ['--version'], { encoding: 'utf8' })
  const [, major, minor] = /PgBouncer (\d+)\.(\d+)/.exec(stdout ?? '') ?? []
  return major === undefined ? undefined : [Number(major), Number(minor)]
}

/** Debian puts it where only root's PATH looks. */
function program(): string {
  const [found] = ['pgbouncer', '/usr/sbin/pgbouncer'].filter(
    (name) => spawnSync(name, ['--version']).status === 0,
  )
  return found ?? 'pgbouncer'
}

/** A pooler in transaction mode; its clients connect to `url(database)`. */
export class PgBouncer {
  readonly port: number
  readonly #process: ChildProcess
  readonly #folder: string

  private constructor(port: number, process: ChildProcess, folder: string) {
    this.port = port
    this.#process = process
    this.#folder = folder
  }

  /** Starts one before the server that listens at a port of this machine. Throws with its own words. */
  static async before(
    serverPort: number,
    settings: { readonly [name: string]: string } = {},
  ): Promise<PgBouncer> {
    const folder = mkdtempSync(join(tmpdir(), 'daybook-pgbouncer-'))
    chmodSync(folder, 0o755)
    const port = await freePort()
    const all = {
      listen_addr: '127.0.0.1',
      listen_port: String(port),
      unix_socket_dir: '',
      auth_type: 'plain',
      auth_file: join(folder, 'users.txt'),
      pool_mode: 'transaction',
      default_pool_size: '10',
      ...settings,
    }
    const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
    const databases = `[databases]\n* = host=127.0.0.1 port=${serverPort}\n`
    writeFileSync(join(folder, 'pgbouncer.ini'), `${databases}[pgbouncer]\n${lines.join('\n')}\n`)
    writeFileSync(join(folder, 'users.txt'), '"postgres" "postgres"\n')
    const isRoot = process.getuid?.() === 0
    const child = spawn(program(), [join(folder, 'pgbouncer.ini')], {
      ...(isRoot ? { uid: 65_534, gid: 65_534 } : {}),
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const pooler = new PgBouncer(port, child, folder)
    await pooler.#ready()
    return pooler
  }

  url(database: string): string {
    return `postgres://postgres:postgres@127.0.0.1:${this.port}/${database}`
  }

  async dispose(): Promise<void> {
    if (this.#process.exitCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve))
      this.#process.kill('SIGKILL')
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #ready(): Promise<void> {
    let words = ''
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-4_000)
    })
    const startMs = performance.now()
    while (!(await accepts(this.port))) {
      if (this.#process.exitCode !== null || performance.now() - startMs > 10_000) {
        await this.dispose()
        throw new Error(`PgBouncer did not start: ${words}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    const answer = (isAccepted: boolean) => () => {
      socket.destroy()
      resolve(isAccepted)
    }
    socket.once('connect', answer(true))
    socket.once('error', answer(false))
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
