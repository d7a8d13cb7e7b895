/** A network between clients and a server that is as bad as it is told to be: a TCP proxy. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What can be wrong with a network. What is swallowed is gone, and nobody is told: that connection is dead for good.
 * `stall` holds everything until the network is healed. With `client-gone` the client is told that the connection is
 * over and the server is not; with `server-gone` the other way round. `drip` passes one byte at a time.
 */
export const faults = [
  'reset',
  'swallow-up',
  'swallow-down',
  'swallow-both',
  'stall',
  'client-gone',
  'server-gone',
  'delay',
  'drip',
] as const
export type Fault = (typeof faults)[number]

/** When a fault strikes: at once; when a COMMIT is about to pass; when the answer to one is. */
export type Moment = 'now' | 'commit' | 'committed'
type Way = 'up' | 'down'

const commit = Buffer.from('COMMIT\0')
/** Type and length of the message before the word. */
const headerBytes = 5

/** A fault that waits for its moment. */
interface Armed {
  readonly fault: Fault
  readonly moment: Moment
  /** True: it strikes the one connection on which its moment comes, not the whole network. */
  readonly isAlone: boolean
  readonly struck: () => void
}

/** The network in front of one server; clients connect to `port`. */
export class Network {
  port = 0
  /** Connections made through it so far. */
  connections = 0
  readonly #target: { readonly host: string; readonly port: number }
  readonly #server: Server
  readonly #links = new Set<Link>()
  #weather: Fault | undefined
  #armed: Armed | undefined
  #healed = Promise.withResolvers<void>()

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client))
  }

  static async before(target: { readonly host: string; readonly port: number }): Promise<Network> {
    const network = new Network(target)
    await new Promise<void>((resolve) => network.#server.listen(0, '127.0.0.1', resolve))
    const address = network.#server.address()
    if (typeof address === 'object' && address !== null) network.port = address.port
    return network
  }

  /** What is wrong with all of it at the moment. */
  get weather(): Fault | undefined {
    return this.#weather
  }

  /** Resolves when the network is healed the next time. */
  get healed(): Promise<void> {
    return this.#healed.promise
  }

  /** Resolves when the fault has struck; what lasts, lasts until `heal`. */
  strike(fault: Fault, moment: Moment = 'now', isAlone = false): Promise<void> {
    return new Promise((struck) => {
      this.#armed = { fault, moment, isAlone, struck }
      if (moment === 'now') this.#hit([...this.#links])
    })
  }

  /** Lets pass what was held, and new connections. What lost bytes stays as it is. */
  heal(): void {
    this.#weather = undefined
    this.#armed = undefined
    for (const link of this.#links) link.heal()
    this.#healed.resolve()
    this.#healed = Promise.withResolvers()
  }

  /** Ends the connections of which only one end is left, as the keep-alive of an operating system does in the end. */
  bury(olderThanMs: number): void {
    for (const link of this.#links) if (link.deadForMs > olderThanMs) link.reset()
  }

  async close(): Promise<void> {
    this.heal()
    for (const link of this.#links) link.reset()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Called by a link for what is about to pass; strikes when that is what was waited for. */
  sees(link: Link, way: Way, chunk: Buffer): number | undefined {
    const wanted = way === 'up' ? 'commit' : 'committed'
    if (this.#armed?.moment !== wanted) return undefined
    const place = chunk.indexOf(commit)
    if (place < 0) return undefined
    // What stands before the COMMIT in the same packet arrives.
    return this.#armed.isAlone ? this.#hitSoon(place, [link]) : this.#hitSoon(place, [...this.#links])
  }

  #hitSoon(place: number, links: readonly Link[]): number {
    this.#hit(links)
    return Math.max(0, place - headerBytes)
  }

  #hit(links: readonly Link[]): void {
    const { fault, isAlone, struck } = this.#armed as Armed
    this.#armed = undefined
    if (!isAlone) this.#weather = fault
    for (const link of links) link.suffer(fault)
    struck()
  }

  #accept(client: Socket): void {
    this.connections++
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true })
    const link = new Link(this, client, server)
    this.#links.add(link)
    void link.ended.then(() => this.#links.delete(link))
    if (this.#weather !== undefined) link.suffer(this.#weather)
  }
}

/** One connection through the network. */
export class Link {
  readonly ended: Promise<unknown>
  readonly #network: Network
  readonly #client: Socket
  readonly #server: Socket
  #fault: Fault | undefined
  #deadSinceMs = Number.POSITIVE_INFINITY

  constructor(network: Network, client: Socket, server: Socket) {
    this.#network = network
    this.#client = client
    this.#server = server
    const closed = [client, server].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    this.ended = Promise.all(closed)
    void this.#pump('up', client, server)
    void this.#pump('down', server, client)
  }

  get deadForMs(): number {
    return performance.now() - this.#deadSinceMs
  }

  suffer(fault: Fault): void {
    if (this.#deadSinceMs < Number.POSITIVE_INFINITY) return
    this.#fault = fault
    if (fault === 'reset') this.reset()
    if (fault === 'client-gone') this.#client.resetAndDestroy()
    if (fault === 'server-gone') this.#server.resetAndDestroy()
    const isMortal = fault.startsWith('swallow') || fault.endsWith('gone')
    if (isMortal) this.#deadSinceMs = performance.now()
  }

  heal(): void {
    if (this.#deadSinceMs === Number.POSITIVE_INFINITY) this.#fault = undefined
  }

  reset(): void {
    this.#client.resetAndDestroy()
    this.#server.resetAndDestroy()
  }

  /** True when the other end must not hear of what happens at this one. */
  #isDeaf(way: Way): boolean {
    const fault = this.#fault ?? ''
    return fault.endsWith('gone') || fault === 'swallow-both' || fault === `swallow-${way}`
  }

  async #pump(way: Way, from: Socket, to: Socket): Promise<void> {
    // Each end learns of the other's errors by what is done below, or never.
    from.on('error', () => undefined)
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        const cut = this.#network.sees(this, way, chunk)
        if (cut !== undefined && cut > 0 && !to.destroyed) to.write(chunk.subarray(0, cut))
        await this.#pass(way, cut === undefined ? chunk : chunk.subarray(cut), to)
      }
      await this.#untilFree()
      if (!this.#isDeaf(way)) to.end()
    } catch {
      if (!this.#isDeaf(way)) to.resetAndDestroy()
    }
  }

  async #pass(way: Way, chunk: Buffer, to: Socket): Promise<void> {
    if (this.#fault === 'delay') await sleep(chunk.length % 97)
    await this.#untilFree()
    if (this.#isDeaf(way)) return
    for (const part of this.#fault === 'drip' ? bytesOf(chunk) : [chunk]) {
      if (to.destroyed) return
      if (!to.write(part)) await Promise.race([this.ended, new Promise((free) => to.once('drain', free))])
      if (part !== chunk) await new Promise(setImmediate)
    }
  }

  async #untilFree(): Promise<void> {
    while (this.#fault === 'stall') await this.#network.healed
  }
}

function bytesOf(chunk: Buffer): Buffer[] {
  return Array.from(chunk, (_byte, index) => chunk.subarray(index, index + 1))
}
