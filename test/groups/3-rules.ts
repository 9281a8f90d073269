import { runTestGroup } from '../support/test-group.ts'

await runTestGroup('3-rules')
