/** For tests: of deciders and projections without a book, with a clock of one's own, and of stores of one's own. */

export type {
  CallerTransaction,
  ConformanceCase,
  ConformanceGroup,
  Deviations,
  StoreFactory,
  StoreUnderTest,
} from './conformance/case.ts'
export type { ConformanceContext } from './conformance/context.ts'
export { testConformance } from './conformance/node-test.ts'
export { type ConformanceOptions, type ConformanceReport, runConformance } from './conformance/run.ts'
export { conformanceSuite } from './conformance/suite.ts'
export { foldProjection } from './fold-projection.ts'
export { type ProcessExpectation, type ProcessScenario, processScenario } from './process-scenario.ts'
export { recordedEvents } from './recorded-events.ts'
export { type Expectation, type Scenario, scenario } from './scenario.ts'
export { type TestHost, type TestHostOptions, testHost } from './test-host.ts'
