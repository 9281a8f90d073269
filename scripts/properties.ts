import { spawn } from 'node:child_process'
import { globSync, readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

/**
 * Runs the random tests with many times their runs, so that a failure that is rare is found before a release meets it.
 * `npm run properties -- [--runs N] [--only TEXT] [--jobs N] [--list]`. Exit status 1 when one fails.
 */
const repository = path.resolve(import.meta.dirname, '..')
const RANDOM = /from '(?:fast-check|[./a-z-]*\/property-runs\.ts)'/
const RELATIVE_IMPORT = /from '(\.{1,2}\/[^']+\.ts)'/g
const TIMEOUT_SECONDS = 7_200

const usage = `npm run properties -- [--runs N] [--only TEXT] [--jobs N] [--list]
Runs the random tests with N times the runs that each of them states.
  --runs N      1 to 100000 (default 10)
  --only TEXT   only files whose path holds the text
  --jobs N      files at a time (default 2)
  --list        names the files and runs nothing`

/** Test files that draw random cases, themselves or by a file of the tests that they import. */
export function randomTests(folder = repository): string[] {
  const draws = (file: string, seen: Set<string>): boolean => {
    if (seen.has(file)) return false
    seen.add(file)
    const text = readFileSync(path.join(folder, file), 'utf8')
    if (RANDOM.test(text)) return true
    return Array.from(text.matchAll(RELATIVE_IMPORT), ([, target = '']) => path.join(path.dirname(file), target))
      .filter((target) => target.startsWith(`test${path.sep}`))
      .some((target) => draws(target, seen))
  }
  return globSync('test/**/*.test.ts', { cwd: folder })
    .filter((file) => draws(file, new Set()))
    .map((file) => file.replaceAll(path.sep, '/'))
    .sort()
}

function wholeNumber(name: string, text: string, highest: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= highest) return value
  throw new RangeError(`--${name} is a whole number from 1 to ${highest}, not "${text}"\n${usage}`)
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '10' },
      only: { type: 'string', default: '' },
      jobs: { type: 'string', default: '2' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const runs = wholeNumber('runs', values.runs, 100_000)
  const jobs = wholeNumber('jobs', values.jobs, 64)
  const files = randomTests().filter((file) => file.includes(values.only))
  if (files.length === 0) throw new RangeError(`no random test has "${values.only}" in its path; --list names them`)
  if (values.list) {
    console.log(files.join('\n'))
    return 0
  }
  const tap = realpathSync(path.join(repository, 'node_modules', '.bin', 'tap'))
  const before = pathToFileURL(path.join(repository, 'test', 'support', 'fast-check-runs.ts')).href
  const settings = [
    '--disable-coverage',
    `--timeout=${TIMEOUT_SECONDS}`,
    `--jobs=${jobs}`,
    `--node-arg=--import=${before}`,
  ]
  const child = spawn(process.execPath, [tap, ...settings, ...files], {
    cwd: repository,
    env: { ...process.env, MIZAN_PROPERTY_RUNS: String(runs) },
    stdio: 'inherit',
  })
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
  if (status !== 0) console.error('run a property again with the seed and path that its failure states')
  return status
}

if (import.meta.main) {
  try {
    process.exitCode = await main()
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}
