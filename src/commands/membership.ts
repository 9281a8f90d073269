import { renameSync, rmSync } from 'node:fs'
import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { fileSource } from '../files/file-source.ts'
import { RejectReport } from '../files/reject-report.ts'
import { noteAudit } from '../store/audit-store.ts'
import { applyMembershipFile, checkMembershipFile, type MembershipResult } from '../store/membership-file.ts'
import { systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { progressLine, rejectionsInWords } from './load-progress.ts'
import { atPeopleDesk } from './people-access.ts'
import { logInSecondPerson } from './second-person.ts'

interface FileOptions extends CommonOptions {
  readonly rejects?: string
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{1,63}$/u

/** `mizan membership`: files of the ministry that add, remove, suspend and reinstate. */
export function membershipCommand(io: CommandIo = processIo): Command {
  return new Command('membership')
    .description('check and apply files that change who is a member of which household (docs/people.md)')
    .addCommand(checkCommand(io))
    .addCommand(applyCommand(io))
}

function withFile(command: Command): Command {
  return withCommonOptions(command)
    .argument('<file>', 'ends in .csv, .ndjson or .jsonl; columns in docs/people.md')
    .option('--rejects <file>', 'where rejected lines go (default: the file with .rejects.csv)')
}

function checkCommand(io: CommandIo): Command {
  const command = new Command('check').description('say what a file would change, and change nothing')
  return withFile(command).action((file: string, options: FileOptions) =>
    atPeopleDesk(io, options, (desk) =>
      reported(io, file, options, (report, onProgress) =>
        checkMembershipFile(desk, fileSource(file), { onReject: (rejection) => report.add(rejection), onProgress }),
      ),
    ),
  )
}

function applyCommand(io: CommandIo): Command {
  const command = new Command('apply').description(
    'apply a file through the running switch, agreed to by a second person; each line once, however often it is applied',
  )
  return withFile(command)
    .requiredOption('--as <name>', 'whose file it is; stays with each change')
    .action((file: string, options: FileOptions & { readonly as: string }) => {
      if (!NAME.test(options.as)) throw new MizanError('BAD_INPUT', '--as is a name of 2 to 64 characters')
      return atPeopleDesk(io, options, (desk) =>
        reported(io, file, options, async (report, onProgress) => {
          const onReject = (rejection: Parameters<RejectReport['add']>[0]) => report.add(rejection)
          // What the second person agrees to is this file, by its hash, and no other that has its name meanwhile.
          const seen = await checkMembershipFile(desk, fileSource(file))
          io.note(inWords(seen))
          const second = await logInSecondPerson(io, desk.client, {
            prompt: 'second person who agrees',
            roles: ['enrolment', 'operator'],
            what: 'agreeing to a membership file',
          })
          const how = { onReject, onProgress, agreedSha256: seen.sha256 }
          const result = await applyMembershipFile(desk, fileSource(file), options.as, how)
          const { sha256, done, rejected, wasApplied } = result
          await noteAudit(desk.client, {
            actor: systemActor(io),
            source: 'local',
            requestId: '',
            action: 'membership apply',
            outcome: 'done',
            detail: { sha256, as: options.as, secondPerson: second, done, rejected, wasApplied },
          })
          return result
        }),
      )
    })
}

async function reported(
  io: CommandIo,
  file: string,
  options: FileOptions,
  work: (report: RejectReport, onProgress: (done: number, total: number) => void) => Promise<MembershipResult>,
): Promise<void> {
  const rejects = options.rejects ?? `${file}.rejects.csv`
  // What an earlier call has told stays until this one has something to tell.
  const unfinished = `${rejects}.part`
  const report = new RejectReport(unfinished)
  const progress = progressLine(io, 'lines')
  let result: MembershipResult | undefined
  try {
    result = await work(report, (done, total) => progress(done, total === 0 ? 1 : done / total))
  } finally {
    report.close()
    // More were rejected than are kept with a file: what was written then has them all.
    const isLess = result?.wasApplied === true && report.count < result.rejected
    if (result === undefined || isLess) rmSync(unfinished, { force: true })
    else renameSync(unfinished, rejects)
  }
  io.out(options.json ? `${JSON.stringify({ ...result, rejects })}\n` : inWords(result))
  io.note(rejectionsInWords(report, rejects))
  if (result.rejected > 0) process.exitCode = 1
}

function inWords(result: MembershipResult): string {
  const { sha256, lines, done, repeated, rejected, governorates, wasApplied } = result
  const places = Object.entries(governorates)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([place, events]) => {
      const counts = Object.entries(events).map(([event, count]) => `${count} ${event}`)
      return `  ${place}: ${counts.join(', ')}\n`
    })
  const before = wasApplied ? 'this file was applied before: nothing has changed now\n' : ''
  return `${before}${lines} lines: ${done} changes, ${repeated} that were made before, ${rejected} rejected\n${places.join('')}SHA-256 ${sha256}\n`
}
