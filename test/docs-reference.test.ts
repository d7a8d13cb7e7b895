/** The reference: every error and every export is in it, and nothing that is gone. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { readText } from '../docs/code-blocks.ts'
import { errorsPage } from '../docs/reference/write-errors.ts'
import { asNode, asNodes, nameOf, parse } from './house-rules/source.ts'

it('errors.md is that of the registry', () => {
  const help = 'docs/reference/errors.md is out of date: run node docs/reference/write-errors.ts'
  assert.equal(readText('docs/reference/errors.md'), errorsPage(), help)
})

/** The entry points of the package and their files. */
function entryPoints(): readonly (readonly [string, string])[] {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../library/package.json', import.meta.url), 'utf8'),
  )
  assert.ok(typeof manifest === 'object' && manifest !== null && 'exports' in manifest)
  const { exports } = manifest
  assert.ok(typeof exports === 'object' && exports !== null)
  return Object.entries(exports)
    .filter(([, file]) => typeof file === 'string' && file.endsWith('.ts'))
    .map(([subpath, file]) => [`daybook${subpath.slice(1)}`, `library/${String(file).slice(2)}`])
}

/** What a module exports, types included. */
function exportsOf(path: string): readonly string[] {
  const { program } = parse({ path, text: readText(path) })
  return asNodes(program.body).flatMap((statement) => {
    if (statement.type !== 'ExportNamedDeclaration') return []
    const specifiers = asNodes(statement.specifiers).map((specifier) => nameOf(asNode(specifier.exported)))
    const [declaration] = asNodes([statement.declaration])
    const declared = declaration === undefined ? [] : [nameOf(asNode(declaration.id))]
    return [...specifiers, ...declared].flatMap((name) => (name === undefined ? [] : [name]))
  })
}

/** The names in the first cells of the tables below a heading; tables with a head are of options. */
function namesBelow(heading: string): readonly string[] {
  const [, ...sections] = readText('docs/reference/api.md').split(/^## /m)
  const section = sections.find((text) => text.startsWith(`\`${heading}\`\n`))
  assert.ok(section, `docs/reference/api.md has no heading \`${heading}\``)
  const tables = section.match(/(?:^\|.*\n)+/gm) ?? []
  const cells = tables
    .filter((table) => table.startsWith('| | |\n'))
    .flatMap((table) => [...table.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell]) => cell ?? ''))
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)(?:\([^`]*\))?`/g)].map(([, name]) => name ?? ''))
}

describe('api.md', () => {
  for (const [entry, file] of entryPoints()) {
    it(`names what ${entry} exports`, () => {
      assert.deepEqual([...namesBelow(entry)].sort(), [...exportsOf(file)].sort())
    })
  }
})
