/** The files of the repository. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SourceText } from './source.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const notOurs = ['node_modules', 'dist', 'coverage', '.git']
const binary = /\.(png|ico|gif|jpg|woff2|db|db-wal|db-shm|tgz|gz|zip|tsbuildinfo)$/

/** Paths from the repository's root, with forward slashes, sorted. */
export function allPaths(): string[] {
  const paths: string[] = []
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (notOurs.includes(entry.name)) continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) visit(path)
      else if (entry.isFile()) paths.push(relative(root, path).split(sep).join('/'))
    }
  }
  visit(root)
  return paths.sort()
}

export function read(path: string): SourceText {
  return { path, text: readFileSync(join(root, path), 'utf8') }
}

export const isText = (path: string): boolean => !binary.test(path)
export const isCode = (path: string): boolean => /\.(ts|js|mts|mjs)$/.test(path)
export const isMeasured = (path: string): boolean => isCode(path) || /\.(sql|css|svelte|html|sh)$/.test(path)
