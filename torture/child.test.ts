import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { withScratch } from './scratch.ts'

const child = new URL('./child.ts', import.meta.url).href

it('a child of a parent that is killed does not outlive it', async () => {
  await withScratch('disk', async (folder) => {
    const config = { address: { store: 'sqlite', path: `${folder}/book.db` }, lease: {}, isFenced: true }
    const program = `
      import { Child } from ${JSON.stringify(child)}
      const keeper = new Child('keeper', ${JSON.stringify(config)}, ({ open }) => {
        if (open) console.log(keeper.process.pid)
      })`
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [said] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string]
    const pid = Number(said)
    assert.ok(isThere(pid))
    parent.kill('SIGKILL')
    const startMs = performance.now()
    while (isThere(pid) && performance.now() - startMs < 30_000) await sleep(20)
    assert.ok(!isThere(pid))
  })
})

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
