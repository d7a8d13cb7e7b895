/** Records one workload and judges the images of its crashes: one of several at work at a time. */
import { configOf, say } from '../child.ts'
import { crash } from '../power-loss/crashes.ts'
import type { Workload } from '../power-loss/recording.ts'
import { withScratch } from '../scratch.ts'

const workload = configOf<Workload>()
const tally = await withScratch('memory', (folder) => crash(workload, folder, (images) => say({ images })))
say({ tally })
