/**
 * A real PostgreSQL of one's own: started on a free port in a temporary folder, gone when stopped. Works as a user and
 * as root (PostgreSQL itself refuses root, so there it runs as `nobody`).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Binaries, npmBinaries } from './binaries.ts'

export { type Binaries, debianBinaries, npmBinaries } from './binaries.ts'

/** What a server is started with. */
export interface ServerOptions {
  /** Default: the PostgreSQL of the npm package. */
  readonly binaries?: Binaries
  /** Settings for postgresql.conf: `{ fsync: 'off' }`. */
  readonly settings?: { readonly [name: string]: string }
  /** Added to the server's environment, such as LD_PRELOAD. */
  readonly environment?: { readonly [name: string]: string }
  /** An existing folder in which the server's folder is made; default the system's temporary folder. */
  readonly parentFolder?: string
  /** In a process group of its own, so that Ctrl-C is left to whoever started it. */
  readonly isDetached?: boolean
  /** Keep the data folder when stopped. */
  readonly keep?: boolean
}

// The user `nobody` of every Linux and macOS that people run.
const nobody = 65_534
const superuser = 'postgres'
const password = 'postgres'
const startTimeoutMs = 30_000

/** Makes a new cluster and starts it. Throws when this platform has no PostgreSQL, with the server's own words. */
export async function startServer(options: ServerOptions = {}): Promise<PostgresServer> {
  const binaries = options.binaries ?? npmBinaries()
  if (binaries === undefined) throw new Error('npm has no PostgreSQL for this platform')
  const folder = mkdtempSync(join(options.parentFolder ?? tmpdir(), 'daybook-postgres-'))
  const server = new PostgresServer(folder, binaries, options)
  try {
    server.initialise()
    await server.start()
    return server
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** One cluster and the process that serves it. */
export class PostgresServer {
  readonly host = '127.0.0.1'
  port = 0
  readonly dataFolder: string
  readonly #folder: string
  readonly #binaries: Binaries
  readonly #options: ServerOptions
  #process: ChildProcess | undefined

  constructor(folder: string, binaries: Binaries, options: ServerOptions) {
    this.#folder = folder
    this.#options = options
    this.#binaries = isRoot() && !mayRun(binaries) ? copied(binaries, folder) : binaries
    this.dataFolder = join(folder, 'data')
    if (isRoot()) {
      chownSync(folder, nobody, nobody)
      chmodSync(folder, 0o755)
    }
  }

  /** The address of a database, as the superuser. */
  url(database = 'postgres', user: string = superuser): string {
    return `postgres://${user}:${password}@${this.host}:${this.port}/${database}`
  }

  /** The process that listens; undefined while stopped. */
  get processId(): number | undefined {
    return this.#process?.pid
  }

  /** The processes that serve it: the one that listens first, then those it started. Empty while stopped. */
  processIds(): readonly number[] {
    const { processId } = this
    return processId === undefined ? [] : [processId, ...childrenOf(processId)]
  }

  /** Makes the cluster's files: UTF-8, names ordered by bytes, passwords checked. */
  initialise(): void {
    const passwordFile = join(this.#folder, 'password')
    writeFileSync(passwordFile, password, { mode: 0o644 })
    const arguments_ = ['-D', this.dataFolder, '-U', superuser, `--pwfile=${passwordFile}`]
    const fixed = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync']
    const result = spawnSync(this.#program('initdb'), [...arguments_, ...fixed], {
      ...this.#identity(),
      encoding: 'utf8',
    })
    rmSync(passwordFile)
    if (result.status !== 0) {
      throw new Error(`initdb failed: ${result.error?.message ?? ''}${result.stderr}${result.stdout}`)
    }
  }

  /** Starts the server, on the port it had before if any, and resolves when it accepts connections. */
  async start(): Promise<void> {
    this.port ||= await freePort()
    const settings = {
      listen_addresses: this.host,
      port: String(this.port),
      unix_socket_directories: '',
      max_connections: '200',
      ...this.#options.settings,
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const server = spawn(this.#program('postgres'), ['-D', this.dataFolder, ...flags], {
      ...this.#identity(),
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: this.#options.isDetached ?? false,
    })
    this.#process = server
    let words = ''
    server.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-4_000)
    })
    const startMs = performance.now()
    while (!(await this.#accepts())) {
      if (server.exitCode !== null || performance.now() - startMs > startTimeoutMs) {
        throw new Error(`PostgreSQL did not start: ${words}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Ends the server: `SIGINT` disconnects everybody and shuts down cleanly, `SIGQUIT` and `SIGKILL` leave recovery to the next start. */
  async stop(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL' = 'SIGINT'): Promise<void> {
    const server = this.#process
    this.#process = undefined
    if (server === undefined || server.exitCode !== null) return
    const ended = new Promise((resolve) => server.once('exit', resolve))
    if (signal === 'SIGKILL') killTree(server, this.dataFolder)
    else server.kill(signal)
    await ended
  }

  /** Stops it and removes its files, unless they are to be kept. */
  async dispose(): Promise<void> {
    await this.stop('SIGQUIT')
    if (this.#options.keep !== true) rmSync(this.#folder, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  #program(name: string): string {
    return join(this.#binaries.folder, process.platform === 'win32' ? `${name}.exe` : name)
  }

  #identity(): { uid?: number; gid?: number; cwd: string; env: NodeJS.ProcessEnv } {
    const libraries = librariesOf(this.#binaries)
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC', ...libraries, ...this.#options.environment }
    return { ...(isRoot() ? { uid: nobody, gid: nobody } : {}), cwd: this.#folder, env }
  }

  /** Asks as a client would: a server that starts up answers an SSL request only once it accepts connections. */
  #accepts(): Promise<boolean> {
    return new Promise((resolve) => {
      const pidFile = join(this.dataFolder, 'postmaster.pid')
      if (!statusIn(pidFile).includes('ready')) return resolve(false)
      const socket = connect({ host: this.host, port: this.port })
      const answer = (accepts: boolean) => () => {
        socket.destroy()
        resolve(accepts)
      }
      socket.once('connect', answer(true))
      socket.once('error', answer(false))
    })
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** Where the programs of an installation of its own find their libraries. */
function librariesOf({ root }: Binaries): { readonly LD_LIBRARY_PATH?: string } {
  return root === undefined ? {} : { LD_LIBRARY_PATH: join(root, 'lib') }
}

/** Whether `nobody` may run the programs where they are. */
function mayRun(binaries: Binaries): boolean {
  const env = { ...process.env, ...librariesOf(binaries) }
  const options = { uid: nobody, gid: nobody, env }
  return spawnSync(join(binaries.folder, 'postgres'), ['--version'], options).status === 0
}

/** The folder of the npm package may be closed to `nobody`: a home, a fresh temporary folder. */
function copied(binaries: Binaries, folder: string): Binaries {
  if (binaries.root === undefined) return binaries
  const root = join(folder, 'installation')
  cpSync(binaries.root, root, { recursive: true, verbatimSymlinks: true })
  return { folder: join(root, 'bin'), root }
}

/** The eighth line of postmaster.pid is the server's state. */
function statusIn(pidFile: string): string {
  try {
    return readFileSync(pidFile, 'utf8').split('\n')[7] ?? ''
  } catch {
    return ''
  }
}

/** Kills the server and the processes it started, as a crash of the machine would. */
function killTree(server: ChildProcess, dataFolder: string): void {
  // Stopped, it starts no others. None of its processes may be left: the next server would recover what they still write.
  server.kill('SIGSTOP')
  const children = childrenOf(server.pid ?? 0)
  for (const pid of children) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
  server.kill('SIGKILL')
  while (runningOf(children).length > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
  rmSync(join(dataFolder, 'postmaster.pid'), { force: true })
}

function childrenOf(parent: number): number[] {
  return listed(['-o', 'pid=,stat=', '--ppid', String(parent)])
}

function runningOf(pids: readonly number[]): number[] {
  return pids.length === 0 ? [] : listed(['-o', 'pid=,stat=', '-p', pids.join(',')])
}

/** The processes that `ps` lists, without those that are dead and only not buried yet. */
function listed(parameters: readonly string[]): number[] {
  const lines = (spawnSync('ps', parameters, { encoding: 'utf8' }).stdout ?? '').split('\n')
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, state]) => state !== undefined && !state.startsWith('Z'))
    .map(([pid]) => Number(pid))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
