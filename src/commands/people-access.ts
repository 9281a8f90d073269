import type { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { panProtection } from '../security/pan-protection.ts'
import { personalData } from '../security/personal-data.ts'
import { noteAudit } from '../store/audit-store.ts'
import { awaitCommand, type CommandState } from '../store/command-requests.ts'
import type { Client } from '../store/connection.ts'
import type { PeopleActor, PeopleDesk } from '../store/people-desk.ts'
import { inTransaction } from '../store/transaction.ts'
import { SECOND_MS } from '../time-units.ts'
import { nameOfTwo, systemActor } from './access-desk.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atOpenKeyDesk, authorOf } from './keys-desk.ts'
import { timeoutOption } from './number-option.ts'

/** Options of a command on people that a running switch carries out. */
export interface PeopleChangeOptions extends CommonOptions {
  readonly timeout: string
  readonly idempotencyKey?: string
}

/** Adds the options of a command that a running switch carries out. */
export function withChangeOptions(command: Command): Command {
  return withCommonOptions(command)
    .option('--timeout <seconds>', 'how long to wait for the switch', '15')
    .option('--idempotency-key <key>', 'the same command under the same key is carried out once')
}

/** Opens the database and the keys of an installation for work with people. */
export async function atPeopleDesk(
  io: CommandIo,
  options: CommonOptions,
  work: (desk: PeopleDesk & { readonly client: Client }) => Promise<void>,
): Promise<void> {
  await atOpenKeyDesk(io, options, async ({ client, ring, nowMs }) => {
    const now = () => nowMs
    await work({ client, personal: personalData(ring, now), pans: panProtection(ring, now), now })
  })
}

/** In whose name a change is asked for. */
export function peopleActor(io: CommandIo, { idempotencyKey }: PeopleChangeOptions): PeopleActor {
  const { user: name } = authorOf(io)
  return idempotencyKey === undefined ? { name } : { name, key: idempotencyKey }
}

/** Waits for a command, and says what came of it. @throws MizanError LINK_TIMEOUT, BAD_INPUT */
export async function sayOutcome(
  io: CommandIo,
  client: Client,
  asked: CommandState,
  options: PeopleChangeOptions,
  more: Readonly<Record<string, string | number>> = {},
): Promise<void> {
  const timeoutMs = timeoutOption(options.timeout)
  const onWaiting = (waitedMs: number) =>
    io.note(`command ${asked.id} waits for the switch, ${Math.round(waitedMs / SECOND_MS)} s\n`)
  const { end } = await awaitCommand(client, asked, { timeoutMs, onWaiting })
  if (end === undefined) {
    throw new MizanError('LINK_TIMEOUT', `command ${asked.id} stays in the inbox and is carried out once a switch runs`)
  }
  if (options.json) io.out(`${JSON.stringify({ command: asked.id, lane: asked.lane, ...more, ...end })}\n`)
  else io.out(`${end.outcome} [command ${asked.id}, journal ${end.journalId}]\n`)
  if (!end.done) process.exitCode = 1
}

/** Notes that someone looked at households, before anything of them is shown. */
export async function noteLook(
  io: CommandIo,
  client: Client,
  action: string,
  ...households: readonly number[]
): Promise<void> {
  const actor = systemActor(io)
  await noteAudit(client, { actor, source: 'local', requestId: '', action, outcome: 'looked', households })
}

/** What is asked for at the command line, for the audit. */
export interface AskedFor {
  /** Such as `household suspend`. */
  readonly action: string
  /** Absent = the one that the command opens. */
  readonly householdId?: number
  /** Who agreed, where it needs two. */
  readonly second?: string | undefined
}

/** Asks for a command and notes it, together: neither is there without the other, nor without the people it enters. */
export async function askNoted(
  io: CommandIo,
  client: Client,
  { action, householdId, second }: AskedFor,
  ask: () => Promise<CommandState>,
): Promise<CommandState> {
  return inTransaction(client, async () => {
    const asked = await ask()
    await noteAudit(client, {
      actor: systemActor(io),
      source: 'local',
      requestId: '',
      action,
      outcome: 'accepted',
      households: [householdId ?? Number(asked.detail.household)],
      detail: { command: `${asked.lane}-${asked.id}`, ...(second === undefined ? {} : { secondPerson: second }) },
    })
    return asked
  })
}

/** Who asks, with who agreed: stays with the change. */
export function actorOfTwo(actor: PeopleActor, second: string): PeopleActor {
  return { ...actor, name: nameOfTwo(actor.name, second) }
}

/** Number of a household on the command line. @throws MizanError BAD_INPUT */
export function householdNumber(text: string): number {
  if (/^[1-9]\d{0,10}$/.test(text)) return Number(text)
  throw new MizanError('BAD_INPUT', 'a household is named by its number, of up to 11 digits')
}

/** Text of a file as it was written: names and digits may be Arabic. */
export function textOf(io: CommandIo, file: string): string {
  return Buffer.from(io.readText(file), 'latin1').toString('utf8')
}
