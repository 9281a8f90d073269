import { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import { masterKeySource } from '../config/master-key-source.ts'
import { MizanError } from '../errors.ts'
import { loadMasterKey, masterKeyCheckValue } from '../security/master-key.ts'
import { type BackupState, checkFiles, readBackupState } from '../store/backup/backup-check.ts'
import { type BaseBackup, backupFolder, listBackups } from '../store/backup/backup-folder.ts'
import { runBackup } from '../store/backup/base-backup.ts'
import { pruneBackups } from '../store/backup/prune.ts'
import { followJournal } from '../store/backup/wal-archive.ts'
import { connect } from '../store/connection.ts'
import { openDatabase } from '../store/database-location.ts'
import { type FolderOptions, folderOf, withFolder } from './backup-options.ts'
import { restoreCommand } from './backup-restore.ts'
import { type CommandIo, processIo } from './command-io.ts'

const MEGABYTE = 1_000_000
const ARCHIVE_WAIT_MS = 120_000
const NO_FOLDER = 'no backup folder is named (--config, --folder): base backups were not looked at, only the archive'

/** `mizan backup`: base backups, the archive of the journal, and restoring to a moment. */
export function backupCommand(io: CommandIo = processIo): Command {
  return new Command('backup')
    .description('base backups and the archived journal; restore to a moment into a new data folder')
    .addCommand(runCommand(io))
    .addCommand(listCommand(io))
    .addCommand(checkCommand(io))
    .addCommand(pruneCommand(io))
    .addCommand(restoreCommand(io))
}

function runCommand(io: CommandIo): Command {
  const command = new Command('run')
    .description('make a base backup of the server on this machine, beside its work')
    .option('--checkpoint <how>', 'fast = begin at once with a burst of writes; spread = evenly, over minutes', 'fast')
  return withFolder(command).action(async (options: FolderOptions & { readonly checkpoint: string }) => {
    const { checkpoint } = options
    if (checkpoint !== 'fast' && checkpoint !== 'spread') {
      throw new MizanError('BAD_INPUT', '--checkpoint is fast or spread')
    }
    const { config, folder } = folderOf(io, options)
    const database = await openDatabase(config, { create: false })
    try {
      const masterKey = await loadMasterKey(masterKeySource(config))
      const manifest = await runBackup({
        url: database.url,
        folder,
        checkpoint,
        bytesPerSecond: (config.backup?.megabytesPerSecond ?? 0) * MEGABYTE,
        archiveWaitMs: ARCHIVE_WAIT_MS,
        masterKey: { checkValue: masterKeyCheckValue(masterKey), custody: masterKey.description },
        onLog: (line) => io.note(`${line}\n`),
        onProgress: (copied, total) => io.note(`${megabytes(copied)} of ${megabytes(total)} MB\n`),
      })
      const { files, ...said } = manifest
      if (options.json) io.out(`${JSON.stringify({ ...said, files: files.length })}\n`)
      else {
        io.out(
          `${manifest.name}: ${files.length} files, ${megabytes(manifest.totalBytes)} MB; it can be restored to any moment from ${manifest.endedAt} on\n`,
        )
        io.out(
          `its keys need the master key with check value ${masterKeyCheckValue(masterKey)} (${masterKey.description}), which is not in it\n`,
        )
      }
    } finally {
      await database.close()
    }
  })
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list').description('list base backups, and how far the journal since each is whole')
  return withFolder(command).action((options: FolderOptions) => {
    const { folder } = folderOf(io, options)
    const backups = listBackups(backupFolder(folder)).map((backup) => described(folder, backup))
    if (options.json) io.out(`${JSON.stringify(backups)}\n`)
    else if (backups.length === 0) io.out(`no backups in ${folder}; mizan backup run makes one\n`)
    else for (const backup of backups) io.out(`${inWords(backup)}\n`)
  })
}

function described(folder: string, { name, manifest, problem }: BaseBackup) {
  if (manifest === undefined || problem !== undefined) return { name, problem: problem ?? 'it has no manifest' }
  const { isComplete, lastSegment, missing, torn, segments } = followJournal([backupFolder(folder).wal], manifest)
  const gap = missing === undefined ? undefined : `journal segment ${missing} is missing`
  const cut = torn.length === 0 ? undefined : `journal segments are cut short: ${torn.join(', ')}`
  const { startedAt, endedAt, totalBytes, serverVersion, timeline, headsAtLeast, masterKey } = manifest
  const facts = { startedAt, endedAt, totalBytes, serverVersion, timeline, lanes: headsAtLeast, masterKey }
  const journal = { segments, lastSegment, isComplete }
  const wrong = gap ?? cut
  return { name, ...facts, journal, ...(wrong === undefined ? {} : { problem: wrong }) }
}

function inWords(backup: ReturnType<typeof described>): string {
  if (!('journal' in backup)) return `${backup.name}  CANNOT BE USED: ${backup.problem}`
  const { name, endedAt, totalBytes, journal, lanes, problem } = backup
  const heads = lanes.map(({ lane, lastSeq }) => `lane ${lane} to batch ${lastSeq}`).join(', ')
  const warning = problem === undefined ? '' : `\n  PROBLEM: ${problem}`
  return `${name}  ended ${endedAt}, ${megabytes(totalBytes)} MB, ${heads}; ${journal.segments} segments of journal, the last ${journal.lastSegment ?? 'none'}${warning}`
}

function checkCommand(io: CommandIo): Command {
  const command = new Command('check')
    .description('say whether backups are fresh and the journal is archived; exit status 1 if not')
    .option('--max-age <hours>', 'oldest the last base backup may be; default: backup.maxAgeHours')
    .option('--files', 'read every file of the newest backup again too', false)
  type Options = FolderOptions & { readonly maxAge?: string; readonly files: boolean }
  return withFolder(command).action(async (options: Options) => {
    const config = loadConfig({ env: io.env, ...(options.config === undefined ? {} : { file: options.config }) })
    const folder = options.folder ?? config.backup?.folder
    const maxAgeHours =
      options.maxAge === undefined ? (config.backup?.maxAgeHours ?? 26) : positive(options.maxAge, '--max-age')
    const database = await openDatabase(config, { create: false })
    try {
      const client = await connect({ url: database.url, name: 'mizan backup check' })
      const rules = { maxAgeHours, ...(folder === undefined ? {} : { folder }) }
      const state = await readBackupState(client, rules, Date.now()).finally(() => client.end())
      const damaged = options.files && folder !== undefined ? await filesOfNewest(folder) : []
      if (folder === undefined) io.note(`${NO_FOLDER}\n`)
      const what = folder === undefined ? 'the archive is in order' : 'backups are in order'
      report(io, options.json, { ...state, problems: [...state.problems, ...damaged] }, what)
    } finally {
      await database.close()
    }
  })
}

async function filesOfNewest(folder: string): Promise<string[]> {
  const newest = listBackups(backupFolder(folder)).at(-1)
  if (newest === undefined) return []
  if (newest.manifest === undefined) return [`${newest.name}: ${newest.problem}`]
  return (await checkFiles(folder, newest.folder, newest.manifest)).map((problem) => `${newest.name}: ${problem}`)
}

function report(io: CommandIo, json: boolean, state: BackupState, inOrder: string): void {
  if (state.problems.length > 0) process.exitCode = 1
  if (json) {
    io.out(`${JSON.stringify({ ok: state.problems.length === 0, ...state })}\n`)
    return
  }
  const { lastBackup, archive, problems } = state
  if (lastBackup !== undefined)
    io.out(`last base backup ${lastBackup.name}, ${(lastBackup.ageSeconds / 3_600).toFixed(1)} hours old\n`)
  if (archive.lastArchived !== undefined) {
    io.out(
      `archived up to ${archive.lastArchived}; ${megabytes(archive.lagBytes ?? 0)} MB wait, ${archive.failures} failures so far\n`,
    )
  }
  for (const problem of problems) io.out(`PROBLEM: ${problem}\n`)
  if (problems.length === 0) io.out(`${inOrder}\n`)
}

function pruneCommand(io: CommandIo): Command {
  const command = new Command('prune')
    .description('remove base backups but the newest, and the journal that only they needed')
    .option('--keep <count>', 'backups to keep; default: backup.keep')
    .option('--dry-run', 'say what would go, and remove nothing', false)
  type Options = FolderOptions & { readonly keep?: string; readonly dryRun: boolean }
  return withFolder(command).action(async (options: Options) => {
    const { config, folder } = folderOf(io, options)
    const keep = options.keep === undefined ? (config.backup?.keep ?? 7) : positive(options.keep, '--keep')
    const pruned = await pruneBackups(folder, keep, options.dryRun)
    if (options.json) {
      io.out(`${JSON.stringify({ dryRun: options.dryRun, ...pruned })}\n`)
      return
    }
    const verb = options.dryRun ? 'would go' : 'removed'
    io.out(
      `${pruned.backups.length} backups and ${pruned.segments} segments (${megabytes(pruned.segmentBytes)} MB) ${verb}\n`,
    )
  })
}

function positive(text: string, option: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new MizanError('BAD_INPUT', `${option} is a whole number from 1 on`)
  return Number(text)
}

function megabytes(bytes: number): string {
  return (bytes / MEGABYTE).toFixed(bytes < 10 * MEGABYTE ? 1 : 0)
}
