#!/usr/bin/env node
import { Command } from 'commander'
import { endWithReader } from './commands/command-io.ts'
import { version } from './commands/version.ts'
import { describeError } from './errors.ts'
import { maskText } from './telemetry/mask.ts'

/** Each command with its code, which is only read when it is asked for: most need little of the program. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./commands/start.ts')).startCommand(),
  handover: async () => (await import('./commands/handover.ts')).handoverCommand(),
  demo: async () => (await import('./commands/demo.ts')).demoCommand(),
  cutover: async () => (await import('./commands/cutover.ts')).cutoverCommand(),
  explain: async () => (await import('./commands/explain.ts')).explainCommand(),
  'acquirer-totals': async () => (await import('./commands/acquirer-totals.ts')).acquirerTotalsCommand(),
  reconcile: async () => (await import('./commands/reconcile.ts')).reconcileCommand(),
  verify: async () => (await import('./commands/verify.ts')).verifyCommand(),
  sim: async () => (await import('./commands/sim.ts')).simCommand(),
  card: async () => (await import('./commands/card.ts')).cardCommand(),
  household: async () => (await import('./commands/household.ts')).householdCommand(),
  issuance: async () => (await import('./commands/issuance.ts')).issuanceCommand(),
  membership: async () => (await import('./commands/membership.ts')).membershipCommand(),
  outlet: async () => (await import('./commands/outlet.ts')).outletCommand(),
  rollout: async () => (await import('./commands/rollout.ts')).rolloutCommand(),
  user: async () => (await import('./commands/user.ts')).userCommand(),
  'api-key': async () => (await import('./commands/api-key.ts')).apiKeyCommand(),
  audit: async () => (await import('./commands/audit.ts')).auditCommand(),
  keys: async () => (await import('./commands/keys.ts')).keysCommand(),
  notification: async () => (await import('./commands/notification.ts')).notificationCommand(),
  forward: async () => (await import('./commands/forward.ts')).forwardCommand(),
  migrate: async () => (await import('./commands/migrate.ts')).migrateCommand(),
  backup: async () => (await import('./commands/backup.ts')).backupCommand(),
  'account-host': async () => (await import('./commands/account-host.ts')).accountHostCommand(),
  job: async () => (await import('./commands/job.ts')).jobCommand(),
  decode: async () => (await import('./commands/decode.ts')).decodeCommand(),
  encode: async () => (await import('./commands/encode.ts')).encodeCommand(),
  vectors: async () => (await import('./commands/vectors.ts')).vectorsCommand(),
  clearing: async () => (await import('./commands/clearing.ts')).clearingCommand(),
  bank: async () => (await import('./commands/bank.ts')).bankCommand(),
  dispute: async () => (await import('./commands/dispute.ts')).disputeCommand(),
  programme: async () => (await import('./commands/programme.ts')).programmeCommand(),
  settlement: async () => (await import('./commands/settlement.ts')).settlementCommand(),
  config: async () => (await import('./commands/config.ts')).configCommand(),
}

endWithReader()

const program = new Command('mizan')
  .description('authorization switch and double-entry ledger')
  .version(version)
  .showHelpAfterError('(mizan --help lists the commands)')
  // An option of a command may be called --version too.
  .enablePositionalOptions()

try {
  const wanted = process.argv[2] ?? ''
  const names = Object.hasOwn(commands, wanted) ? [wanted] : Object.keys(commands)
  for (const name of names) program.addCommand(await (commands[name] as () => Promise<Command>)())
  await program.parseAsync()
} catch (error) {
  // What was typed may come back in the reason, and people do type card numbers.
  process.stderr.write(`mizan: ${maskText(describeError(error))}\n`)
  process.exitCode = 1
}
