import { runTestGroup } from '../support/test-group.ts'

await runTestGroup('1-writer-a-l')
