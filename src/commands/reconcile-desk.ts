import { Command } from 'commander'
import { civilDate, formatDate } from '../calendar.ts'
import type { CorrectingPosting } from '../clearing/reconciliation/correction.ts'
import {
  type Corrected,
  correct,
  correctionOf,
  requireWriteOff,
  resolveByWords,
  writeOff,
} from '../clearing/reconciliation/desk.ts'
import { requireTargetOwner } from '../clearing/reconciliation/target.ts'
import { bankingDaysOn, type ExceptionView, exceptionView } from '../clearing/reconciliation/view.ts'
import { writeOffLimitsOf } from '../clearing/reconciliation/write-off-limits.ts'
import { MizanError } from '../errors.ts'
import { type Role, readLogin, requireAccessTables } from '../store/access-users.ts'
import { awaitPostings } from '../store/clearing/postings.ts'
import {
  type Author,
  assignException,
  commentException,
  waitException,
} from '../store/clearing/reconciliation-change.ts'
import {
  type ReconciliationException,
  readEvents,
  readException,
  readRelatedMatches,
} from '../store/clearing/reconciliation-desk.ts'
import type { Client } from '../store/connection.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, dateOption, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase, type DatabaseDesk } from './database-desk.ts'
import { numberOption } from './number-option.ts'
import { explainLines, postingLine } from './reconcile-text.ts'
import { logInSecondPerson } from './second-person.ts'

const NAME = 'mizan reconcile'
/** Who may agree to what moves money. */
const CHECKERS: readonly Role[] = ['settlement', 'operator']
/** The writer posts within moments; without a switch it never does. */
const POSTING_STALL_MS = 5_000

/** The commands that look at one exception and work on it. */
export function deskCommands(io: CommandIo): Command[] {
  return [
    explainCommand(io),
    assignCommand(io),
    waitCommand(io),
    commentCommand(io),
    resolveCommand(io),
    writeOffCommand(io),
  ]
}

function explainCommand(io: CommandIo): Command {
  const command = new Command('explain')
    .description('show an exception: both sides, what it means, what to do, its matches and its history')
    .argument('<id>', 'number of the exception')
  return withCommonOptions(command).action((text: string, options: CommonOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const exception = await readException(client, idOf(text))
      const events = await readEvents(client, exception.id)
      const matches = await readRelatedMatches(client, exception)
      const view = await viewOf(client, exception)
      if (options.json) io.out(`${JSON.stringify({ ...view, events, matches })}\n`)
      else io.out(`${explainLines(view, events, matches).join('\n')}\n`)
    }),
  )
}

function assignCommand(io: CommandIo): Command {
  const command = new Command('assign')
    .description('give an exception to somebody')
    .argument('<id>')
    .argument('<owner>')
    .option('--comment <text>', 'what to know', keptText)
  return withCommonOptions(command).action(
    (text: string, owner: string, options: CommonOptions & { comment?: string }) =>
      change(io, options, text, 'assign', ({ client }, id, author) =>
        assignException(client, id, owner, options.comment, author),
      ),
  )
}

function waitCommand(io: CommandIo): Command {
  const command = new Command('wait')
    .description('let an exception rest until a date, such as one that the bank named')
    .argument('<id>')
    .requiredOption('--until <yyyy-mm-dd>', 'from then on it is open again')
    .requiredOption('--comment <text>', 'what is waited for', keptText)
  return withCommonOptions(command).action(
    (text: string, options: CommonOptions & { until: string; comment: string }) =>
      change(io, options, text, 'wait', ({ client }, id, author) =>
        waitException(client, id, formatDate(dateOption(options.until)), options.comment, author),
      ),
  )
}

function commentCommand(io: CommandIo): Command {
  const command = new Command('comment')
    .description('say something of an exception')
    .argument('<id>')
    .argument('<text>', 'what to know', keptText)
  return withCommonOptions(command).action((text: string, comment: string, options: CommonOptions) =>
    change(io, options, text, 'comment', ({ client }, id, author) => commentException(client, id, comment, author)),
  )
}

interface ResolveOptions extends CommonOptions {
  readonly comment: string
  readonly post: boolean
  readonly to?: string
}

function resolveCommand(io: CommandIo): Command {
  const command = new Command('resolve')
    .description('close an exception with words, or correct it by a posting that a second person agrees to')
    .argument('<id>')
    .requiredOption('--comment <text>', 'how it was settled', keptText)
    .option(
      '--post',
      'post what is proposed: the difference goes into the suspense of its break, and it stays open',
      false,
    )
    .option('--to <account>', 'post what is in suspense to this account, and close it')
    .addHelpText(
      'after',
      '\nA posting needs a second person: a user with the role settlement or operator logs in, by name and password.',
    )
  return withCommonOptions(command).action((text: string, options: ResolveOptions) => {
    const { comment, post, to } = options
    if (!post && to === undefined) {
      return change(io, options, text, 'resolve', ({ client }, id, author) =>
        resolveByWords(client, id, comment, author),
      )
    }
    const target = to === undefined ? undefined : numberOption(to, '--to')
    return changeByTwo(io, options, text, 'correct', {
      check: async (client, exception) => {
        const postings = correctionOf(exception, target)
        await requireTargetOwner(client, target)
        return postings
      },
      work: ({ client }, id, { author, seenPiasters }) =>
        correct(client, id, { target, resolution: comment, seenPiasters }, author),
    })
  })
}

