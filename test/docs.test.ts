/** The docs: each block of code is from a file that runs, what is said to be printed is, and links lead somewhere. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { posix } from 'node:path'
import { describe, it } from 'node:test'
import { codeBlocks, exampleFiles, markdownFiles, readText, refreshed, Stage } from '../docs/code-blocks.ts'

const paths = markdownFiles()
const needsSource = ['ts', 'js', 'mjs', 'tsx', 'jsx', 'typescript', 'javascript']

describe('code in the docs', () => {
  for (const path of paths) {
    it(`is that of the examples, and prints what it is said to print: ${path}`, () => {
      const text = readText(path)
      assert.equal(refreshed(text), text, `${path} is out of date: run node docs/update-code.ts`)
    })
  }

  it('always comes from an example', () => {
    const orphans = paths.flatMap((path) =>
      codeBlocks(readText(path))
        .filter(
          ({ language, directive }) => needsSource.includes(language) && !directive?.startsWith('from '),
        )
        .map(({ body }) => `${path}: ${body.split('\n')[0]}`),
    )
    assert.deepEqual(orphans, [], 'put the code into docs/examples and name its region')
  })

  it('leaves no fence that the check does not see', () => {
    for (const path of paths) {
      const fences = readText(path).match(/^\s*(```|~~~)/gm) ?? []
      assert.equal(fences.length, 2 * codeBlocks(readText(path)).length, path)
    }
  })
})

describe('examples run by themselves', () => {
  for (const file of exampleFiles()) {
    it(file, () => {
      using stage = new Stage()
      stage.run(`node ${file}`)
    })
  }
})

/** The text without its code, in which brackets are no links. */
function prose(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, 'code')
}

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  const plain = heading.replaceAll(/[`*]|\]\([^)]*\)|\[/g, '').toLowerCase()
  return plain.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')
}

function anchorsOf(path: string): readonly string[] {
  const text = readText(path).replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading ?? ''))
}

interface Link {
  readonly from: string
  readonly to: string
  /** Path from the root. */
  readonly path: string
  readonly anchor: string | undefined
}

function linksOf(from: string): readonly Link[] {
  const targets = [...prose(readText(from)).matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target ?? '')
  return targets
    .filter((to) => !/^[a-z]+:/.test(to))
    .map((to) => {
      const [file = '', anchor] = to.split('#')
      const path = file === '' ? from : posix.normalize(posix.join(posix.dirname(from), file))
      return { from, to, path, anchor }
    })
}

describe('links', () => {
  it('lead to files and headings that exist', () => {
    const root = new URL('..', import.meta.url)
    const broken = paths.flatMap(linksOf).filter(({ path, anchor }) => {
      if (!existsSync(new URL(path, root))) return true
      return anchor !== undefined && !anchorsOf(path).includes(anchor)
    })
    assert.deepEqual(
      broken.map(({ from, to }) => `${from}: ${to}`),
      [],
    )
  })

  it('reach every page from the map', () => {
    const mapped = linksOf('docs/README.md').map(({ path }) => path)
    const pages = paths.filter((path) => path.startsWith('docs/') && path !== 'docs/README.md')
    assert.deepEqual(
      pages.filter((path) => !mapped.includes(path)),
      [],
      'name them in docs/README.md',
    )
  })
})
