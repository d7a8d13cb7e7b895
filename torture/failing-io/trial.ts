/** One life of a writer with one fault in it, and what a clean restart finds afterwards. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, balances, referenceBalances, totals } from '../accounts.ts'
import { Child } from '../child.ts'
import { readFoundLog, unsoundness } from '../found-log.ts'
import type { Ledger } from '../ledger.ts'
import { note } from '../power-loss/recording.ts'
import type { IoWriterConfig } from '../processes/io-writer.ts'
import { type Fault, injecting, lifting, limiting } from './faults.ts'

export interface TrialResult {
  /** Whether the fault struck; after the last use of a call it does not any more. */
  readonly isHit: boolean
  /** Codes of the errors that callers saw. */
  readonly codes: readonly string[]
  readonly problems: readonly string[]
}

/** Where the fault is: the k-th use of a call, or the size at which a file stops growing. */
export type Place = { readonly fault: Fault; readonly k: number } | { readonly bytes: number }

/** Runs a writer on the book with a fault in its way, then restarts cleanly and compares with the ledger. */
export async function trial(
  config: IoWriterConfig,
  place: Place,
  ledger: Ledger,
  trace: string,
): Promise<TrialResult> {
  const codes: string[] = []
  const problems: string[] = []
  const under = 'bytes' in place ? limiting(place.bytes) : injecting(config.path, place.fault, place.k, trace)
  const child = new Child(
    'io-writer',
    config,
    (message) => {
      note(ledger, message)
      if (typeof message.stuck === 'string') problems.push(`${message.stuck} never succeeded`)
      if (typeof message.code !== 'string') return
      codes.push(message.code)
      if (!message.code.startsWith('STORE_'))
        problems.push(`an error without a code: ${String(message.message)}`)
      // The disk has room again as soon as somebody noticed that it had none.
      if ('bytes' in place) spawnSync('prlimit', lifting(child.process.pid ?? 0).slice(1))
    },
    { under },
  )
  // A hang is a failure, too.
  const watch = setTimeout(() => child.kill(), 60_000)
  const { code, signal } = await child.ended
  clearTimeout(watch)
  const isAsWished = config.end === 'kill' ? signal === 'SIGKILL' : code === 0
  if (!isAsWished) problems.push(`the writer ended with ${code ?? signal}: ${child.errors.slice(0, 500)}`)
  problems.push(...(await afterRestart(config.path, ledger)))
  const isHit = 'bytes' in place ? codes.length > 0 : readFileSync(trace, 'latin1').includes('INJECTED')
  return { isHit: isHit || ('fault' in place && isDelayed(place, trace)), codes, problems }
}

/** Older versions of strace do not mark a call that was only delayed. */
function isDelayed({ fault, k }: { fault: Fault; k: number }, trace: string): boolean {
  if (!fault.does.startsWith('delay')) return false
  return readFileSync(trace, 'latin1').split(`${fault.call}(`).length > k
}

async function afterRestart(path: string, ledger: Ledger): Promise<string[]> {
  if (!existsSync(path)) return ledger.acknowledged.length === 0 ? [] : ['the book is gone']
  try {
    const problems: string[] = []
    await using book = await openBook({
      store: sqlite(path),
      deciders: [account],
      projections: [balances, totals],
    })
    const { problems: report } = await book.inspect()
    problems.push(...report.map(({ message }) => message))
    const found = readFoundLog(path)
    const expected = referenceBalances(found.rows)
    for (const [key, balance] of expected.balances) {
      const document = await book.read(balances).get(key, { notBefore: found.rows.length, timeoutMs: 60_000 })
      if (JSON.stringify(document) !== JSON.stringify(balance))
        problems.push(`the read model of ${key} is wrong`)
    }
    const total = await book.read(totals).get('all')
    if (JSON.stringify(total ?? expected.totals) !== JSON.stringify(expected.totals))
      problems.push('the inline read model is wrong')
    return [...problems, ...unsoundness(found), ...ledger.problems(found)]
  } catch (error) {
    return [`no clean restart: ${String(error)}`]
  }
}
