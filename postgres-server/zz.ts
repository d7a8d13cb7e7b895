import { startServer } from '@daybook/postgres-server'
import pg from 'pg'

for (const settings of [
  {},
  { shared_buffers: '16MB' },
  { shared_buffers: '16MB', max_connections: '60', jit: 'off' },
  {},
  { shared_memory_type: 'sysv' },
  { huge_pages: 'off', dynamic_shared_memory_type: 'posix', max_parallel_workers: '0' },
]) {
  const server = await startServer({ settings })
  const n = 40
  for (const round of [1, 2]) {
    const t = performance.now()
    for (let i = 0; i < n; i++) {
      const c = new pg.Client({ connectionString: server.url() })
      await c.connect()
      await c.query('select 1')
      await c.end()
    }
    console.log(
      round,
      JSON.stringify(settings),
      ((performance.now() - t) / n).toFixed(1),
      'ms per connection',
    )
  }
  await server.dispose()
}
