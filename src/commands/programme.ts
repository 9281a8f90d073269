import { existsSync } from 'node:fs'
import { Command, Option } from 'commander'
import { checkProgramme } from '../benefit/programme-check.ts'
import { diffProgrammes, type ProgrammeDifference } from '../benefit/programme-diff.ts'
import type { ProgrammeFile } from '../benefit/programme-schema.ts'
import { civilDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { findProgramme, listProgrammes, programmeFiles } from '../store/programme-reader.ts'
import { type ProgrammeState, programmeStates } from '../store/programme-record.ts'
import {
  programmeTransaction,
  publishProgrammes,
  saveDraft,
  submitProgramme,
  withdrawProgramme,
} from '../store/programme-store.ts'
import { systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import {
  authorAs,
  logInPublisher,
  readContent,
  readProgrammeFile,
  versionLine,
  versionNumber,
} from './programme-desk.ts'
import { simulateCommand } from './programme-simulate.ts'

/** `mizan programme`: benefit programmes as data, from a file to the decisions of a running switch. */
export function programmeCommand(io: CommandIo = processIo): Command {
  return new Command('programme')
    .description('benefit programmes as data: check, compare, try out, submit and publish; see docs/programmes.md')
    .addCommand(validateCommand(io))
    .addCommand(listCommand(io))
    .addCommand(showCommand(io))
    .addCommand(diffCommand(io))
    .addCommand(simulateCommand(io))
    .addCommand(submitCommand(io))
    .addCommand(publishCommand(io))
    .addCommand(withdrawCommand(io))
}

const NAME = 'mizan programme'

function validateCommand(io: CommandIo): Command {
  const command = new Command('validate')
    .description('check programme files; every fault is told with its path')
    .argument('<file...>', 'JSON files, - for standard input')
    .option('--published', 'check them with what is published in the database too', false)
  return withCommonOptions(command).action(
    async (names: string[], options: CommonOptions & { readonly published: boolean }) => {
      if (!options.published) return validate(io, names, undefined, options.json)
      await atDatabase(io, options, NAME, async ({ client }) =>
        validate(io, names, await programmeFiles(client), options.json),
      )
    },
  )
}

function validate(
  io: CommandIo,
  names: readonly string[],
  published: readonly ProgrammeFile[] | undefined,
  json: boolean,
): void {
  const contents = names.map((name) => ({ name, content: readContent(io, name) }))
  // Files that are given together may need each other.
  const beside = contents.flatMap(({ content }) => checkProgramme(content).file ?? [])
  const results = contents.map(({ name, content }) => {
    const { file } = checkProgramme(content)
    const others = beside.filter((other) => other.code !== file?.code || other.version !== file.version)
    const checked =
      published === undefined ? checkProgramme(content) : checkProgramme(content, [...published, ...others])
    return { file: name, ok: checked.problems.length === 0, problems: checked.problems, checked }
  })
  if (json) io.out(`${JSON.stringify(results.map(({ checked: _, ...result }) => result))}\n`)
  else {
    for (const { file, checked } of results) {
      if (checked.file !== undefined) io.out(`${file}: ${checked.file.code} version ${checked.file.version} is valid\n`)
      for (const { path, message } of checked.problems) io.out(`${file}: ${path} ${message}\n`)
    }
  }
  if (results.some(({ ok }) => !ok)) process.exitCode = 1
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list')
    .description('list versions, by code')
    .option('--code <code>', 'only of this programme')
    .addOption(new Option('--state <state>', 'only in this state').choices(programmeStates))
  return withCommonOptions(command).action(
    (options: CommonOptions & { readonly code?: string; readonly state?: ProgrammeState }) =>
      atDatabase(io, options, NAME, async ({ client }) => {
        const versions = await listProgrammes(client, options)
        if (options.json) io.out(`${JSON.stringify(versions)}\n`)
        else for (const one of versions) io.out(`${versionLine(one)}\n`)
      }),
  )
}

function showCommand(io: CommandIo): Command {
  const command = new Command('show')
    .description('print a version as its file states it')
    .argument('<code>', 'code of the programme')
    .option('--version <number>', 'absent = the latest that is published')
  return withCommonOptions(command).action((code: string, options: CommonOptions & { readonly version?: string }) => {
    const version = options.version === undefined ? undefined : versionNumber(options.version)
    return atDatabase(io, options, NAME, async ({ client }) => {
      const found = await findProgramme(client, code, version)
      if (options.json) io.out(`${JSON.stringify(found)}\n`)
      else io.out(`${JSON.stringify(found.file, null, 2)}\n`)
      if (!options.json) io.note(`${versionLine(found)}${found.note === '' ? '' : `: ${found.note}`}\n`)
    })
  })
}

function diffCommand(io: CommandIo): Command {
  const command = new Command('diff')
    .description('what one version states otherwise than another')
    .argument('<code-or-file>', 'code of a programme, or a file that is compared with what is published of it')
    .argument('[a]', 'version; of a file, the version to compare it with (absent = the latest published)')
    .argument('[b]', 'version; absent = the latest published')
  return withCommonOptions(command).action(
    (what: string, a: string | undefined, b: string | undefined, options: CommonOptions) =>
      atDatabase(io, options, NAME, async ({ client }) => {
        const numberOf = (text: string | undefined) => (text === undefined ? undefined : versionNumber(text))
        const isFile = what === '-' || existsSync(what)
        if (isFile && b !== undefined) throw new MizanError('BAD_INPUT', 'a file is compared with one version')
        if (!isFile && a === undefined) throw new MizanError('BAD_INPUT', 'name the versions to compare')
        const own = isFile ? readProgrammeFile(io, what) : undefined
        const code = own?.code ?? what
        const { file: before } = await findProgramme(client, code, numberOf(a))
        const after = own ?? (await findProgramme(client, code, numberOf(b))).file
        const differences = diffProgrammes(before, after)
        if (options.json) io.out(`${JSON.stringify({ code, from: before.version, to: after.version, differences })}\n`)
        else for (const one of differences) io.out(`${differenceLine(one)}\n`)
        if (!options.json && differences.length === 0) io.note(`${code}: no difference\n`)
      }),
  )
}

function differenceLine({ path, before, after }: ProgrammeDifference): string {
  if (before === undefined) return `+ ${path}: ${JSON.stringify(after)}`
  if (after === undefined) return `- ${path}: ${JSON.stringify(before)}`
  return `  ${path}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`
}

function submitCommand(io: CommandIo): Command {
  const command = new Command('submit')
    .description('keep a file as the next version of its programme, and submit it for another person to publish')
    .argument('<file>', 'JSON file, - for standard input')
    .option('--note <text>', 'why; it stays with the version', keptText, '')
    .option('--draft', 'keep it as a draft only', false)
  return withCommonOptions(command).action(
    (name: string, options: CommonOptions & { readonly note: string; readonly draft: boolean }) => {
      const file = readProgrammeFile(io, name)
      return atDatabase(io, options, NAME, async ({ client }) => {
        const by = authorAs(systemActor(io))
        const { version, warnings } = await programmeTransaction(client, async () => {
          const { draft, warnings } = await saveDraft(client, file, { ...by, note: options.note })
          return { version: options.draft ? draft : await submitProgramme(client, draft, by), warnings }
        })
        if (options.json) io.out(`${JSON.stringify({ ...version, warnings })}\n`)
        else io.out(`${version.code} version ${version.version} is ${version.state}\n`)
        for (const { path, message } of options.json ? [] : warnings)
          io.note(`not yet publishable: ${path} ${message}\n`)
      })
    },
  )
}

function publishCommand(io: CommandIo): Command {
  const command = new Command('publish')
    .description('let a submitted version decide from its date on; another person than who submitted it logs in')
    .argument('<code>', 'code of the programme')
    .argument('<version>', 'its version')
    .option('--with <code@version...>', 'versions that need it and are published together with it', [])
  return withCommonOptions(command).action(
    (code: string, version: string, options: CommonOptions & { readonly with: readonly string[] }) => {
      const references = [{ code, version: versionNumber(version) }, ...options.with.map(referenceOf)]
      return atDatabase(io, options, NAME, async ({ client }) => {
        const by = { ...authorAs(await logInPublisher(io, client)), today: civilDate(Date.now()) }
        const published = await programmeTransaction(client, () => publishProgrammes(client, references, by))
        if (options.json) io.out(`${JSON.stringify(published)}\n`)
        else {
          for (const one of published) {
            io.out(`${one.code} version ${one.version} is published, and decides from ${one.effectiveFrom} on\n`)
          }
        }
      })
    },
  )
}

function referenceOf(text: string): { code: string; version: number } {
  const [code = '', version = ''] = text.split('@')
  return { code, version: versionNumber(version) }
}

function withdrawCommand(io: CommandIo): Command {
  const command = new Command('withdraw')
    .description('take back a version that has not decided anything')
    .argument('<code>', 'code of the programme')
    .argument('<version>', 'its version')
    .requiredOption('--reason <text>', 'why; it stays with the version', keptText)
  return withCommonOptions(command).action(
    (code: string, version: string, options: CommonOptions & { readonly reason: string }) => {
      const reference = { code, version: versionNumber(version) }
      return atDatabase(io, options, NAME, async ({ client }) => {
        const by = { ...authorAs(systemActor(io)), today: civilDate(Date.now()), reason: options.reason }
        const withdrawn = await programmeTransaction(client, () => withdrawProgramme(client, reference, by))
        io.out(options.json ? `${JSON.stringify(withdrawn)}\n` : `${code} version ${version} is withdrawn\n`)
      })
    },
  )
}
