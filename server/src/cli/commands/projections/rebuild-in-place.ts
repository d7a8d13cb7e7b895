import type { BookOptions, SqlProjection } from 'daybook'
import { CommandFailure } from '../../failures.ts'
import { openToManage } from '../../opening.ts'
import { Progress } from '../../progress.ts'
import type { Tools } from '../../session.ts'
import { counted, countText, durationText } from '../../text.ts'

/** Clears the tables of a SQL projection and fills them again, up to the end of the log. */
export async function refillTables(
  { signal, shell, output, ...opening }: Tools,
  defined: BookOptions,
  projection: SqlProjection,
): Promise<undefined> {
  const { name, version, subscription } = projection.definition
  const startMs = performance.now()
  const at = { position: 0, head: 0 }
  await using book = await openToManage({ ...opening, output }, defined, [], [projection])
  await using progress = new Progress(shell, `filling ${subscription}`)
  const onProgress = (position: number, head: number): void => {
    Object.assign(at, { position, head })
    progress.at(position, head)
  }
  try {
    await book.rebuild(projection, { onProgress, signal })
  } catch (error) {
    throw signal.aborted ? interrupted(subscription, at, error) : error
  }
  await progress.wipe()
  const seconds = (performance.now() - startMs) / 1_000
  if (output.form === 'json')
    await output.object({ kind: 'result', projection: name, version, outcome: 'filled', ...at, seconds })
  else
    await output.line(
      `${subscription} is filled again: ${counted(at.head, 'event')} in ${durationText(seconds * 1_000)}.`,
    )
}

function interrupted(
  subscription: string,
  at: { readonly position: number; readonly head: number },
  cause: unknown,
): CommandFailure {
  const code = 'INTERRUPTED'
  if (at.head === 0) {
    const message = `interrupted before the tables of ${subscription} were cleared`
    return new CommandFailure({ code, message, hint: 'Nothing was changed.', facts: {} }, cause)
  }
  const message = `interrupted: ${subscription} is filled up to position ${countText(at.position)} of ${countText(at.head)}`
  const hint =
    'Whatever process follows the book goes on from there; the same command clears the tables and begins again.'
  return new CommandFailure({ code, message, hint, facts: at }, cause)
}
