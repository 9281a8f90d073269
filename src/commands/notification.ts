import { Command, Option } from 'commander'
import { MizanError } from '../errors.ts'
import { enqueueAt } from '../jobs/scheduler.ts'
import { compileTemplates } from '../notification/catalogue.ts'
import { digitStyles } from '../notification/numbers.ts'
import { languages } from '../notification/plural.ts'
import { renderMessage } from '../notification/render.ts'
import { deliveryStates } from '../store/notification-delivery.ts'
import { readPreference, savePreference } from '../store/notification-preference.ts'
import {
  findNotification,
  listNotifications,
  type NotificationRecord,
  parseDeliveryState,
  resendNotification,
} from '../store/notification-reader.ts'
import { changeNoted } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { authorOf } from './keys-desk.ts'
import { wholeNumber } from './number-option.ts'
import { noteLook } from './people-access.ts'

const LIMIT_MAX = 1_000

/** `mizan notification`: what households were told, and what became of it. */
export function notificationCommand(io: CommandIo = processIo): Command {
  return new Command('notification')
    .description('messages to households: what became of them, sending again, wishes of a household, templates')
    .addCommand(listCommand(io))
    .addCommand(showCommand(io))
    .addCommand(resendCommand(io))
    .addCommand(preferenceCommand(io))
    .addCommand(previewCommand(io))
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list')
    .description('list notifications, the newest first')
    .option('--household <id>', 'only of this household')
    .addOption(new Option('--state <state>', 'only in this state').choices(deliveryStates))
    .option('--before <id>', 'only older ones than this')
    .option('--limit <count>', 'how many', '20')
  return withCommonOptions(command).action(
    (options: CommonOptions & { household?: string; state?: string; before?: string; limit: string }) =>
      atDatabase(io, options, 'mizan notification', async ({ client }) => {
        const { household, state, before } = options
        const found = await listNotifications(client, {
          limit: wholeNumber(options.limit, '--limit', LIMIT_MAX),
          ...(household === undefined ? {} : { householdId: wholeNumber(household, '--household') }),
          ...(state === undefined ? {} : { state: parseDeliveryState(state) }),
          ...(before === undefined ? {} : { beforeId: wholeNumber(before, '--before') }),
        })
        await noteLook(io, client, 'notification list', ...new Set(found.map(({ householdId }) => householdId)))
        if (options.json) io.out(`${JSON.stringify(found)}\n`)
        else for (const one of found) io.out(`${lineOf(one)}\n`)
      }),
  )
}

function showCommand(io: CommandIo): Command {
  const command = new Command('show').description('show what became of a notification').argument('<id>')
  return withCommonOptions(command).action((id: string, options: CommonOptions) =>
    atDatabase(io, options, 'mizan notification', async ({ client }) => {
      const found = await findNotification(client, wholeNumber(id, 'the id'))
      await noteLook(io, client, 'notification show', found.householdId)
      if (options.json) io.out(`${JSON.stringify(found)}\n`)
      else io.out(`${[lineOf(found), ...details(found)].join('\n')}\n`)
    }),
  )
}

function resendCommand(io: CommandIo): Command {
  const command = new Command('resend')
    .description('have a notification sent again, whatever became of it; the switch that runs jobs sends it')
    .argument('<id>')
  return withCommonOptions(command).action((text: string, options: CommonOptions) =>
    atDatabase(io, options, 'mizan notification', async ({ client, url }) => {
      const id = wholeNumber(text, 'the id')
      await changeNoted(io, client, { action: 'notification resend', detail: { notification: id } }, () =>
        resendNotification(client, id, Date.now(), enqueueAt(url)),
      )
      if (options.json) io.out(`${JSON.stringify({ id, state: 'waiting' })}\n`)
      else io.out(`notification ${id} waits to be sent again\n`)
    }),
  )
}

