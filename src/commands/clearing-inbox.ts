import { Command } from 'commander'
import { fetchFiles, polledInWords } from '../clearing/delivery/fetch-run.ts'
import { panProtection } from '../security/pan-protection.ts'
import { listFetches } from '../store/clearing/deliver-fetch.ts'
import { deliveryOptions, fileReceivers } from '../switch-delivery.ts'
import { atDelivery, commandWork, lastDate } from './clearing-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atOpenKeyDesk } from './keys-desk.ts'

const LIMIT = 200

/** `mizan clearing inbox`: fetches files of partners now, or lists what was fetched. */
export function clearingInboxCommand(io: CommandIo = processIo): Command {
  const command = new Command('inbox')
    .description(
      'fetch what partners have for us, open and verify it, and hand it on; a running switch does so by itself',
    )
    .option('--list', 'only list what was found, the newest first, with the reason of each refusal', false)
  return withCommonOptions(command).action((options: CommonOptions & { list: boolean }) =>
    options.list ? list(io, options) : fetch(io, options),
  )
}

function fetch(io: CommandIo, options: CommonOptions): Promise<void> {
  return atOpenKeyDesk(io, options, async ({ config, url, ring }) => {
    const delivery = deliveryOptions(config)
    const work = commandWork(io, config, lastDate(config))
    const pans = panProtection(ring, work.nowMs)
    const tools = { config, url, nowMs: work.nowMs, panIndexOf: (pan: string) => pans.index(pan) }
    const { polled } = await fetchFiles(url, delivery, fileReceivers(delivery, tools), work)
    if (options.json) io.out(`${JSON.stringify(polled ?? null)}\n`)
    else io.out(`${polledInWords(polled)}\n`)
    if (polled === undefined || polled.failed > 0) process.exitCode = 1
  })
}

function list(io: CommandIo, options: CommonOptions): Promise<void> {
  return atDelivery(io, options, async ({ client }) => {
    const found = (await listFetches(client, { limit: LIMIT })).map(({ sha256, clearSha256, ...one }) => ({
      ...one,
      sha256: sha256?.toString('hex'),
      clearSha256: clearSha256?.toString('hex'),
    }))
    if (options.json) io.out(`${JSON.stringify(found)}\n`)
    else if (found.length === 0) io.out('nothing was ever found\n')
    else
      for (const { atMs, source, name, state, reason, words } of found) {
        const why = [reason, words].filter((part) => part !== undefined).join(': ')
        io.out(`${new Date(atMs).toISOString()}  ${source}  ${name}  ${state}${why === '' ? '' : `  ${why}`}\n`)
      }
  })
}
