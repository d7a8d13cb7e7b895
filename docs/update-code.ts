/** Brings every code block of the docs up to date with docs/examples: `node docs/update-code.ts`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { markdownFiles, readText, refreshed, root } from './code-blocks.ts'

const only = process.argv.slice(2)

for (const path of markdownFiles()) {
  if (only.length > 0 && !only.some((part) => path.includes(part))) continue
  const text = readText(path)
  const fresh = refreshed(text)
  if (fresh === text) continue
  writeFileSync(join(root, path), fresh)
  console.log(`updated ${path}`)
}
