import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type Mutation, mutations } from '../test/simulation/mutations.ts'

/**
 * Plants each defect of a list in a copy of the program and simulates until it is noticed. Exit status 1 when one is not:
 * then the simulation has a blind spot. `npm run mutations -- [--seeds N] [--only TEXT] [--json]`.
 */

const repository = path.resolve(import.meta.dirname, '..')
const NAME_WIDTH = 62
const SEED_WIDTH = 8

export interface Caught {
  readonly name: string
  /** Undefined when no seed noticed it. */
  readonly seed: number | undefined
  readonly promise: string | undefined
  readonly seconds: number
}

/** Plants one defect and simulates up to so many seeds. */
export async function plant(mutation: Mutation, seeds: number): Promise<Caught> {
  const startedMs = performance.now()
  const folder = mkdtempSync(path.join(os.tmpdir(), 'mizan-mutation-'))
  try {
    for (const part of ['src', 'schemas'])
      cpSync(path.join(repository, part), path.join(folder, part), { recursive: true })
    cpSync(path.join(repository, 'package.json'), path.join(folder, 'package.json'))
    symlinkSync(path.join(repository, 'node_modules'), path.join(folder, 'node_modules'))
    const file = path.join(folder, 'src', mutation.file)
    writeFileSync(file, changed(readFileSync(file, 'utf8'), mutation))
    const failure = await firstFailure(folder, seeds)
    const seconds = Math.round((performance.now() - startedMs) / 100) / 10
    return { name: mutation.name, seed: failure?.seed, promise: failure?.promise, seconds }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function changed(text: string, { from, to, file, name }: Mutation): string {
  const times = text.split(from).length - 1
  if (times !== 1) throw new RangeError(`${name}: the text stands ${times} times in ${file}, and must stand there once`)
  return text.replace(from, () => to)
}

async function firstFailure(folder: string, seeds: number): Promise<{ seed: number; promise: string } | undefined> {
  const args = [path.join(folder, 'src', 'cli.ts'), 'sim', '--seeds', String(seeds), '--stop', '--json']
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  await new Promise((resolve) => child.once('close', resolve))
  if (output === '') throw new Error(`the simulation said nothing: ${errors.slice(-500)}`)
  const { failures } = JSON.parse(output) as { failures: { seed: number; promise: string }[] }
  return failures[0]
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '400' },
      only: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(
      'npm run mutations -- [--seeds N] [--only TEXT] [--json]\nPlants defects, and simulates until each is noticed.',
    )
    return
  }
  const results: Caught[] = []
  for (const mutation of mutations.filter(({ name }) => name.includes(values.only))) {
    const caught = await plant(mutation, Number(values.seeds))
    results.push(caught)
    const seed = caught.seed === undefined ? 'MISSED' : String(caught.seed)
    const line = `${caught.name.padEnd(NAME_WIDTH)}${seed.padStart(SEED_WIDTH)}  ${caught.promise ?? ''}`
    if (!values.json) console.log(line)
  }
  const missed = results.filter(({ seed }) => seed === undefined)
  if (values.json) console.log(JSON.stringify(results))
  else console.log(`${results.length - missed.length} of ${results.length} noticed`)
  if (missed.length > 0) process.exitCode = 1
}

if (process.argv[1] === import.meta.filename) await main()
