import { existsSync } from 'node:fs'
import path from 'node:path'
import { Command } from 'commander'
import type { Config } from '../config/config.ts'
import { masterKeySource } from '../config/master-key-source.ts'
import { describeError, MizanError } from '../errors.ts'
import { KeyRing } from '../security/keys/key-ring.ts'
import { KEY_BLOCK_PROTECTION, loadMasterKey } from '../security/master-key.ts'
import { compareHeads, type LaneComparison } from '../store/backup/backup-check.ts'
import type { BackupManifest } from '../store/backup/backup-folder.ts'
import { type RestoredDatabase, restoreBackup } from '../store/backup/restore.ts'
import type { RestoreGoal } from '../store/backup/restore-plan.ts'
import { connect } from '../store/connection.ts'
import { EMBEDDED_DATABASE } from '../store/database-location.ts'
import { clusterRoot } from '../store/embedded/cluster.ts'
import { findEmbeddedPostgres } from '../store/embedded-postgres.ts'
import { readKeys } from '../store/key-store.ts'
import { type CheckResult, verifyLedger } from '../store/verify.ts'
import { type FolderOptions, folderOf, withFolder } from './backup-options.ts'
import type { CommandIo } from './command-io.ts'

interface RestoreOptions extends FolderOptions {
  readonly to: string
  readonly at?: string
  readonly latest?: true
  readonly seq?: string
  readonly backup?: string
  readonly acceptGap: boolean
  readonly localJournal: boolean
  readonly binaries?: string
}

/** What a restore found out of its copy. */
interface Findings {
  readonly checks: readonly CheckResult[]
  readonly lanes: readonly LaneComparison[]
  /** Whether the keys open under the master key of the configuration, in words. */
  readonly keys: { readonly open: boolean; readonly detail: string }
}

const PROTECTION_BYTES = 32

/** `mizan backup restore`: a new data folder as of a moment, verified; nothing that runs is touched. */
export function restoreCommand(io: CommandIo): Command {
  const command = new Command('restore')
    .description('restore into a new data folder, and verify the copy; touches nothing that runs')
    .requiredOption('--to <folder>', 'data folder to make: absent or empty')
    .option('--latest', 'everything in the archive, and in the journal of the server here if it is not archived yet')
    .option('--at <time>', 'everything committed up to a moment, such as 2026-11-22T09:30:00+02:00')
    .option('--seq <lane:seq>', 'the journal of a lane up to and with a batch')
    .option('--backup <name>', 'base backup to begin with; default: the newest that will do')
    .option('--accept-gap', 'with --latest: stop at a gap of the archive instead of refusing', false)
    .option('--no-local-journal', 'do not look into the journal of the data folder of the configuration')
    .option('--binaries <folder>', 'programs of the server that was backed up, such as /usr/lib/postgresql/17/bin')
  return withFolder(command).action(async (options: RestoreOptions) => {
    const goal = goalOf(options)
    const { config, folder } = folderOf(io, options)
    const to = path.resolve(options.to)
    const restored = await restoreBackup({
      folder,
      to,
      goal,
      ...(options.backup === undefined ? {} : { backup: options.backup }),
      moreJournal: options.localJournal ? localJournal(config) : [],
      acceptGap: options.acceptGap,
      ...(options.binaries === undefined ? {} : { binaries: options.binaries }),
      sizes: config.database.embedded,
      onLog: (line) => io.note(`${line}\n`),
    })
    try {
      const findings = await examine(restored, config, io)
      say(io, options, findings, restored, to)
      if (!isSound(findings)) process.exitCode = 1
    } finally {
      await restored.close()
    }
  })
}

function goalOf({ at, latest, seq }: RestoreOptions): RestoreGoal {
  if ([at, latest, seq].filter((one) => one !== undefined).length !== 1) {
    throw new MizanError('BAD_INPUT', 'say how far: one of --latest, --at TIME, --seq LANE:SEQ')
  }
  if (latest === true) return { kind: 'latest' }
  if (at !== undefined) {
    // Without a zone the same text would mean another moment on another machine.
    if (!/(Z|[+-]\d{2}:?\d{2})$/.test(at) || Number.isNaN(Date.parse(at))) {
      throw new MizanError('BAD_INPUT', '--at is a moment with its zone, such as 2026-11-22T09:30:00+02:00')
    }
    return { kind: 'time', at: new Date(at).toISOString() }
  }
  const match = /^(\d{1,2}):([1-9]\d{0,15})$/.exec(seq ?? '')
  if (match === null) throw new MizanError('BAD_INPUT', '--seq is LANE:SEQ, such as 0:123456')
  return { kind: 'batch', lane: Number(match[1]), seq: Number(match[2]) }
}

/** The journal of the embedded server here, running or not: its end may not be in the archive yet. */
function localJournal({ varDir, database }: Config): string[] {
  if (database.url !== undefined) return []
  try {
    const folder = path.join(clusterRoot(varDir), 'data', 'pg_wal')
    return existsSync(folder) ? [folder] : []
  } catch {
    // The data folder names a place that is gone: what a restore is for.
    return []
  }
}

