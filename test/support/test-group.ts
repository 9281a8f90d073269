import { globSync } from 'node:fs'
import { registerHooks } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import tap, { type Test } from 'tap'
import { testGroups } from './test-groups.ts'

/** Time that a file may take, as when tap runs it by itself. */
const FILE_TIMEOUT_MS = 180_000

const testFolder = path.resolve(import.meta.dirname, '..')
const standIn = new URL('./tap-of-file.ts', import.meta.url).href
const running = new Map<string, Test>()

/** Test files of a group: paths below `test`, sorted. */
export function filesOfGroup(name: string): string[] {
  const patterns = testGroups[name]
  if (patterns === undefined) throw new RangeError(`no group of test files is named ${name}`)
  return globSync([...patterns], { cwd: testFolder })
    .map((file) => file.replaceAll(path.sep, '/'))
    .sort()
}

/** Runs the test files of a group in this process. */
export async function runTestGroup(name: string): Promise<void> {
  await runTestFiles(filesOfGroup(name))
}

/**
 * Runs test files in this process, one after the other, each as a test that has the name of its file. A file is the same as
 * when it is run alone: what it imports from `tap` is the test that stands for it, so what it left to `t.teardown` at its top
 * is done before the next one begins, and one that throws while it is loaded has failed and keeps no other from running.
 * @param files paths below the folder
 */
export async function runTestFiles(files: readonly string[], folder = testFolder): Promise<void> {
  tap.setTimeout(files.length * FILE_TIMEOUT_MS)
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'tap' && context.parentURL !== undefined && running.has(context.parentURL)
        ? { url: `${standIn}?file=${encodeURIComponent(context.parentURL)}`, shortCircuit: true }
        : next(specifier, context),
  })
  for (const file of files) {
    const url = pathToFileURL(path.join(folder, file)).href
    await tap.test(`test/${file}`, { timeout: FILE_TIMEOUT_MS }, async (t) => {
      running.set(url, t)
      await import(url)
    })
  }
}

/** The test that stands for a file that runs. */
export function testOfFile(url: string): Test {
  const t = running.get(url)
  if (t === undefined) throw new RangeError(`${url} is not run as part of a group`)
  return t
}
