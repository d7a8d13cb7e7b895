/** Processes that append to one book at the same time. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Report } from './report.ts'

const appender = fileURLToPath(new URL('./appender.ts', import.meta.url))
export const names: readonly string[] = ['anna', 'bela', 'cyril', 'dana']

/**
 * Starts the appenders, lets them go at once when all have opened the book, and collects their reports.
 *
 * @param address of the book: see `store-at.ts`
 */
export async function appendTogether(
  address: string,
  seed: number,
  manner = 'careful',
): Promise<readonly Report[]> {
  const children = names.map((name, index) =>
    fork(appender, [address, name, String(seed * 10 + index), manner]),
  )
  return (await letGo(children)) as readonly Report[]
}

/** Waits until every process says that it is ready, tells all to go, and returns what each answers. */
export async function letGo(children: readonly ChildProcess[]): Promise<readonly unknown[]> {
  try {
    await Promise.all(children.map((child) => messageOf(child)))
    const answers = children.map((child) => messageOf(child))
    const exits = children.map((child) => once(child, 'exit'))
    for (const child of children) child.send('go')
    const all = await Promise.all(answers)
    for (const [code] of await Promise.all(exits)) assert.equal(code, 0)
    return all
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

/** The next message of a process that is the one waited for; rejects when it ends without one. */
export function messageOf(
  child: ChildProcess,
  isWaitedFor: (message: unknown) => boolean = () => true,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process ended early with code ${code}`))
    const heard = (message: unknown): void => {
      if (!isWaitedFor(message)) return
      child.off('exit', ended)
      child.off('message', heard)
      resolve(message)
    }
    child.once('exit', ended)
    child.on('message', heard)
  })
}
