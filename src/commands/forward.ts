import { Command, Option } from 'commander'
import { forwardKinds } from '../authorization/forward.ts'
import { MizanError } from '../errors.ts'
import { requireAccessTables } from '../store/access-users.ts'
import {
  dropOutbound,
  listOutbound,
  movesMoney,
  type OutboundAuthor,
  type OutboundEvent,
  type OutboundRecord,
  readOutbound,
  refuseAlone,
  requireOpen,
  resendOutbound,
} from '../store/outbound-desk.ts'
import { outboundStates } from '../store/outbound-message.ts'
import { readDestinations } from '../store/outbound-queue.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase, type DatabaseDesk } from './database-desk.ts'
import { wholeNumber } from './number-option.ts'
import { logInSecondPerson } from './second-person.ts'

const LIMIT_MAX = 1_000

/** `mizan forward`: the messages that Mizan itself sends, and what became of them. */
export function forwardCommand(io: CommandIo = processIo): Command {
  return new Command('forward')
    .description('messages that Mizan itself sends: advices, reversals, keys, cutover; see docs/forwarding.md')
    .addCommand(listCommand(io))
    .addCommand(showCommand(io))
    .addCommand(resendCommand(io))
    .addCommand(dropCommand(io))
    .addCommand(statusCommand(io))
}

function atQueue(io: CommandIo, options: CommonOptions, work: (desk: DatabaseDesk) => Promise<void>): Promise<void> {
  return atDatabase(io, options, 'mizan forward', work)
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list')
    .description('list queued messages, the newest first')
    .option('--destination <link>', 'only those for this outbound link')
    .addOption(new Option('--state <state>', 'only in this state').choices(outboundStates))
    .addOption(new Option('--kind <kind>', 'only of this kind').choices(forwardKinds))
    .option('--authorization <id>', 'only those that this authorization caused')
    .option('--before <id>', 'only older ones than this')
    .option('--limit <count>', 'how many', '20')
  type Options = CommonOptions & {
    destination?: string
    state?: OutboundRecord['state']
    kind?: OutboundRecord['kind']
    authorization?: string
    before?: string
    limit: string
  }
  return withCommonOptions(command).action((options: Options) =>
    atQueue(io, options, async ({ client }) => {
      const { destination, state, kind, authorization, before } = options
      const found = await listOutbound(client, {
        limit: wholeNumber(options.limit, '--limit', LIMIT_MAX),
        ...(destination === undefined ? {} : { destination }),
        ...(state === undefined ? {} : { state }),
        ...(kind === undefined ? {} : { kind }),
        ...(authorization === undefined ? {} : { authorizationId: wholeNumber(authorization, '--authorization') }),
        ...(before === undefined ? {} : { beforeId: wholeNumber(before, '--before') }),
      })
      if (options.json) io.out(`${JSON.stringify(found)}\n`)
      else for (const one of found) io.out(`${lineOf(one)}\n`)
    }),
  )
}

function showCommand(io: CommandIo): Command {
  const command = new Command('show').description('show a message and all that happened to it').argument('<id>')
  return withCommonOptions(command).action((id: string, options: CommonOptions) =>
    atQueue(io, options, async ({ client }) => {
      const { message, events } = await readOutbound(client, wholeNumber(id, 'the id'))
      if (options.json) io.out(`${JSON.stringify({ ...message, events })}\n`)
      else io.out(`${[lineOf(message), ...details(message), ...events.map(eventLine)].join('\n')}\n`)
    }),
  )
}

function resendCommand(io: CommandIo): Command {
  const command = new Command('resend')
    .description('send a dead letter again, or one that waits at once; where it moves money, a second person logs in')
    .argument('<id>')
    .option('--reason <text>', 'why', keptText, 'sent again by hand')
  return withCommonOptions(command).action((text: string, options: CommonOptions & { reason: string }) =>
    seenTo(io, text, options, 'resend', (client, id, by) => resendOutbound(client, id, by)),
  )
}

function dropCommand(io: CommandIo): Command {
  const command = new Command('drop')
    .description('never send a message; where it moves money, a second person logs in')
    .argument('<id>')
    .requiredOption('--reason <text>', 'why, and what was done in its place', keptText)
  return withCommonOptions(command).action((text: string, options: CommonOptions & { reason: string }) =>
    seenTo(io, text, options, 'drop', (client, id, by) => dropOutbound(client, id, by)),
  )
}

