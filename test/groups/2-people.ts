import { runTestGroup } from '../support/test-group.ts'

await runTestGroup('2-people')
