import { Command, Option } from 'commander'
import type { CardStatus } from '../card/household.ts'
import { MizanError } from '../errors.ts'
import { isLuhnValid } from '../identifiers.ts'
import { panProtection } from '../security/pan-protection.ts'
import { type CardDetails, type CardKey, findCard } from '../store/card-reader.ts'
import {
  awaitCommand,
  type CommandState,
  commandsOfCard,
  type NewCommand,
  requestCommand,
} from '../store/command-requests.ts'
import type { Client } from '../store/connection.ts'
import { SECOND_MS } from '../time-units.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { atKeyDesk, atOpenKeyDesk, authorOf } from './keys-desk.ts'
import { timeoutOption } from './number-option.ts'
import { askNoted, noteLook } from './people-access.ts'

interface CardOptions {
  readonly config?: string
  readonly json: boolean
  readonly panStdin: boolean
  readonly household?: string
}

interface ChangeOptions extends CardOptions {
  readonly timeout: string
  readonly idempotencyKey?: string
}

const HISTORY = 10
/** A card number, also as it is printed in groups. */
const PAN_LIKE = /(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)/
const MASKED_PAN = /^\d{6}\*{3,9}\d{4}$/
/** What a card may be made by `mizan card block`. */
const BLOCKED: readonly CardStatus[] = ['restricted', 'lost', 'stolen', 'closed']

/** `mizan card`: looks at a card, and has the switch change it. */
export function cardCommand(io: CommandIo = processIo): Command {
  return new Command('card')
    .description('look at a card, reset its PIN tries, block and unblock it; a running switch carries it out')
    .addCommand(showCommand(io))
    .addCommand(pinResetCommand(io))
    .addCommand(blockCommand(io))
    .addCommand(unblockCommand(io))
}

function showCommand(io: CommandIo): Command {
  const command = new Command('show').description(
    'show a card, its number masked, and the last commands for it; the audit notes who looked',
  )
  return named(command).action((card: string | undefined, options: CardOptions) =>
    atCard(io, card, options, async (client, found) => {
      await noteLook(io, client, 'card show', found.householdId)
      const commands = await commandsOfCard(client, found.id, HISTORY)
      if (options.json) io.out(`${JSON.stringify({ ...found, commands })}\n`)
      else io.out(`${[...cardLines(found), ...commands.map(commandLine)].join('\n')}\n`)
    }),
  )
}

function pinResetCommand(io: CommandIo): Command {
  const command = new Command('pin-reset').description(
    'forget wrong PINs; the chip is told with its next approval online (issuer script PIN UNBLOCK)',
  )
  return changing(command).action((card: string | undefined, options: ChangeOptions) =>
    change(io, card, options, 'pin-reset', { kind: 'pin-reset' }),
  )
}

function blockCommand(io: CommandIo): Command {
  const command = new Command('block')
    .description('stop a card; lost, stolen and closed are for good')
    .addOption(new Option('--as <status>', 'what the card becomes').choices(BLOCKED).default('restricted'))
    .requiredOption('--reason <text>', 'why; it stays in the journal')
  return changing(command).action(
    (card: string | undefined, options: ChangeOptions & { readonly as: CardStatus; readonly reason: string }) =>
      change(io, card, options, 'block', statusCommand(options.as, options.reason)),
  )
}

function unblockCommand(io: CommandIo): Command {
  const command = new Command('unblock')
    .description('make a restricted or newly issued card active')
    .requiredOption('--reason <text>', 'why; it stays in the journal')
  return changing(command).action((card: string | undefined, options: ChangeOptions & { readonly reason: string }) =>
    change(io, card, options, 'unblock', statusCommand('active', options.reason)),
  )
}

function statusCommand(status: CardStatus, reason: string): Pick<NewCommand, 'kind' | 'detail'> {
  refusePan(reason, 'the reason')
  return { kind: 'card-status', detail: { status, reason } }
}

function refusePan(text: string, what: string): void {
  if (PAN_LIKE.test(text)) throw new MizanError('BAD_INPUT', `${what} holds what looks like a card number`)
}

function named(command: Command): Command {
  return command
    .argument('[card]', 'id of the card, or its masked number (400000******0012) with --household; never its number')
    .option('--pan-stdin', 'read the card number from standard input', false)
    .option('--household <id>', 'household of a card that is given by its masked number')
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--json', 'print a JSON object', false)
}

function changing(command: Command): Command {
  return named(command)
    .option('--timeout <seconds>', 'how long to wait for the switch', '15')
    .option('--idempotency-key <key>', 'the same command under the same key is carried out once')
}

