import { once } from 'node:events'
import { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters } from '../money.ts'
import { AccountHostSimulator } from '../simulator/account-host.ts'
import { readWorld } from '../simulator/demo-files.ts'
import { requireAccessTables } from '../store/access-users.ts'
import {
  type HostException,
  type HostTotals,
  listHostExceptions,
  readHostTotals,
  resolveHostException,
} from '../store/host-exceptions.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atDatabase } from './database-desk.ts'
import { numberOption } from './number-option.ts'

const LIMIT_MAX = 1_000
const PORT_MAX = 65_535
const NAME = 'mizan account-host'

/** `mizan account-host`: accounts that the Post's account host holds. */
export function accountHostCommand(io: CommandIo = processIo): Command {
  return new Command('account-host')
    .description('accounts at the Post’s account host: what waits for it, what it refused; see docs/account-host.md')
    .addCommand(statusCommand(io))
    .addCommand(exceptionsCommand(io))
    .addCommand(resolveCommand(io))
    .addCommand(simulateCommand(io))
}

function statusCommand(io: CommandIo): Command {
  const command = new Command('status').description('how things stand: accounts, advices that wait, money at risk')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atDatabase(io, options, NAME, async ({ client, config }) => {
      const totals = await readHostTotals(client)
      const link = config.accountHost?.link
      if (options.json) io.out(`${JSON.stringify({ link: link ?? null, ...totals })}\n`)
      else io.out(`${statusLines(link, totals).join('\n')}\n`)
    }),
  )
}

function statusLines(link: string | undefined, totals: HostTotals): string[] {
  const { households, openRequests, advicesWaiting, atRiskPiasters, exceptions, exceptionPiasters, duePiasters } =
    totals
  return [
    link === undefined ? 'no account host is configured' : `account host at the end of link ${link}`,
    `${households} household(s) have their account there`,
    `${openRequests} request(s) asked and not ended`,
    `${advicesWaiting} advice(s) wait for an answer; ${formatPiasters(atRiskPiasters)} EGP paid and not taken by it`,
    `${exceptions} exception(s) over ${formatPiasters(exceptionPiasters)} EGP to be resolved`,
    duePiasters <= 0
      ? `it owes ${formatPiasters(-duePiasters)} EGP, advices under way included`
      : `it is owed ${formatPiasters(duePiasters)} EGP, advices under way included`,
  ]
}

function exceptionsCommand(io: CommandIo): Command {
  const command = new Command('exceptions')
    .description('list what the host refused, or could not be told, the newest first')
    .option('--resolved', 'those that were resolved', false)
    .option('--before <id>', 'only older ones than this')
    .option('--limit <count>', 'how many', '20')
  return withCommonOptions(command).action(
    (options: CommonOptions & { resolved: boolean; before?: string; limit: string }) =>
      atDatabase(io, options, NAME, async ({ client }) => {
        const { resolved, before } = options
        const found = await listHostExceptions(client, {
          resolved,
          limit: numberOption(options.limit, '--limit', LIMIT_MAX),
          ...(before === undefined ? {} : { beforeId: numberOption(before, '--before') }),
        })
        if (options.json) io.out(`${JSON.stringify(found)}\n`)
        else for (const one of found) io.out(`${lineOf(one)}\n`)
      }),
  )
}

function lineOf(one: HostException): string {
  const { id, raisedAtMs, kind, direction, piasters, householdId, authorizationId, cause, responseCode } = one
  const what = direction === 'debit' ? 'not taken from' : 'not paid to'
  const why = responseCode === undefined ? cause : `${cause} (${responseCode})`
  const head = `${id}  ${new Date(raisedAtMs).toISOString()}  ${kind} of ${formatPiasters(piasters)} EGP ${what}`
  const end = one.resolvedBy === undefined ? '' : `; resolved by ${one.resolvedBy}: ${one.resolution ?? ''}`
  return `${head} the account of household ${householdId}, authorization ${authorizationId}: ${why}${end}`
}

function resolveCommand(io: CommandIo): Command {
  const command = new Command('resolve')
    .description('note how an exception was settled with the Post; nothing is posted')
    .argument('<id>')
    .requiredOption('--resolution <text>', 'how it was settled', keptText)
  return withCommonOptions(command).action((text: string, options: CommonOptions & { resolution: string }) =>
    atDatabase(io, options, NAME, async ({ client }) => {
      await requireAccessTables(client)
      const id = numberOption(text, 'the id')
      const { resolution } = options
      const detail = { exception: id, resolution }
      const done = await changeNoted(io, client, { action: 'account-host resolve', detail }, () =>
        resolveHostException(client, id, { resolution, actor: systemActor(io), nowMs: Date.now() }),
      )
      if (options.json) io.out(`${JSON.stringify(done)}\n`)
      else io.out(`exception ${id} is resolved\n`)
    }),
  )
}

function simulateCommand(io: CommandIo): Command {
  const command = new Command('simulate')
    .description('run a simulated account host that holds the accounts of the demo world; ends with SIGTERM or SIGINT')
    .option('--port <port>', 'where it listens; 0 = any free port', '8590')
  return withCommonOptions(command).action(async (options: CommonOptions & { port: string }) => {
    const config = loadConfig({ env: io.env, ...(options.config === undefined ? {} : { file: options.config }) })
    if (config.environment === 'production') throw new MizanError('DEMO_REFUSED')
    const { households } = readWorld(config.varDir)
    const balances = new Map(
      households.map(({ postalAccount: { id, balance } }): readonly [string, number] => [id, balance]),
    )
    const host = new AccountHostSimulator({ port: numberOption(options.port, '--port', PORT_MAX, 0), balances })
    await host.start()
    if (options.json) io.out(`${JSON.stringify({ port: host.port, accounts: balances.size })}\n`)
    else io.out(`a simulated account host with ${balances.size} account(s) listens on 127.0.0.1:${host.port}\n`)
    await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
    await host.stop()
  })
}
