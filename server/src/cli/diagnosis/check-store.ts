import { type Book, type BookOptions, errorRegistry, type StoreReport } from 'daybook'
import { type Opening, openForStatus, openToRead } from '../opening.ts'
import { Progress } from '../progress.ts'
import type { Shell } from '../shell.ts'
import { isPostgres } from '../store-address.ts'
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
    if (isPostgres(defined.store)) return await checkServer(opening, defined)
    await (await openToRead(opening)).close()
    // What --store names has no settings of its own to look at.
    const hasSettings = opening.choice.store === undefined
    await using book = await (hasSettings
      ? openForStatus({ ...defined, projections: [] })
      : openToRead(opening))
    const { facts, findings } = await inspected(book)
    return { facts, findings: facts.isDurable === false ? [...findings, notDurable(defined)] : findings }
  } catch (error) {
    return { facts: {}, findings: [problemFrom(error)] }
  }
}

async function inspected(book: Book): Promise<StoreCheck> {
  const { facts, problems } = await book.inspect()
  return { facts, findings: problems.map(({ code, message, hint }) => problem(code, message, hint)) }
}

/**
 * A book on a server is opened a second time, as an application would open it, which changes nothing either: what
 * stands in the way of appends does not stand in the way of looking at the rest.
 */
async function checkServer(opening: Opening, defined: BookOptions): Promise<StoreCheck> {
  await using reading = await openToRead(opening)
  const { facts, findings } = await inspected(reading)
  const inTheWay = await appendingProblem(defined, facts)
  const all = [...(inTheWay === undefined ? [] : [inTheWay]), ...findings]
  if (facts.isDurable === false && all.every(({ code }) => code !== 'STORE_UNSAFE'))
    all.push(notDurable(defined))
  if (facts.rights === 'superuser' || facts.rights === 'owner') all.push(mayChangeAll(facts))
  return { facts, findings: all }
}

/** Whoever was given the role of readers is not meant to append: worth a note, for those who thought otherwise. */
async function appendingProblem(
  defined: BookOptions,
  { rights }: StoreReport['facts'],
): Promise<Finding | undefined> {
  try {
    await (await openForStatus({ ...defined, projections: [] })).close()
    return undefined
  } catch (error) {
    const found = problemFrom(error)
    return found.code === 'STORE_ACCESS_DENIED' && rights === 'reader' ? { ...found, level: 'note' } : found
  }
}

function mayChangeAll({ user, rights }: StoreReport['facts']): Finding {
  const who = rights === 'superuser' ? 'is a superuser' : 'owns the tables of the book'
  const message = `the user ${user} ${who}, and could switch off what keeps recorded events from being changed`
  const { hint } = errorRegistry.STORE_UNPROTECTED
  return { level: 'note', code: 'STORE_UNPROTECTED', message, hint, facts: { user, rights } }
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
    const hint = `Stop writing, keep a copy of it all, and restore the newest backup that verifies; the ${countText(events)} events before it are intact.`
    return { verified: events, finding: problem('STORE_CORRUPT', message, hint, { position, problem: what }) }
  } catch (error) {
    if (opening.signal.aborted) throw error
    return { verified, finding: problemFrom(error) }
  }
}
