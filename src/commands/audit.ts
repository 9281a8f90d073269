import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { verifyAudit } from '../store/audit-chain.ts'
import { type AuditFilter, listAudit, noteAudit, type StoredAuditEvent } from '../store/audit-store.ts'
import { atAccess, systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'

interface ListOptions extends CommonOptions {
  readonly household?: string
  readonly actor?: string
  readonly action?: string
  readonly from?: string
  readonly to?: string
  readonly limit: string
}

const LIMIT_MAX = 10_000
const PROGRESS_EVENTS = 100_000

/** `mizan audit`: what was done and looked at through the API and the command line. */
export function auditCommand(io: CommandIo = processIo): Command {
  return new Command('audit')
    .description('what was done and looked at, by whom; and whether none of it was changed')
    .addCommand(listCommand(io))
    .addCommand(verifyCommand(io))
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list')
    .description('list events, the newest first; looking is noted too')
    .option('--household <id>', 'only what concerns this household')
    .option('--actor <actor>', 'only what this one did: user:NAME, key:ID, system:USER')
    .option('--action <action>', 'only this action, such as "GET /households/{householdId}"')
    .option('--from <instant>', 'from this instant on (ISO 8601)')
    .option('--to <instant>', 'before this instant (ISO 8601)')
    .option('--limit <count>', 'how many at most', '100')
  return withCommonOptions(command).action((options: ListOptions) => {
    const filter = filterOf(options)
    return atAccess(io, options, async ({ client }) => {
      const events = await listAudit(client, filter)
      await noteAudit(client, {
        actor: systemActor(io),
        source: 'local',
        requestId: '',
        action: 'audit list',
        outcome: 'looked',
        ...(filter.householdId === undefined ? {} : { households: [filter.householdId] }),
      })
      if (options.json) io.out(`${JSON.stringify(events)}\n`)
      for (const event of options.json ? [] : events) io.out(`${lineOf(event)}\n`)
    })
  })
}

/** @throws MizanError BAD_INPUT */
function filterOf({ household, actor, action, from, to, limit }: ListOptions): AuditFilter {
  const count = Number(limit)
  if (!/^\d{1,5}$/.test(limit) || count < 1 || count > LIMIT_MAX) {
    throw new MizanError('BAD_INPUT', `--limit is 1 to ${LIMIT_MAX}`)
  }
  if (household !== undefined && !/^\d{1,11}$/.test(household)) {
    throw new MizanError('BAD_INPUT', '--household is the number of a household')
  }
  return {
    limit: count,
    ...(household === undefined ? {} : { householdId: Number(household) }),
    ...(actor === undefined ? {} : { actor }),
    ...(action === undefined ? {} : { action }),
    ...(from === undefined ? {} : { fromMs: instantOf(from, '--from') }),
    ...(to === undefined ? {} : { toMs: instantOf(to, '--to') }),
  }
}

function instantOf(text: string, option: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw new MizanError('BAD_INPUT', `${option} is an instant such as 2026-11-11T12:00:00+02:00`)
  return ms
}

function lineOf({ id, atMs, actor, source, action, outcome, households, detail }: StoredAuditEvent): string {
  const whom = households.length === 0 ? '' : `  household ${households.join(', ')}`
  const more = Object.keys(detail).length === 0 ? '' : `  ${JSON.stringify(detail)}`
  return `${id}  ${new Date(atMs).toISOString()}  ${actor} (${source})  ${outcome}  ${action}${whom}${more}`
}

function verifyCommand(io: CommandIo): Command {
  const command = new Command('verify').description(
    'compute the hashes of all events again; exit status 1 when one was changed, taken out, put in or cut off',
  )
  return withCommonOptions(command).action((options: CommonOptions) =>
    atAccess(io, options, async ({ client }) => {
      let said = 0
      const found = await verifyAudit(client, (events) => {
        if (events < said + PROGRESS_EVENTS) return
        said = events
        io.note(`${events} events\n`)
      })
      const words = found.ok ? `the audit is whole: ${found.events} events` : `the audit is broken: ${found.detail}`
      io.out(options.json ? `${JSON.stringify(found)}\n` : `${words}\n`)
      if (!found.ok) process.exitCode = 1
    }),
  )
}
