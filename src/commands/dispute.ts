import { Command, Option } from 'commander'
import { businessDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters, parsePounds } from '../money.ts'
import { requireAccessTables } from '../store/access-users.ts'
import {
  type Dispute,
  type DisputeState,
  disputeEvents,
  disputeStates,
  listDisputes,
  readDispute,
} from '../store/clearing/network-dispute-read.ts'
import { type DisputeMove, raiseDispute, requestDisputeMove } from '../store/clearing/network-disputes.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import { itemNamed } from './clearing-post.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase, type DatabaseDesk } from './database-desk.ts'
import { wholeNumber } from './number-option.ts'
import { type PeopleChangeOptions, sayOutcome, withChangeOptions } from './people-access.ts'
import { logInSecondPerson } from './second-person.ts'

const LIMIT_MAX = 1_000

/** `mizan dispute`: chargebacks of what the card network presented, and what became of them. */
export function disputeCommand(io: CommandIo = processIo): Command {
  return new Command('dispute')
    .description('disputes of what the card network presented; see docs/network-clearing.md')
    .addCommand(raiseCommand(io))
    .addCommand(moveCommand(io, 'credit', 'pay the disputed money to its household until the dispute is decided'))
    .addCommand(moveCommand(io, 'accept', 'the dispute is won: the household keeps its money'))
    .addCommand(moveCommand(io, 'lose', 'the dispute is lost: a credit is taken back'))
    .addCommand(
      moveCommand(io, 'withdraw', 'take it back, unanswered: the network has its money again, a credit is taken back'),
    )
    .addCommand(listCommand(io))
    .addCommand(showCommand(io))
}

function atDesk(io: CommandIo, options: CommonOptions, work: (desk: DatabaseDesk) => Promise<void>): Promise<void> {
  return atDatabase(io, options, 'mizan dispute', async (desk) => {
    await requireAccessTables(desk.client)
    await work(desk)
  })
}

function secondPerson(io: CommandIo, { client }: DatabaseDesk, what: string): Promise<string> {
  const prompt = 'second person, who agrees'
  return logInSecondPerson(io, client, { prompt, roles: ['settlement'], what })
}

function raiseCommand(io: CommandIo): Command {
  const command = new Command('raise')
    .description('dispute an item: the chargeback goes out with the next file; a second person logs in')
    .argument('<file:number>', 'the item, as mizan clearing items lists it')
    .requiredOption('--reason-code <nn>', "the network's reason, two digits")
    .requiredOption('--reason <text>', 'why', keptText)
    .option('--amount <pounds>', 'a part of it; absent = all')
  type Options = CommonOptions & { reasonCode: string; reason: string; amount?: string }
  return withCommonOptions(command).action((item: string, options: Options) =>
    atDesk(io, options, async (desk) => {
      const { client, config } = desk
      const { fileId, number } = itemNamed(item)
      const { reasonCode, reason } = options
      if (!/^\d{2}$/.test(reasonCode)) throw new MizanError('BAD_INPUT', '--reason-code has two digits')
      const amountPiasters = options.amount === undefined ? undefined : parsePounds(options.amount)
      const second = await secondPerson(io, desk, 'to dispute')
      const nowMs = Date.now()
      const detail = { file: fileId, item: number, reasonCode, second }
      const dispute = await changeNoted(io, client, { action: 'dispute raise', detail }, () =>
        raiseDispute(client, {
          fileId,
          number,
          reasonCode,
          reason,
          amountPiasters,
          raisedBy: systemActor(io),
          approvedBy: second,
          nowMs,
          businessDate: businessDate(nowMs, config.businessDay.cutoverMinutes),
        }),
      )
      if (options.json) io.out(`${JSON.stringify(dispute)}\n`)
      else io.out(`${lineOf(dispute)}\n`)
    }),
  )
}

function moveCommand(io: CommandIo, what: DisputeMove, description: string): Command {
  const command = new Command(what).description(`${description}; a second person logs in`).argument('<id>')
  return withChangeOptions(command).action((text: string, options: PeopleChangeOptions) =>
    atDesk(io, options, async (desk) => {
      const { client } = desk
      const id = wholeNumber(text, 'the dispute')
      await readDispute(client, id)
      const second = await secondPerson(io, desk, `to ${what} a dispute`)
      const nowMs = Date.now()
      const by = { actor: second, nowMs, businessDate: businessDate(nowMs, desk.config.businessDay.cutoverMinutes) }
      const detail = { dispute: id, second }
      const asked = await changeNoted(io, client, { action: `dispute ${what}`, detail }, () =>
        requestDisputeMove(client, id, what, by),
      )
      if (asked !== undefined) await sayOutcome(io, client, asked, options, { dispute: id })
      else if (options.json) io.out(`${JSON.stringify(await readDispute(client, id))}\n`)
      else io.out(`${lineOf(await readDispute(client, id))}\n`)
    }),
  )
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list')
    .description('list disputes, the newest first')
    .addOption(new Option('--state <state>', 'only in this state').choices(disputeStates))
    .option('--household <id>', 'only those of this household')
    .option('--limit <count>', 'how many', '50')
  type Options = CommonOptions & { state?: DisputeState; household?: string; limit: string }
  return withCommonOptions(command).action((options: Options) =>
    atDesk(io, options, async ({ client }) => {
      const { state, household } = options
      const found = await listDisputes(client, {
        state,
        householdId: household === undefined ? undefined : wholeNumber(household, '--household'),
        limit: wholeNumber(options.limit, '--limit', LIMIT_MAX),
      })
      if (options.json) io.out(`${JSON.stringify(found)}\n`)
      else if (found.length === 0) io.out('there are no such disputes\n')
      else for (const one of found) io.out(`${lineOf(one)}\n`)
    }),
  )
}

function showCommand(io: CommandIo): Command {
  const command = new Command('show').description('show a dispute and all that happened to it').argument('<id>')
  return withCommonOptions(command).action((text: string, options: CommonOptions) =>
    atDesk(io, options, async ({ client }) => {
      const dispute = await readDispute(client, wholeNumber(text, 'the dispute'))
      const events = await disputeEvents(client, dispute.id)
      if (options.json) {
        io.out(`${JSON.stringify({ ...dispute, events })}\n`)
        return
      }
      io.out(`${lineOf(dispute)}\n  ${dispute.reason}; raised by ${dispute.raisedBy} and ${dispute.approvedBy}\n`)
      for (const { event, actor, detail, postedIds, atMs } of events) {
        const posted = postedIds.length === 0 ? '' : ` [journal ${postedIds.join(', ')}]`
        const why = detail === undefined ? '' : `: ${detail}`
        io.out(`  ${new Date(atMs).toISOString()}  ${event} by ${actor}${why}${posted}\n`)
      }
    }),
  )
}

function lineOf(one: Dispute): string {
  const credit = one.credited ? ', the household has its money' : ''
  const amount = `${formatPiasters(one.amountPiasters)} EGP`
  const until = one.state === 'raised' || one.state === 'sent' ? `, the acquirer may answer until ${one.respondBy}` : ''
  return `dispute ${one.id}  item ${one.fileId}:${one.number}  household ${one.householdId}  ${amount}  ${one.state}${credit}${until}`
}
