import { setTimeout as sleep } from 'node:timers/promises'
import { type AnyProjection, type BookOptions, errorRegistry, type FollowerStatus } from 'daybook'
import { copiesKnown } from '../copies.ts'
import { type Opening, openFollowing, openForStatus } from '../opening.ts'
import { counted } from '../text.ts'
import { type Finding, problem, problemFrom } from './finding.ts'

/** How often to look whether a projection has caught up. */
const lookMs = 20

/**
 * Finds out whether a projection is changed, stopped or behind. One that is behind is run for a while: only that tells
 * a slow one from one that cannot go on.
 */
export async function checkProjection(
  opening: Opening & { readonly signal: AbortSignal },
  defined: BookOptions,
  projection: AnyProjection,
  timeoutMs: number,
): Promise<Finding | undefined> {
  try {
    const before = await statusOf(defined, projection)
    if (before === undefined) return undefined
    // At position 0 nothing is stored that could be of other code.
    if (before.isChanged && before.position > 0) return changed(projection)
    if (before.behind === 0) return undefined
    const beside = await besideOf(opening, defined, projection, before.behind)
    if (beside !== undefined) return beside
    return await caughtUp(opening, defined, projection, timeoutMs)
  } catch (error) {
    if (opening.signal.aborted) throw error
    return problemFrom(error)
  }
}

async function statusOf(
  defined: BookOptions,
  projection: AnyProjection,
): Promise<FollowerStatus | undefined> {
  await using book = await openForStatus({ ...defined, projections: [projection] })
  const [status] = await book.status()
  return status
}

/** A copy that is filled beside what serves is none that readers wait for; running it could let it serve. */
async function besideOf(
  opening: Opening,
  defined: BookOptions,
  { definition }: AnyProjection,
  behind: number,
): Promise<Finding | undefined> {
  const { name, version } = definition.shape
  const copies = await copiesKnown(opening, defined, name)
  if (copies === undefined || copies.serving.version >= version) return undefined
  const { serving } = copies
  return {
    level: 'note',
    code: 'PROJECTION_FILLING',
    message: `${definition.subscription} is ${counted(behind, 'event')} behind; ${serving.subscription} serves meanwhile`,
    hint: `See \`daybook projections show ${name}\`; \`daybook projections rebuild ${name}\` fills it.`,
    facts: { projection: definition.subscription, behind, serving: serving.subscription },
  }
}

async function caughtUp(
  opening: Opening & { readonly signal: AbortSignal },
  defined: BookOptions,
  projection: AnyProjection,
  timeoutMs: number,
): Promise<Finding | undefined> {
  await using book = await openFollowing(opening, defined, [projection])
  const head = await book.head()
  for (const startMs = performance.now(); ; await sleep(lookMs, undefined, { signal: opening.signal })) {
    const [status] = await book.status()
    if (status === undefined || status.position >= head) return undefined
    const { subscription } = projection.definition
    const facts = { projection: subscription, position: status.position, behind: status.behind }
    if (status.state === 'stopped')
      return problem(
        'PROJECTION_FAILED',
        `${subscription} has stopped: ${status.error}`,
        hintOf('PROJECTION_FAILED'),
        facts,
      )
    if (performance.now() - startMs < timeoutMs) continue
    const message = `${subscription} is ${counted(status.behind, 'event')} behind, after it was run for ${timeoutMs / 1_000} s`
    return problem(
      'READ_MODEL_TIMEOUT',
      message,
      'See that the process that runs it is up, or give doctor a longer --timeout.',
      facts,
    )
  }
}

function changed({ definition }: AnyProjection): Finding {
  const message = `${definition.subscription} was changed without raising its version: what is stored is of other code`
  return problem('PROJECTION_CHANGED', message, hintOf('PROJECTION_CHANGED'), {
    projection: definition.subscription,
  })
}

function hintOf(code: keyof typeof errorRegistry): string {
  return errorRegistry[code].hint
}
