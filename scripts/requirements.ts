import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { requirements } from './docs/requirements.ts'

/**
 * Writes docs/requirements.md from what the test run has just shown: each requirement with the tests that are named by
 * its id (`M10: …`) and passed. Runs after `npm test`; exits 1 when a requirement that must have a test has none, or one
 * of its tests failed. A run of some files only leaves the page as it is.
 */
const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const resultsFolder = path.join(repository, '.tap', 'test-results')
const NAMED = /^\s*(not )?ok \d+ - (M\d+(?:, M\d+)*): (.+?)(?: # .*)?$/gm

interface Shown {
  readonly file: string
  readonly name: string
  readonly ok: boolean
}

/** Tests that carry the ids of requirements, by id. */
function shownTests(files: readonly string[]): Map<string, Shown[]> {
  const shown = new Map<string, Shown[]>()
  for (const file of files) {
    const text = readFileSync(path.join(resultsFolder, `${file}.tap`), 'utf8')
    for (const [, not, ids = '', name = ''] of text.matchAll(NAMED)) {
      for (const id of ids.split(', ')) {
        const tests = shown.get(id) ?? []
        tests.push({ file, name, ok: not === undefined })
        shown.set(id, tests)
      }
    }
  }
  return shown
}

function page(shown: ReadonlyMap<string, readonly Shown[]>): string {
  const rows = requirements.map(({ id, text }) => {
    const tests = (shown.get(id) ?? []).map(({ name, file }) => `${name} (\`${file}\`)`)
    return `| ${id} | ${text} | ${tests.length === 0 ? 'see [architecture.md](architecture.md)' : tests.join('<br>')} |`
  })
  return [
    '# Requirements and the tests that show them',
    '',
    'Made by the test run (`npm test`): every test whose name begins with the id of a requirement, over the socket or the API',
    'of a running switch, and passed.',
    '',
    '| id | requirement | shown by |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

const files = globSync('test/**/*.test.ts', { cwd: repository }).sort()
const whole = files.length > 0 && files.every((file) => existsSync(path.join(resultsFolder, `${file}.tap`)))
if (!whole) {
  console.error('not a run of all tests: docs/requirements.md is left as it is')
} else {
  const shown = shownTests(files)
  const missing = requirements.filter(({ id, mustBeShown }) => mustBeShown && !shown.has(id)).map(({ id }) => id)
  const failed = [...shown].filter(([, tests]) => tests.some(({ ok }) => !ok)).map(([id]) => id)
  if (missing.length > 0) console.error(`no test is named by ${missing.join(', ')}`)
  if (failed.length > 0) console.error(`a test of ${failed.join(', ')} failed`)
  if (missing.length + failed.length > 0) process.exitCode = 1
  else writeFileSync(path.join(repository, 'docs', 'requirements.md'), page(shown))
}
