/** A server or a network that says nothing any more, without ending the connection. */
import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { testServer } from '@daybook/postgres-server/testing'
import { nodeHost } from '../host/node-host.ts'
import { openBook } from '../index.ts'
import { postgres } from './index.ts'

const server = await testServer()
after(() => server.dispose())

/** Passes everything on, until it is to swallow everything, or a connection asks for a word that it swallows. */
class Wire {
  isSilent = false
  readonly #swallowed = Promise.withResolvers<void>()
  readonly #word: string | undefined
  readonly #server: Server
  readonly #sockets: Socket[] = []

  constructor({ hostname, port }: URL, word?: string) {
    this.#word = word
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const behind = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
      this.#join(client, behind)
      this.#join(behind, client)
    })
  }

  /** Resolves when something has been swallowed. */
  get swallowed(): Promise<void> {
    return this.#swallowed.promise
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.push(from)
    from.on('error', () => undefined)
    let isDeaf = false
    from.on('data', (bytes) => {
      isDeaf ||= this.isSilent || (this.#word !== undefined && bytes.includes(this.#word))
      if (isDeaf) this.#swallowed.resolve()
      else to.write(bytes)
    })
    from.on('end', () => isDeaf || this.isSilent || to.end())
  }
}

it('does not keep a book from being closed', async () => {
  const url = new URL(server.url(await server.createDatabase()))
  const wire = new Wire(url)
  after(() => wire.close())
  url.port = String(await wire.listen())
  const book = await openBook({ store: postgres(url.href, { migrate: true, timeoutMs: 1_500 }) })
  await book.append('thing-1', { type: 'Happened', data: {} })
  wire.isSilent = true
  const startMs = performance.now()
  await Promise.race([book.close(), sleep(10_000)])
  assert.ok(performance.now() - startMs < 9_000)
})

it('does not keep a book from being closed that has only begun to listen', async () => {
  const url = new URL(server.url(await server.createDatabase()))
  const wire = new Wire(url, 'LISTEN')
  after(() => wire.close())
  url.port = String(await wire.listen())
  const book = await openBook({ store: postgres(url.href, { migrate: true, timeoutMs: 1_500 }) })
  const stop = new AbortController()
  const reading = book.readLog({ follow: true, signal: stop.signal }).toArray()
  await wire.swallowed
  stop.abort()
  assert.deepEqual(await reading, [])
  const isClosed = await Promise.race([book.close().then(() => true), sleep(10_000, false)])
  assert.ok(isClosed)
})

it('is waited for together by all that wait to be written', async () => {
  const url = new URL(server.url(await server.createDatabase()))
  const wire = new Wire(url)
  after(() => wire.close())
  url.port = String(await wire.listen())
  const store = await postgres(url.href, { migrate: true, timeoutMs: 1_500 }).open(nodeHost())
  const row = { fold: 'f', fingerprint: '', version: 1, position: 1, eventId: '', state: '{}', checksum: '' }
  await store.snapshots.save({ ...row, stream: 'thing-0' })
  wire.isSilent = true
  const startMs = performance.now()
  const saves = Array.from({ length: 12 }, (_, index) =>
    store.snapshots.save({ ...row, stream: `thing-${index}` }),
  )
  const ends = await Promise.allSettled(saves)
  assert.ok(ends.every(({ status }) => status === 'rejected'))
  assert.ok(performance.now() - startMs < 12_000)
  await store.close()
})
