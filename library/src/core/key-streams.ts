import { isDaybookError } from './errors.ts'
import { legalStream, streamName } from './names.ts'

/** Functions that return `stream` or `streamId` of their one parameter, and do nothing else. */
const plainKey =
  /^\(?\s*([A-Za-z_$][\w$]*)\s*\)?\s*=>\s*(?:\1\.(stream|streamId)|\{\s*return\s+\1\.(stream|streamId)\s*;?\s*\})$/

/**
 * Tells which streams alone have events of a document, where the text of a key function leaves no doubt:
 * `(event) => event.stream`, and `(event) => event.streamId` of a projection that names its categories.
 */
export function streamsOfKey(
  key: (event: never) => unknown,
  categories: readonly string[] | undefined,
): (key: string) => readonly string[] | undefined {
  const [, , short, long] = plainKey.exec(Function.prototype.toString.call(key)) ?? []
  const field = short ?? long
  if (field === 'stream') return (given) => legalOnes([() => legalStream(given)])
  if (field !== 'streamId' || categories === undefined) return () => undefined
  return (given) => legalOnes(categories.map((category) => () => streamName(category, given)))
}

/** A name that no stream can have has no events. */
function legalOnes(names: readonly (() => string)[]): readonly string[] {
  return names.flatMap((name) => {
    try {
      return [name()]
    } catch (error) {
      if (isDaybookError(error, 'ILLEGAL_NAME')) return []
      throw error
    }
  })
}
