import { defineBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { investing } from './investing.ts'

// biome-ignore lint/style/noDefaultExport: the daybook command, the server and tests take the default export.
export default defineBook({ store: sqlite('investments.db'), ...investing })
