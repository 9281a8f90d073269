import type { Test } from 'tap'
import { testOfFile } from './test-group.ts'

/** Stands in for `tap` in a file that is run as part of a group (`test-group.ts`): all that is at its top belongs to its test. */
export const t: Test = testOfFile(new URL(import.meta.url).searchParams.get('file') ?? '')
export const test: Test['test'] = t.test.bind(t)
// biome-ignore lint/style/noDefaultExport: it stands in for a package whose default export the tests import
export default t