async function seenTo(
  io: CommandIo,
  text: string,
  options: CommonOptions & { readonly reason: string },
  what: 'resend' | 'drop',
  work: (client: DatabaseDesk['client'], id: number, by: OutboundAuthor) => Promise<OutboundRecord['state']>,
): Promise<void> {
  const id = wholeNumber(text, 'the id')
  const { reason } = options
  if (reason.trim() === '') throw new MizanError('BAD_INPUT', '--reason must say something')
  await atQueue(io, options, async ({ client }) => {
    await requireAccessTables(client)
    const { message } = await readOutbound(client, id)
    requireOpen(message)
    // To send again what waits anyway takes nothing from anybody.
    const needsTwo = movesMoney(message) && !(what === 'resend' && message.state === 'waiting')
    const second = needsTwo
      ? await logInSecondPerson(io, client, {
          prompt: 'second person, who agrees',
          roles: ['operator', 'settlement'],
          what: `to ${what} what moves money`,
        })
      : undefined
    const actor = second === undefined ? systemActor(io) : `${systemActor(io)} + ${second}`
    const detail = { message: id, destination: message.destination, kind: message.kind, reason, second: second ?? null }
    await changeNoted(io, client, { action: `forward ${what}`, detail }, async () => {
      const before = await work(client, id, { actor, reason, nowMs: Date.now() })
      if (second === undefined) refuseAlone(message, before)
    })
    const state = what === 'resend' ? 'waiting' : 'dropped'
    if (options.json) io.out(`${JSON.stringify({ id, state })}\n`)
    else io.out(what === 'resend' ? `message ${id} waits to be sent again\n` : `message ${id} is dropped\n`)
  })
}

function statusCommand(io: CommandIo): Command {
  const command = new Command('status').description('show each destination: what waits, for how long, what is dead')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atQueue(io, options, async ({ client, config }) => {
      const links = new Set(config.outbound.map(({ name }) => name))
      const nowMs = Date.now()
      const found = (await readDestinations(client)).map(({ oldestAtMs, ...state }) => ({
        ...state,
        oldestSeconds: oldestAtMs === undefined ? undefined : Math.round((nowMs - oldestAtMs) / 1_000),
        hasLink: links.has(state.destination),
      }))
      if (options.json) {
        io.out(`${JSON.stringify(found)}\n`)
        return
      }
      if (found.length === 0) io.out('nothing was ever queued\n')
      for (const { destination, waiting, dead, oldestSeconds, owner, hasLink } of found) {
        const oldest = oldestSeconds === undefined ? '' : ` (the oldest for ${oldestSeconds} s)`
        const who = owner === undefined ? 'nobody sends now' : `sent by ${owner}`
        const link = hasLink ? '' : '; the configuration has no outbound link of this name'
        io.out(`${destination}: ${waiting} waiting${oldest}, ${dead} dead; ${who}${link}\n`)
      }
    }),
  )
}

const time = (ms: number) => new Date(ms).toISOString()

function lineOf(one: OutboundRecord): string {
  const code = one.responseCode === undefined ? '' : ` (${one.responseCode})`
  const what = `${one.kind} ${one.mti} STAN ${one.stan}`
  return `${one.id}  ${time(one.createdAtMs)}  ${one.destination}  ${what}  ${one.state}${code}`
}

function details(one: OutboundRecord): string[] {
  const facts = {
    'date and time (DE7)': one.transmission,
    card: one.panMasked,
    authorization: one.authorizationId,
    about: one.subject,
    'queued by': one.queuedBy,
    fields: Object.entries(one.fields)
      .map(([de, value]) => `${de}=${value}`)
      .join(' '),
    'sendings that were begun': one.attempts,
    'next sending': one.state === 'waiting' ? time(one.nextAtMs) : undefined,
    ended: one.endedAtMs === undefined ? undefined : time(one.endedAtMs),
    why: one.error,
  }
  return Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [`  ${name}: ${value}`]))
}

function eventLine({ atMs, attempt, event, mti, responseCode, detail, actor }: OutboundEvent): string {
  const parts = [mti, responseCode === undefined ? undefined : `answered ${responseCode}`, detail]
  const words = parts.filter((part) => part !== undefined).join(', ')
  return `  ${time(atMs)}  ${attempt}  ${event}${words === '' ? '' : `: ${words}`}  by ${actor}`
}