async function examine(restored: RestoredDatabase, config: Config, io: CommandIo): Promise<Findings> {
  io.note('verifying the copy\n')
  const checks = await verifyLedger(restored.url)
  const copy = await connect({ url: restored.url, name: 'mizan restore', role: 'mizan_app' })
  try {
    const lanes = await withLive(config, async (url) => {
      const live = url === undefined ? undefined : await connect({ url, name: 'mizan restore', role: 'mizan_app' })
      return compareHeads(copy, restored.manifest.headsAtLeast, live).finally(() => live?.end())
    })
    const { keys } = await readKeys(copy)
    return { checks, lanes, keys: await tryKeys(keys, config, restored.manifest) }
  } finally {
    await copy.end()
  }
}

/** The database that the configuration names, if it answers; it is never started for this. */
async function withLive<T>(config: Config, work: (url: string | undefined) => Promise<T>): Promise<T> {
  const { url } = config.database
  if (url !== undefined) {
    const answers = await connect({ url, name: 'mizan restore' }).then(
      (client) => client.end().then(() => true),
      () => false,
    )
    return work(answers ? url : undefined)
  }
  const embedded = await findEmbeddedPostgres({ dataDir: config.varDir }).catch(() => undefined)
  try {
    return await work(embedded?.url(EMBEDDED_DATABASE))
  } finally {
    await embedded?.release()
  }
}

async function tryKeys(
  records: Parameters<KeyRing['load']>[0],
  config: Config,
  { masterKey }: BackupManifest,
): Promise<Findings['keys']> {
  const needed =
    masterKey === undefined
      ? ''
      : ` They need the one with check value ${masterKey.checkValue} (then ${masterKey.custody})`
  try {
    const key = await loadMasterKey({ ...masterKeySource(config), generateAt: existingKey(config) })
    const protection = key.derive(KEY_BLOCK_PROTECTION, PROTECTION_BYTES)
    new KeyRing(protection).load(records)
    protection.fill(0)
    return { open: true, detail: `its ${records.length} keys open under the master key of ${key.description}` }
  } catch (error) {
    const detail = `its keys do not open under the master key of this configuration: ${describeError(error)}.${needed}`
    return { open: false, detail }
  }
}

/** A restore makes no master key. */
function existingKey(config: Config): string | undefined {
  const { generateAt } = masterKeySource(config)
  return generateAt !== undefined && existsSync(generateAt) ? generateAt : undefined
}

function isSound({ checks, lanes }: Findings): boolean {
  return (
    checks.every(({ ok }) => ok) && lanes.every(({ holdsBackup, live }) => holdsBackup && live?.isBeginning !== false)
  )
}

function say(
  io: CommandIo,
  { json }: RestoreOptions,
  findings: Findings,
  restored: RestoredDatabase,
  to: string,
): void {
  const { checks, lanes, keys } = findings
  const failed = checks.filter(({ ok }) => !ok)
  if (json) {
    const { name, endedAt, masterKey } = restored.manifest
    const backup = { name, endedAt, masterKey }
    io.out(
      `${JSON.stringify({ sound: isSound(findings), to, clusterDir: restored.clusterDir, backup, lanes, keys, checks })}\n`,
    )
    return
  }
  for (const { name, detail } of failed) io.out(`FAILED ${name}: ${detail}\n`)
  io.out(`verify: ${checks.length - failed.length} ok, ${failed.length} failed\n`)
  for (const lane of lanes) io.out(`${laneInWords(lane)}\n`)
  io.out(`keys: ${keys.detail}\n`)
  io.out(isSound(findings) ? switchOver(to) : `${to} is NOT sound; do not run a switch on it\n`)
}

function laneInWords({ lane, lastSeq, holdsBackup, live }: LaneComparison): string {
  const backed = holdsBackup ? '' : '; IT LACKS WHAT THE BACKUP HELD'
  if (live === undefined) return `lane ${lane}: up to batch ${lastSeq}${backed}`
  const behind = live.lastSeq - lastSeq
  const against = live.isBeginning
    ? `${behind} batches behind the live database (${live.lastSeq})`
    : 'NOT a beginning of the live journal'
  return `lane ${lane}: up to batch ${lastSeq}, ${against}${backed}`
}

function switchOver(to: string): string {
  return `The copy is whole and stopped. To go on with it:
  1. stop the switch that runs (SIGTERM), and see that no other writes the old database
  2. give mizan start the new data folder: MIZAN_VAR=${to}, or varDir in the configuration
  3. give it the same master key (see keys above); it is not in a backup
  4. mizan start, then mizan verify, then mizan backup run: the copy begins a new timeline
Answers given after the moment of the copy are not in it: reconcile them with the networks (docs/operations.md).
`
}
