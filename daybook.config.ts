// So that `npx daybook` works in this folder, on the bank example.
export { default } from './examples/bank/daybook.config.ts'
