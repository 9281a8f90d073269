import { Command } from 'commander'
import { civilDate, formatDate } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { Role } from '../store/access-users.ts'
import { noteAudit } from '../store/audit-store.ts'
import { cancelInstruction, liftSuspension } from '../store/clearing/settlement-outcomes.ts'
import { readRunFiles, releaseInstructions, requireReleasable } from '../store/clearing/settlement-release.ts'
import type { Client } from '../store/connection.ts'
import { findOutlet } from '../store/outlet-store.ts'
import { inTransaction } from '../store/transaction.ts'
import { systemActor } from './access-desk.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { logInSecondPerson } from './second-person.ts'
import { type CycleOptions, runKey, withCycle } from './settlement-options.ts'

/** Who may agree to what moves money. */
const SETTLERS: readonly Role[] = ['settlement']
const NAME = 'mizan settlement'
const ACTOR_MAX = 64

/** What two people do together at a command: who asked, who agreed, and both as they stand in a history. */
export interface TwoPeople {
  readonly maker: string
  readonly checker: string
  readonly actor: string
}

/**
 * Has a second person log in, makes the change and notes it in the audit, together.
 * @param action as it stands in the audit
 */
export async function withSecondPerson<T>(
  io: CommandIo,
  client: Client,
  event: { readonly action: string; readonly detail: Readonly<Record<string, unknown>> },
  work: (people: TwoPeople) => Promise<T>,
): Promise<T> {
  const maker = systemActor(io)
  const checker = await logInSecondPerson(io, client, {
    prompt: 'user who agrees',
    roles: SETTLERS,
    what: 'settlement',
  })
  const actor = `${maker} + ${checker}`.slice(0, ACTOR_MAX)
  return inTransaction(client, async () => {
    const result = await work({ maker, checker, actor })
    await noteAudit(client, { ...event, actor, source: 'local', requestId: '', outcome: 'done' })
    return result
  })
}

/** Commands by which two people release, cancel, hold and resume payments. */
export function settlementChangeCommands(io: CommandIo): Command[] {
  return [
    releaseCommand(io),
    cancelCommand(io, 'cancel', 'take an instruction back before its file is released: a later run pays again'),
    cancelCommand(io, 'hold', 'the same, and stop the payouts of the outlet until "mizan settlement resume"'),
    resumeCommand(io),
  ]
}

function releaseCommand(io: CommandIo): Command {
  const command = new Command('release')
    .description('let the payment instructions of a run go to the banks; a second person logs in')
    .argument('<date>', 'business date, yyyy-mm-dd')
  return withCycle(command).action((date: string, options: CycleOptions) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const key = runKey(date, options)
      const found = await readRunFiles(client, key)
      requireReleasable(found)
      for (const { name, items, state } of found.files) io.note(`${name}: ${items} payment(s), ${state}\n`)
      const { valueDate } = found.run
      if (valueDate < civilDate(Date.now())) {
        io.note(
          `the value date ${formatDate(valueDate)} is over: ask the banks whether they pay on the day they get it\n`,
        )
      }
      const detail = { date: formatDate(key.businessDate), cycle: key.cycle, digest: found.digest }
      const released = await withSecondPerson(io, client, { action: 'settlement release', detail }, (people) =>
        releaseInstructions(client, key, found.digest, people),
      )
      const names = released.map(({ name }) => name)
      if (options.json) io.out(`${JSON.stringify({ ...detail, released: names })}\n`)
      else io.out(`${names.length} file(s) of ${date} are released\n`)
    }),
  )
}

function cancelCommand(io: CommandIo, how: 'cancel' | 'hold', description: string): Command {
  const command = new Command(how)
    .description(`${description}; a second person logs in`)
    .argument('<id>', 'EndToEndId of the instruction')
    .requiredOption('--reason <text>', 'why; it stays in the history', keptText)
  return withCommonOptions(command).action((id: string, options: CommonOptions & { readonly reason: string }) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const { reason } = options
      const detail = { instruction: id, reason }
      const done = await withSecondPerson(io, client, { action: `settlement ${how}`, detail }, ({ actor }) =>
        cancelInstruction(client, id, { how, actor, reason }),
      )
      const date = formatDate(done.businessDate)
      if (options.json) io.out(`${JSON.stringify({ endToEndId: id, state: done.state })}\n`)
      else {
        io.out(`${id} is cancelled; the file of the others is written anew by mizan settlement run ${date},\n`)
        io.out(`signed by mizan clearing deliver ${date}, and released again by two people\n`)
      }
    }),
  )
}

function resumeCommand(io: CommandIo): Command {
  const command = new Command('resume')
    .description('pay an outlet again whose payouts are stopped; a second person logs in')
    .argument('<acceptor>', 'acceptor of the outlet (DE42)')
    .requiredOption('--reason <text>', 'why; it stays in the audit', keptText)
  return withCommonOptions(command).action((acceptor: string, options: CommonOptions & { readonly reason: string }) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      const outlet = await findOutlet(client, acceptor)
      if (options.reason.trim() === '') throw new MizanError('BAD_INPUT', 'a reason has words')
      const detail = { acceptor, reason: options.reason }
      await withSecondPerson(io, client, { action: 'settlement resume', detail }, ({ actor }) =>
        liftSuspension(client, outlet.id, { actor }),
      )
      if (options.json) io.out(`${JSON.stringify({ acceptor, resumed: true })}\n`)
      else io.out(`outlet ${acceptor} is paid again from the next run on\n`)
    }),
  )
}
