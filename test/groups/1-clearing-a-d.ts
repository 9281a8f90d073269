import { runTestGroup } from '../support/test-group.ts'

await runTestGroup('1-clearing-a-d')
