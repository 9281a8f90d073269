import { Command } from 'commander'
import { runSelfTest } from '../security/self-test.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { custodianCommand } from './keys-custodians.ts'
import { enterCommand } from './keys-enter.ts'
import { activateCommand, confirmCommand, retireCommand, revokeCommand, rotateCommand } from './keys-life.ts'
import { auditCommand, familiesCommand, listCommand } from './keys-list.ts'
import { exportCommand, generateCommand, importCommand } from './keys-make.ts'
import { reencryptPansCommand } from './keys-reencrypt.ts'
import { sendCommand } from './keys-send.ts'
import { keysTlsDemoCommand } from './keys-tls-demo.ts'

/** `mizan keys`: the keys of the switch, from their making to their end. A running switch follows within seconds. */
export function keysCommand(io: CommandIo = processIo): Command {
  return new Command('keys')
    .description('manage the keys; a running switch follows within seconds. See docs/keys.md')
    .addCommand(listCommand(io))
    .addCommand(familiesCommand(io))
    .addCommand(generateCommand(io))
    .addCommand(enterCommand(io))
    .addCommand(importCommand(io))
    .addCommand(exportCommand(io))
    .addCommand(activateCommand(io))
    .addCommand(rotateCommand(io))
    .addCommand(sendCommand(io))
    .addCommand(confirmCommand(io))
    .addCommand(retireCommand(io))
    .addCommand(revokeCommand(io))
    .addCommand(custodianCommand(io))
    .addCommand(auditCommand(io))
    .addCommand(reencryptPansCommand(io))
    .addCommand(keysTlsDemoCommand())
    .addCommand(selfTestCommand(io))
}

function selfTestCommand(io: CommandIo): Command {
  return new Command('self-test')
    .description('compute the known answers that every start computes; exit status 1 if one fails')
    .option('--json', 'print a JSON array of {name, ok}', false)
    .action((options: { json: boolean }) => {
      const results = runSelfTest()
      const failed = results.filter(({ ok }) => !ok).length
      if (options.json) {
        io.out(`${JSON.stringify(results)}\n`)
      } else {
        for (const { name, ok } of results) io.out(`${name.padEnd(24)}${ok ? 'ok' : 'FAILED'}\n`)
        io.out(`${results.length - failed} ok, ${failed} failed\n`)
      }
      if (failed > 0) process.exitCode = 1
    })
}
