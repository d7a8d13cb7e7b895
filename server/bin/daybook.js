#!/usr/bin/env node
// Plain JavaScript that an old Node can parse, so that the person reads this message and not a syntax error.
import { existsSync } from 'node:fs'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 24 || (major === 24 && minor < 15)) {
  console.error(`daybook needs Node 24.15 or later, and this is Node ${process.versions.node}.`)
  console.error(
    'Install a newer Node from https://nodejs.org, check it with `node --version`, and run daybook again.',
  )
  process.exitCode = 1
} else {
  const source = new URL('../src/cli/main.ts', import.meta.url)
  const built = new URL('../dist/cli/main.js', import.meta.url)
  await import((existsSync(source) ? source : built).href)
}
