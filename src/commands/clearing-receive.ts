import { Command, Option } from 'commander'
import { receiveFolder } from '../clearing/incoming/folder.ts'
import { type Received, receiveNetworkFile } from '../clearing/incoming/receive.ts'
import { formatPiasters } from '../money.ts'
import { panProtection } from '../security/pan-protection.ts'
import { type ListedItem, listNetworkItems } from '../store/clearing/network-desk.ts'
import { type NetworkItemState, networkItemStates } from '../store/clearing/network-items.ts'
import { folderContext, networkFolder } from '../switch-network-clearing.ts'
import { systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { atOpenKeyDesk, type OpenKeyDesk } from './keys-desk.ts'
import { progressLine } from './load-progress.ts'
import { wholeNumber } from './number-option.ts'

const LIMIT_MAX = 1_000

/** `mizan clearing receive`: takes files of the card network; a running switch posts what they bring. */
export function clearingReceiveCommand(io: CommandIo = processIo): Command {
  const command = new Command('receive')
    .description('receive a clearing file of the card network, or all that wait in clearing/in; a running switch posts')
    .argument('[file]', 'a file in the clear; absent = those that wait in the clearing folder')
  return withCommonOptions(command).action((file: string | undefined, options: CommonOptions) =>
    atOpenKeyDesk(io, options, async (desk) => {
      const context = contextOf(io, desk)
      if (file !== undefined) {
        say(io, options, await receiveNetworkFile(file, context))
        return
      }
      let [done, refused] = [0, 0]
      for await (const outcome of receiveFolder(networkFolder(desk.config), context)) {
        if ('received' in outcome) {
          done++
          say(io, options, outcome.received)
        } else {
          refused++
          const { refusal, message } = outcome.refused
          if (options.json) io.out(`${JSON.stringify({ name: outcome.name, refused: refusal, reason: message })}\n`)
          else io.out(`${outcome.name} refused (${refusal}): ${message}\n`)
        }
      }
      if (done + refused === 0 && !options.json) io.out('no file of the network waits\n')
      if (refused > 0) process.exitCode = 1
    }),
  )
}

function contextOf(io: CommandIo, { config, client, ring, nowMs }: OpenKeyDesk) {
  const pans = panProtection(ring, () => nowMs)
  const progress = progressLine(io, 'transactions')
  return folderContext(config, {
    client,
    nowMs,
    actor: systemActor(io),
    panIndexOf: (pan) => pans.index(pan),
    onProgress: (done, total) => progress(done, total === 0 ? 1 : done / total),
  })
}

function say(
  io: CommandIo,
  { json }: CommonOptions,
  { file, transactions, grossPiasters, totals, resumed }: Received,
): void {
  if (json) {
    const states = Object.fromEntries(
      totals.map(({ state, items, piasters }) => [state, { items, piasters: String(piasters) }]),
    )
    const { id, name } = file
    io.out(`${JSON.stringify({ id, name, transactions, grossPiasters: String(grossPiasters), states, resumed })}\n`)
    return
  }
  io.out(`${file.name} (file ${file.id})${resumed ? ', taken up again' : ''}: ${transactions} transactions\n`)
  for (const { state, items, piasters } of totals) {
    io.out(`  ${state.padEnd(10)}${String(items).padStart(10)}  ${formatPiasters(piasters).padStart(18)} EGP\n`)
  }
  const open = totals.some(({ state }) => state === 'exception' || state === 'rejected')
  if (open) io.out(`mizan clearing items --file ${file.id} --state exception lists what is left to people\n`)
}

/** `mizan clearing items`: what the network presented, and what became of it. */
export function clearingItemsCommand(io: CommandIo = processIo): Command {
  const command = new Command('items')
    .description('list what the card network presented: how it was matched, and what became of it')
    .option('--file <id>', 'only those of this file')
    .addOption(new Option('--state <state>', 'only in this state').choices(networkItemStates))
    .option('--reason <name>', 'only for this reason, such as no-authorization')
    .option('--arn <number>', 'only with this acquirer reference number')
    .option('--limit <count>', 'how many', '50')
  type Options = CommonOptions & {
    file?: string
    state?: NetworkItemState
    reason?: string
    arn?: string
    limit: string
  }
  return withCommonOptions(command).action((options: Options) =>
    atDatabase(io, options, 'mizan clearing items', async ({ client }) => {
      const { file, state, reason, arn } = options
      const fileId = file === undefined ? undefined : wholeNumber(file, '--file')
      const found = await listNetworkItems(client, {
        fileId,
        state,
        reason,
        arn,
        limit: wholeNumber(options.limit, '--limit', LIMIT_MAX),
      })
      if (options.json) io.out(`${JSON.stringify(found)}\n`)
      else if (found.length === 0) io.out('there are no such items\n')
      else for (const one of found) io.out(`${lineOf(one)}\n`)
    }),
  )
}

function lineOf(one: ListedItem): string {
  const amount = `${formatPiasters(one.amountPiasters).padStart(14)} ${one.currency === '818' ? 'EGP' : one.currency}`
  const how = [one.outcome, one.rule, one.flags.join(' ')]
    .filter((part) => part !== undefined && part !== '')
    .join(', ')
  const why = one.reason === undefined ? '' : `: ${one.reason} (${one.detail ?? ''})`
  const place = `${one.fileId}:${one.number}`.padEnd(12)
  return `${place} ${one.transactionCode} ${one.arn.padEnd(23)} ${one.panMasked.padEnd(16)} ${amount}  ${one.state}${how === '' ? '' : ` (${how})`}${why}`
}
