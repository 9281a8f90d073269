import { Command, Option } from 'commander'
import { type CivilDate, formatDate } from '../calendar.ts'
import type { DayStepOutcome } from '../clearing/day/step.ts'
import { judgeAnswers } from '../clearing/delivery/acknowledge-step.ts'
import { deliverFiles } from '../clearing/delivery/deliver-step.ts'
import { resendFile } from '../clearing/delivery/resend.ts'
import { signAgain } from '../clearing/delivery/sign-again.ts'
import { protectFiles } from '../clearing/delivery/sign-step.ts'
import { MizanError } from '../errors.ts'
import {
  type Delivery,
  type DeliveryState,
  type DeliveryView,
  deliveryEvents,
  deliveryStates,
  listDeliveries,
} from '../store/clearing/deliver.ts'
import type { ClearingFile } from '../store/clearing/files.ts'
import type { Client } from '../store/connection.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import { atDelivery, commandWork, dateArgument, lastDate } from './clearing-desk.ts'
import { fileNamed } from './clearing-files.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'

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
    .option('--reason <text>', 'why; with --resend', keptText)
  return withCommonOptions(command).action((date: CivilDate | undefined, options: DeliverOptions) =>
    atDelivery(io, options, async (desk) => {
      const { client, config, delivery } = desk
      const { resend, reason } = options
      const asked = resend === undefined ? undefined : await askAgain(io, client, resend, reason)
      const work = commandWork(io, config, asked?.file.businessDate ?? date ?? lastDate(config))
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

interface ResendOptions extends CommonOptions {
  readonly reason: string
}

/** `mizan clearing resend`: the same bytes once more. */
export function clearingResendCommand(io: CommandIo = processIo): Command {
  const command = new Command('resend')
    .description('have a file delivered once more, the same bytes; a correction is a file with the next number')
    .argument('<name>', 'name of a file of the register')
    .requiredOption('--reason <text>', 'why; it stays in the history', keptText)
  return withCommonOptions(command).action((name: string, options: ResendOptions) =>
    atDelivery(io, options, async ({ client }) => {
      const { file, delivery } = await askAgain(io, client, name, options.reason)
      const date = formatDate(file.businessDate)
      if (options.json)
        io.out(`${JSON.stringify({ name, businessDate: date, deliveries: 1, deliveryId: delivery.id })}\n`)
      else io.out(`${name} goes out once more within minutes; mizan clearing deliver ${date} does so now\n`)
    }),
  )
}

/** `mizan clearing sign-again`: another signature for a file whose key was ended before it went out. */
export function clearingSignAgainCommand(io: CommandIo = processIo): Command {
  const command = new Command('sign-again')
    .description(
      'sign a file that waits to go out with the key in use, the same bytes; its own key was revoked or retired',
    )
    .argument('<name>', 'name of a file of the register')
    .requiredOption('--reason <text>', 'why; it stays in the history', keptText)
  return withCommonOptions(command).action((name: string, options: ResendOptions) =>
    atDelivery(io, options, async ({ client, delivery }) => {
      const { id, businessDate } = await fileNamed(client, name)
      const { reason } = options
      const by = { actor: systemActor(io), reason, nowMs: Date.now() }
      const signed = await signAgain(client, delivery, id, by)
      await changeNoted(
        io,
        client,
        { action: 'clearing sign-again', detail: { file: name, reason } },
        async () => signed,
      )
      if (options.json) io.out(`${JSON.stringify(signed)}\n`)
      else {
        io.out(`${name} is signed with key ${signed.now} in place of key ${signed.before}\n`)
        io.out(`mizan clearing deliver ${formatDate(businessDate)} brings it to its receiver\n`)
      }
    }),
  )
}

/** Asks for a file to be sent once more, and notes who did. */
async function askAgain(
  io: CommandIo,
  client: Client,
  name: string,
  reason = '',
): Promise<{ readonly file: ClearingFile; readonly delivery: Delivery }> {
  if (reason.trim() === '') throw new MizanError('BAD_INPUT', 'sending a file again needs a --reason')
  const file = await fileNamed(client, name)
  const by = { actor: systemActor(io), reason, nowMs: Date.now() }
  const delivery = await changeNoted(io, client, { action: 'clearing resend', detail: { file: name, reason } }, () =>
    resendFile(client, file.id, by),
  )
  return { file, delivery }
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
      const file = name === undefined ? undefined : await fileNamed(client, name)
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
      else
        for (const one of views)
          io.out(`${lineOf(one)}${'events' in one ? signedBy(one) + eventsOf(one.events) : ''}\n`)
      if (views.length === 0 && !options.json) io.out('nothing was on its way\n')
    }),
  )
}

function lineOf({ name, destination, state, attempts, error, answer, answerReason, acknowledgeByMs }: DeliveryView) {
  const waits = acknowledgeByMs === undefined ? '' : `, answer until ${new Date(acknowledgeByMs).toISOString()}`
  const said = answer === undefined ? waits : `, ${answer}${answerReason === undefined ? '' : `: ${answerReason}`}`
  return `${name}  to ${destination}  ${state} after ${attempts} attempt(s)${error === undefined ? said : `: ${error}`}`
}

function signedBy({ signedBy: fingerprint }: DeliveryView): string {
  return fingerprint === undefined ? '' : `\n  signed by our certificate ${fingerprint}`
}

function eventsOf(events: Awaited<ReturnType<typeof deliveryEvents>>): string {
  return events
    .map(({ atMs, event, actor, detail }) => `\n  ${new Date(atMs).toISOString()}  ${event}  by ${actor}  ${detail}`)
    .join('')
}