/** Asks the switch for a change, and waits for what comes of it. */
async function change(
  io: CommandIo,
  card: string | undefined,
  options: ChangeOptions,
  name: string,
  wanted: Pick<NewCommand, 'kind' | 'detail'>,
): Promise<void> {
  const timeoutMs = timeoutOption(options.timeout)
  const { idempotencyKey } = options
  if (idempotencyKey !== undefined) refusePan(idempotencyKey, 'the idempotency key')
  await atCard(io, card, options, async (client, { id: cardId, lane, householdId, panMasked }) => {
    const requestedBy = authorOf(io).user
    const lastFour = wanted.kind === 'card-status' ? { lastFour: panMasked.slice(-4) } : {}
    const asked = await askNoted(io, client, { action: `card ${name}`, householdId }, () =>
      requestCommand(client, {
        ...wanted,
        detail: { ...wanted.detail, ...lastFour },
        lane,
        cardId,
        householdId,
        requestedBy,
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      }),
    )
    const onWaiting = (waitedMs: number) =>
      io.note(`command ${asked.id} waits for the switch, ${Math.round(waitedMs / SECOND_MS)} s\n`)
    const state = await awaitCommand(client, asked, { timeoutMs, onWaiting })
    const { end } = state
    if (end === undefined) {
      const what = `command ${asked.id} stays in the inbox and is carried out once a switch runs`
      throw new MizanError('LINK_TIMEOUT', what)
    }
    if (options.json) io.out(`${JSON.stringify({ command: asked.id, card: cardId, lane, ...end })}\n`)
    else io.out(`card ${cardId} (${panMasked}): ${end.outcome} [command ${asked.id}, journal ${end.journalId}]\n`)
    if (!end.done) process.exitCode = 1
  })
}

/** Finds the card that the command line names, and does the work with it. */
async function atCard(
  io: CommandIo,
  card: string | undefined,
  options: CardOptions,
  work: (client: Client, card: CardDetails) => Promise<void>,
): Promise<void> {
  if (!options.panStdin) {
    const key = cardKey(card, options.household)
    await atKeyDesk(io, options, async ({ client }) => work(client, await findCard(client, key)))
    return
  }
  if (card !== undefined || options.household !== undefined) {
    throw new MizanError('BAD_INPUT', 'name the card once: by --pan-stdin, or by id, or by masked number and household')
  }
  const pan = await readPan(io)
  await atOpenKeyDesk(io, options, async ({ client, ring, nowMs }) => {
    const panIndex = panProtection(ring, () => nowMs).index(pan)
    await work(client, await findCard(client, { by: 'pan-index', panIndex }))
  })
}

/** @throws MizanError BAD_INPUT, without what was given: it may be a card number */
function cardKey(card: string | undefined, household: string | undefined): CardKey {
  if (card === undefined) throw new MizanError('BAD_INPUT', 'name the card by its id, or give --pan-stdin')
  if (PAN_LIKE.test(card)) {
    const why = 'others on this machine see command lines, and shells keep them'
    throw new MizanError('BAD_INPUT', `a card number never stands on a command line (${why}): give --pan-stdin`)
  }
  if (household === undefined && /^\d{1,12}$/.test(card)) return { by: 'id', cardId: Number(card) }
  if (household !== undefined && /^\d{1,11}$/.test(household) && MASKED_PAN.test(card)) {
    return { by: 'masked', panMasked: card, householdId: Number(household) }
  }
  throw new MizanError(
    'BAD_INPUT',
    'a card is named by its id, or by its masked number with --household, or --pan-stdin',
  )
}

async function readPan(io: CommandIo): Promise<string> {
  const input = io.openInput()
  try {
    const line = await input.askSecret('card number: ')
    const pan = line.toString('latin1').replaceAll(/[ -]/g, '')
    line.fill(0)
    if (!/^\d{13,19}$/.test(pan) || !isLuhnValid(pan)) {
      throw new MizanError('BAD_INPUT', 'standard input holds no card number: 13 to 19 digits with a right check digit')
    }
    return pan
  } finally {
    input.close()
  }
}

function cardLines(card: CardDetails): string[] {
  const pin = card.hasPin ? `${card.pinFailures} wrong PIN(s)` : 'no PIN'
  const script = card.scriptPending === undefined ? 'none' : `${card.scriptPending}, with the next approval online`
  return [
    `card ${card.id}  ${card.panMasked}  ${card.status}`,
    `  household ${card.householdId}, lane ${card.lane}; expires ${card.expiry} (YYMM), sequence number ${card.sequenceNumber}`,
    `  ${pin}; highest chip counter ${card.atc}; script that waits: ${script}`,
  ]
}

function commandLine({ id, kind, requestedBy, requestedAtMs, end }: CommandState): string {
  const at = new Date(requestedAtMs).toISOString()
  return `  command ${id} ${kind} by ${requestedBy} at ${at}: ${end?.outcome ?? 'waits'}`
}
