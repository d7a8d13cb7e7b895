import { type Book, type BookOptions, errorRegistry, type StoreReport } from 'daybook'
import { type Opening, openForStatus, openToRead } from '../opening.ts'
import { Progress } from '../progress.ts'
import type { Shell } from '../shell.ts'
import { countText } from '../text.ts'
import { type Finding, problem, problemFrom } from './finding.ts'

/** Settings and sizes of a store, and what is wrong with it. */
export interface StoreCheck {
  readonly facts: StoreReport['facts']
  readonly findings: readonly Finding[]
}

/**
 * Opens the store as the configuration has it and asks what it tells of itself. It is opened for reading first, so
 * that nothing is changed in a file that is damaged, foreign or of a newer version.
 */
export async function checkStore(opening: Opening, defined: BookOptions): Promise<StoreCheck> {
  try {
    await (await openToRead(opening)).close()
    // What --store names has no settings of its own to look at.
    const hasSettings = opening.choice.store === undefined
    await using book = await (hasSettings
      ? openForStatus({ ...defined, projections: [] })
      : openToRead(opening))
    const { facts, problems } = await book.inspect()
    const findings = problems.map(({ code, message, hint }) => problem(code, message, hint))
    return { facts, findings: facts.isDurable === false ? [...findings, notDurable(defined)] : findings }
  } catch (error) {
    return { facts: {}, findings: [problemFrom(error)] }
  }
}

function notDurable({ store }: BookOptions): Finding {
  const message = `${store.name} is opened so that acknowledged events are lost when the power fails or the process ends`
  return { level: 'note', code: 'STORE_UNSAFE', message, hint: errorRegistry.STORE_UNSAFE.hint, facts: {} }
}

/** Recomputes the whole log: positions, versions, times and the hash chain. */
export async function checkLog(
  opening: Opening & { readonly shell: Shell; readonly signal: AbortSignal },
): Promise<{ readonly verified: number; readonly finding: Finding | undefined }> {
  let verified = 0
  try {
    await using book: Book = await openToRead(opening)
    await using progress = new Progress(opening.shell, 'verifying')
    const { events, firstBad } = await book.verify({
      signal: opening.signal,
      onProgress: (done, all) => {
        verified = done
        progress.at(done, all)
      },
    })
    if (firstBad === undefined) return { verified: events, finding: undefined }
    const { position, problem: what } = firstBad
    const message = `the event at position ${position} is not as it was recorded: ${what}`
    const hint = `Stop writing, keep a copy of the file, and restore the newest backup that verifies; the ${countText(events)} events before it are intact.`
    return { verified: events, finding: problem('STORE_CORRUPT', message, hint, { position, problem: what }) }
  } catch (error) {
    if (opening.signal.aborted) throw error
    return { verified, finding: problemFrom(error) }
  }
}
