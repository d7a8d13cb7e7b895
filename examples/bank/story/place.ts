import { existsSync, rmSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PostgresServer, startServer } from '@daybook/postgres-server'
import type { Store } from 'daybook'
import { storeAt } from '../store-address.ts'
import { say } from './stage.ts'

/** Where the story's book is kept. */
export interface Place {
  readonly store: Store
  /** For other processes of the story; may hold a password. */
  readonly address: string
  /** What to give to `--store` afterwards, without a password; undefined when the place is gone by then. */
  readonly shown: string | undefined
  /** A server that was started for the story alone. */
  readonly server: PostgresServer | undefined
}

/** A story that cannot be told there: what is in the way, and what to do. */
export class StoryProblem extends Error {}

const ownFile = fileURLToPath(new URL('../story.db', import.meta.url))
const usage = 'Give --store postgres, --store postgres://user:password@host/database, or --file FILE.'

/** The book in a file; the story's own is replaced, one that was named must not exist. */
export function fileAt(named: string | undefined): Place {
  if (named === undefined) for (const end of ['', '-wal', '-shm']) rmSync(`${ownFile}${end}`, { force: true })
  else if (existsSync(named)) throw new StoryProblem(`${named} exists; the story needs a new file.`)
  const address = `sqlite:${named ?? ownFile}`
  return { ...placeAt(address), shown: `sqlite:${relative('.', named ?? ownFile)}` }
}

/** The book on a PostgreSQL of the story's own, from the package that npm installed. */
export async function ownServer(): Promise<Place> {
  say('Starting a PostgreSQL of its own, which npm brought along …')
  const server = await startServer()
  return { ...placeAt(server.url()), server }
}

/** The book on somebody's server, in a schema of the story's own unless another is named. */
export function serverAt(address: string): Place {
  if (!/^postgres(ql)?:\/\//.test(address)) throw new StoryProblem(usage)
  const [place = '', query] = address.split(/\?(.*)/s)
  const parameters = new URLSearchParams(query)
  if (!parameters.has('schema')) parameters.set('schema', 'daybook_story')
  const whole = `${place}?${parameters}`
  parameters.delete('password')
  return { ...placeAt(whole), shown: `${place.replace(/:[^/@]*@/, '@')}?${parameters}` }
}

function placeAt(address: string): Place {
  const store = storeAt(address)
  if (store === undefined) throw new StoryProblem(usage)
  return { store, address, shown: undefined, server: undefined }
}