function writeOffCommand(io: CommandIo): Command {
  const command = new Command('write-off')
    .description(
      'give a difference up: a second person agrees, up to what the role may (clearing.reconciliation.writeOffLimits)',
    )
    .argument('<id>')
    .requiredOption('--comment <text>', 'why', keptText)
  return withCommonOptions(command).action((text: string, options: CommonOptions & { comment: string }) =>
    changeByTwo(io, options, text, 'write-off', {
      check: async (_, exception) => requireWriteOff(exception),
      work: ({ client, config }, id, { author, roles, seenPiasters }) => {
        const limits = writeOffLimitsOf(config.clearing.reconciliation.writeOffLimits)
        return writeOff(client, id, { resolution: options.comment, roles, limits, seenPiasters }, author)
      },
    }),
  )
}

async function change(
  io: CommandIo,
  options: CommonOptions,
  text: string,
  action: string,
  work: (desk: DatabaseDesk, id: number, author: Author) => Promise<ReconciliationException>,
): Promise<void> {
  await atDatabase(io, options, NAME, async (desk) => {
    await requireAccessTables(desk.client)
    const id = idOf(text)
    const author = { actor: systemActor(io), nowMs: Date.now() }
    const changed = await changeNoted(
      io,
      desk.client,
      { action: `reconcile ${action}`, detail: { exception: id } },
      () => work(desk, id, author),
    )
    await tell(io, desk.client, options, changed)
  })
}

interface WorkOfTwo {
  /** What would be posted; refuses before anybody has to log in. */
  check(client: Client, exception: ReconciliationException): Promise<readonly CorrectingPosting[]>
  work(
    desk: DatabaseDesk,
    id: number,
    by: { readonly author: Author; readonly roles: readonly Role[]; readonly seenPiasters: number },
  ): Promise<Corrected>
}

async function changeByTwo(
  io: CommandIo,
  options: CommonOptions,
  text: string,
  action: string,
  { check, work }: WorkOfTwo,
): Promise<void> {
  await atDatabase(io, options, NAME, async (desk) => {
    const { client } = desk
    await requireAccessTables(client)
    const id = idOf(text)
    const seen = await readException(client, id)
    io.note(`exception ${id} (${seen.break}): ${seen.summary}\n`)
    for (const posting of await check(client, seen)) io.note(`${postingLine(posting)}\n`)
    const second = await logInSecondPerson(io, client, {
      prompt: 'second person who agrees',
      roles: CHECKERS,
      what: 'agreeing to a posting',
    })
    const { roles = [] } = (await readLogin(client, second.slice('user:'.length))) ?? {}
    const author = { actor: `${systemActor(io)} + ${second}`, nowMs: Date.now() }
    const detail = { exception: id, secondPerson: second }
    const done = await changeNoted(io, client, { action: `reconcile ${action}`, detail }, () =>
      work(desk, id, { author, roles, seenPiasters: seen.differencePiasters }),
    )
    await waitForWriter(io, client, done)
    await tell(io, client, options, done.exception)
  })
}

/** The postings are durable as asked for; without a switch they are made when one runs. */
async function waitForWriter(io: CommandIo, client: Client, { reference, commands }: Corrected): Promise<void> {
  try {
    await awaitPostings(client, { reference, commands }, { stallMs: POSTING_STALL_MS })
  } catch (error) {
    if (!(error instanceof MizanError) || error.code !== 'WRITER_SILENT') throw error
    io.note(`${reference} is asked for; it is posted as soon as a switch runs\n`)
  }
}

async function tell(
  io: CommandIo,
  client: Client,
  options: CommonOptions,
  exception: ReconciliationException,
): Promise<void> {
  const view = await viewOf(client, exception)
  if (options.json) io.out(`${JSON.stringify(view)}\n`)
  else
    io.out(
      `exception ${view.exceptionId} (${view.break}) is ${view.state}${view.owner === null ? '' : `, owner ${view.owner}`}\n`,
    )
}

async function viewOf(client: Client, exception: ReconciliationException): Promise<ExceptionView> {
  const today = civilDate(Date.now())
  return exceptionView(exception, today, await bankingDaysOn(client, today))
}

function idOf(text: string): number {
  return numberOption(text, 'the number of the exception')
}
