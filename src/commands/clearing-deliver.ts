import { Command, Option } from 'commander'
import { type CivilDate, formatDate } from '../calendar.ts'
import type { DayStepOutcome } from '../clearing/day/step.ts'
import { judgeAnswers } from '../clearing/delivery/acknowledge-step.ts'
import { deliverFiles } from '../clearing/delivery/deliver-step.ts'
import { protectFiles } from '../clearing/delivery/sign-step.ts'
import { MizanError } from '../errors.ts'
import {
  type DeliveryState,
  type DeliveryView,
  deliveryEvents,
  deliveryStates,
  listDeliveries,
  resendDelivery,
} from '../store/clearing/deliver.ts'
import { findFile } from '../store/clearing/files.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import { atDelivery, commandWork, type DeliveryDesk, dateArgument, lastDate } from './clearing-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'

interface DeliverOptions extends CommonOptions {
  readonly resend?: string
  readonly reason?: string
}

/** `mizan clearing deliver`: signs and delivers what there is of a day, at once. */
export function clearingDeliverCommand(io: CommandIo = processIo): Command {
  const command = new Command('deliver')
    .description('sign and deliver the files of a business date now, also what was given up; released they have to be')
    .argument('[date]', 'business date, yyyy-mm-dd (default: the last one that ended)', dateArgument)
    .option('--resend <name>', 'deliver this file again, though it was delivered')
    .option('--reason <text>', 'why; with --resend')
  return withCommonOptions(command).action((date: CivilDate | undefined, options: DeliverOptions) =>
    atDelivery(io, options, async (desk) => {
      const { client, config, delivery } = desk
      const asked = options.resend === undefined ? undefined : await askAgain(io, desk, options)
      const work = commandWork(io, config, asked ?? date ?? lastDate(config))
      const sign = await protectFiles(client, delivery, work)
      const steps: Record<string, DayStepOutcome> = { sign }
      if (sign.state === 'done') {
        steps.deliver = await deliverFiles(client, delivery, { ...work, isAsked: true, actor: systemActor(io) })
        steps.acknowledge = await judgeAnswers(client, work)
      }
      if (options.json) io.out(`${JSON.stringify({ businessDate: formatDate(work.businessDate), ...steps })}\n`)
      else for (const [step, { state, words }] of Object.entries(steps)) io.out(`${step}: ${state}, ${words}\n`)
      if (Object.values(steps).some(({ state }) => state === 'blocked')) process.exitCode = 1
    }),
  )
}

/** @returns the date of the file */
async function askAgain(
  io: CommandIo,
  { client }: DeliveryDesk,
  { resend, reason }: DeliverOptions,
): Promise<CivilDate> {
  if (reason === undefined || reason.trim() === '') throw new MizanError('BAD_INPUT', '--resend needs a --reason')
  const file = await findFile(client, resend ?? '')
  if (file === undefined) throw new MizanError('NOT_FOUND', `there is no clearing file ${resend}`)
  const [found] = await listDeliveries(client, { fileId: file.id, limit: 1 })
  if (found === undefined) throw new MizanError('NOT_FOUND', `${file.name} was never on its way`)
  const detail = { file: file.name, destination: found.destination, reason }
  await changeNoted(io, client, { action: 'clearing resend', detail }, () =>
    resendDelivery(client, found.id, { actor: systemActor(io), reason, nowMs: Date.now() }),
  )
  return file.businessDate
}

interface ListOptions extends CommonOptions {
  readonly date?: CivilDate
  readonly state?: DeliveryState
  readonly file?: string
}

const LIMIT = 200

/** `mizan clearing deliveries`: what went where, and what was answered. */
export function clearingDeliveriesCommand(io: CommandIo = processIo): Command {
  const command = new Command('deliveries')
    .description('list deliveries of clearing files, the newest first; with --file all that happened to one')
    .option('--date <date>', 'only of this business date', dateArgument)
    .addOption(new Option('--state <state>', 'only those that are so').choices([...deliveryStates]))
    .option('--file <name>', 'only of this file')
  return withCommonOptions(command).action((options: ListOptions) =>
    atDelivery(io, options, async ({ client }) => {
      const { date, state, file: name } = options
      const file = name === undefined ? undefined : await findFile(client, name)
      if (name !== undefined && file === undefined)
        throw new MizanError('NOT_FOUND', `there is no clearing file ${name}`)
      const found = await listDeliveries(client, {
        limit: LIMIT,
        ...(date === undefined ? {} : { businessDate: formatDate(date) }),
        ...(state === undefined ? {} : { state }),
        ...(file === undefined ? {} : { fileId: file.id }),
      })
      const views = await Promise.all(
        found.map(async (one) => (file === undefined ? one : { ...one, events: await deliveryEvents(client, one.id) })),
      )
      if (options.json) io.out(`${JSON.stringify(views)}\n`)
      else for (const one of views) io.out(`${lineOf(one)}${'events' in one ? eventsOf(one.events) : ''}\n`)
      if (views.length === 0 && !options.json) io.out('nothing was on its way\n')
    }),
  )
}

function lineOf({ name, destination, state, attempts, error, answer, answerReason, acknowledgeByMs }: DeliveryView) {
  const waits = acknowledgeByMs === undefined ? '' : `, answer until ${new Date(acknowledgeByMs).toISOString()}`
  const said = answer === undefined ? waits : `, ${answer}${answerReason === undefined ? '' : `: ${answerReason}`}`
  return `${name}  to ${destination}  ${state} after ${attempts} attempt(s)${error === undefined ? said : `: ${error}`}`
}

function eventsOf(events: Awaited<ReturnType<typeof deliveryEvents>>): string {
  return events
    .map(({ atMs, event, actor, detail }) => `\n  ${new Date(atMs).toISOString()}  ${event}  by ${actor}  ${detail}`)
    .join('')
}