function preferenceCommand(io: CommandIo): Command {
  const command = new Command('preference')
    .description('show or change what a household wishes of notifications')
    .argument('<household>')
    .option('--opt-out <groups>', 'groups that it does not want, with commas between them; none = it wants all')
    .addOption(new Option('--language <language>', 'language of its messages').choices(languages))
    .addOption(new Option('--digits <digits>', 'digits of its Arabic messages').choices(digitStyles))
  return withCommonOptions(command).action(
    (text: string, options: CommonOptions & { optOut?: string; language?: 'ar' | 'en'; digits?: 'arab' | 'latn' }) =>
      atDatabase(io, options, 'mizan notification', async ({ client }) => {
        const household = wholeNumber(text, 'the household')
        const before = (await readPreference(client, household)) ?? { optOuts: [] }
        const { optOut, language, digits } = options
        const optOuts = optOut === undefined ? before.optOuts : optOut.split(',').filter((group) => group !== 'none')
        const wished = {
          ...before,
          optOuts,
          ...(language === undefined ? {} : { language }),
          ...(digits === undefined ? {} : { digits }),
        }
        const changes = [optOut, language, digits].some((option) => option !== undefined)
        if (changes) {
          await changeNoted(
            io,
            client,
            { action: 'notification preference', households: [household], detail: { ...wished } },
            () => savePreference(client, household, wished, compileTemplates().optOutGroups, authorOf(io).user),
          )
        } else await noteLook(io, client, 'notification preference', household)
        if (options.json) io.out(`${JSON.stringify({ household, ...wished })}\n`)
        else {
          const groups =
            wished.optOuts.length === 0 ? 'wants every group' : `does not want ${wished.optOuts.join(', ')}`
          const style = `language ${wished.language ?? 'as configured'}, digits ${wished.digits ?? 'as configured'}`
          io.out(`household ${household} ${groups}; ${style}\n`)
        }
      }),
  )
}

function previewCommand(io: CommandIo): Command {
  return new Command('preview')
    .description('write a message without sending it; without a template, list the templates')
    .argument('[template]')
    .option('--detail <json>', 'values of its fields; - reads them from standard input', '{}')
    .addOption(new Option('--language <language>', 'only in this language').choices(languages))
    .addOption(new Option('--digits <digits>', 'digits of the Arabic text').choices(digitStyles).default('arab'))
    .option('--json', 'print JSON', false)
    .action(
      (
        code: string | undefined,
        options: { detail: string; language?: 'ar' | 'en'; digits: 'arab' | 'latn'; json: boolean },
      ) => {
        const catalogue = compileTemplates()
        if (code === undefined) return listTemplates(io, options.json)
        const detail = readDetail(io, options.detail)
        const chosen = options.language === undefined ? languages : [options.language]
        const written = chosen.map((language) => {
          const digits = language === 'en' ? 'latn' : options.digits
          return { language, ...renderMessage(catalogue, code, detail, { language, digits }) }
        })
        if (options.json) io.out(`${JSON.stringify(written)}\n`)
        else
          for (const { language, text, length } of written) {
            io.out(`${text}\n  ${language}, ${length.units} characters ${length.encoding}, ${length.parts} SMS\n`)
          }
      },
    )
}

function listTemplates(io: CommandIo, json: boolean): void {
  const templates = [...compileTemplates().templates.values()].map(({ code, group, important, fields }) => ({
    template: code,
    group,
    important,
    fields: Object.fromEntries(
      [...fields].map(([name, { kind, optional }]) => [name, `${kind}${optional ? '?' : ''}`]),
    ),
  }))
  if (json) {
    io.out(`${JSON.stringify(templates)}\n`)
    return
  }
  for (const { template, group, fields } of templates) {
    const words = Object.entries(fields).map(([name, kind]) => `${name} ${kind}`)
    io.out(`${template.padEnd(24)} ${group.padEnd(12)} ${words.join(', ')}\n`)
  }
}

/** @throws MizanError BAD_INPUT */
function readDetail(io: CommandIo, given: string): Record<string, unknown> {
  let detail: unknown
  try {
    detail = JSON.parse(given === '-' ? Buffer.from(io.readText('-'), 'latin1').toString('utf8') : given)
  } catch (cause) {
    throw new MizanError('BAD_INPUT', '--detail must be JSON, such as {"card":"0012"}', { cause })
  }
  if (typeof detail !== 'object' || detail === null || Array.isArray(detail)) {
    throw new MizanError('BAD_INPUT', '--detail must be a JSON object')
  }
  return detail as Record<string, unknown>
}

function lineOf({ id, householdId, template, state, reason, createdAtMs }: NotificationRecord): string {
  const why = reason === undefined ? '' : ` (${reason})`
  return `${id}  ${new Date(createdAtMs).toISOString()}  household ${householdId}  ${template}  ${state}${why}`
}

function details(one: NotificationRecord): string[] {
  const time = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString())
  const facts = {
    'sendings that were begun': one.attempts === 0 ? undefined : one.attempts,
    'sent again by hand': one.resends === 0 ? undefined : one.resends,
    'next sending': time(one.nextAtMs),
    ended: time(one.endedAtMs),
    'SMS parts': one.parts,
    "provider's reference": one.providerReference,
    error: one.error,
  }
  return Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [`  ${name}: ${value}`]))
}
