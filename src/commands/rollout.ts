import { Command } from 'commander'
import type { Client } from '../store/connection.ts'
import { listProgrammes } from '../store/programme-reader.ts'
import { checkRollout, listRollout, type RolloutEntry, rolloutHistory, setRollout } from '../store/reference-rollout.ts'
import { nameOfTwo, notedAs, systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { todayText } from './outlet.ts'
import { logInSecondPerson } from './second-person.ts'

const HISTORY_MAX = 1_000

/** `mizan rollout`: where each service is live, and from when on; a running switch follows each change. */
export function rolloutCommand(io: CommandIo = processIo): Command {
  return new Command('rollout')
    .description('where each service is live and from when on, by governorate')
    .addCommand(listCommand(io))
    .addCommand(setCommand(io))
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list')
    .description('list services with their dates; a date may be in the future')
    .option('--history', 'every date that was ever set, the newest first', false)
    .option('--service <code>', 'only of this service')
  return withCommonOptions(command).action(
    (options: CommonOptions & { readonly history: boolean; readonly service?: string }) =>
      atDatabase(io, options, 'mizan rollout', async ({ client }) => {
        const { service, history, json } = options
        if (history) {
          const events = await rolloutHistory(client, {
            limit: HISTORY_MAX,
            ...(service === undefined ? {} : { service }),
          })
          if (json) io.out(`${JSON.stringify(events)}\n`)
          for (const { at, actor, reason, ...entry } of json ? [] : events) {
            io.out(`${line(entry)}  set at ${at.toISOString()} by ${actor}: ${reason}\n`)
          }
          return
        }
        const today = todayText()
        const entries = (await listRollout(client)).filter(
          (entry) => service === undefined || entry.service === service,
        )
        if (json) io.out(`${JSON.stringify(entries)}\n`)
        for (const entry of json ? [] : entries) io.out(`${line(entry)}${entry.liveFrom > today ? '  not yet' : ''}\n`)
      }),
  )
}

function setCommand(io: CommandIo): Command {
  const command = new Command('set')
    .description(
      'set the date from which a service is live in a governorate, agreed to by a second person; later than today takes it back until then',
    )
    .argument('<service>', 'code of a programme, such as bread')
    .argument('<governorate>', 'code of the governorate, such as PTS')
    .argument('<date>', 'first day, yyyy-mm-dd')
    .requiredOption('--reason <text>', 'why; it stays in the history', keptText)
  return withCommonOptions(command).action(
    (service: string, governorate: string, liveFrom: string, options: CommonOptions & { readonly reason: string }) =>
      atDatabase(io, options, 'mizan rollout', async ({ client }) => {
        const entry = { service, governorate, liveFrom }
        const changed = await setAgreed(io, client, entry, options.reason)
        if (options.json) io.out(`${JSON.stringify({ ...entry, changed })}\n`)
        else
          io.out(
            `${service} ${changed ? 'is' : 'was'} live in ${governorate} from ${liveFrom}${changed ? '' : ' already'}\n`,
          )
      }),
  )
}

/**
 * Sets a date once a second person has agreed to it: it opens or closes a service for everybody in a governorate. What
 * cannot be, and what is so already, is told before anybody has to log in.
 * @returns whether it is another date than before
 */
async function setAgreed(io: CommandIo, client: Client, entry: RolloutEntry, reason: string): Promise<boolean> {
  const services = await servicesOf(client)
  checkRollout(entry, services)
  const isSame = ({ service, governorate, liveFrom }: RolloutEntry) =>
    service === entry.service && governorate === entry.governorate && liveFrom === entry.liveFrom
  if ((await listRollout(client)).some(isSame)) return false
  const second = await logInSecondPerson(io, client, {
    ...{ prompt: 'second person who agrees', roles: ['operator'], what: 'agreeing to where a service is live' },
  })
  return setRollout(client, entry, { ...notedAs(nameOfTwo(systemActor(io), second)), reason, services })
}

/** Codes of the programmes that are published, and of what has a date already. */
async function servicesOf(client: Client): Promise<string[]> {
  const dated = (await listRollout(client)).map(({ service }) => service)
  const published = await listProgrammes(client, { state: 'published' })
  return [...new Set([...published.map(({ code }) => code), ...dated])].sort()
}

function line({ service, governorate, liveFrom }: { service: string; governorate: string; liveFrom: string }): string {
  return `${service.padEnd(14)}  ${governorate.padEnd(3)}  from ${liveFrom}`
}
