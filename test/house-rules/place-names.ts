/** No file names the machine that it was written on. */
import type { SourceText } from './source.ts'

// Put together, so that this file does not name them either.
const folders = ['work', 'tmp', 'root'].join('|')
const places = new RegExp(`(?<![\\w.~@)}-])/(?:${folders})/`)
const registry = new RegExp(['registry', 'npmjs', 'org'].join('\\.'))

/** A complaint for each line that names a folder of this machine or a package registry. */
export function placeNamesIn({ path, text }: SourceText): string[] {
  return text.split('\n').flatMap((line, index) => {
    const found = places.exec(line)?.[0] ?? registry.exec(line)?.[0]
    return found === undefined ? [] : [`${path}:${index + 1}: names a place of this machine: ${found}`]
  })
}
