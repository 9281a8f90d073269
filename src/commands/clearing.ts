import { Command } from 'commander'
import { clearingItemsCommand, clearingReceiveCommand } from './clearing-receive.ts'
import { type CommandIo, processIo } from './command-io.ts'

/** `mizan clearing`: files that go out to the card network and the banks, and files that come from the network. */
export function clearingCommand(io: CommandIo = processIo): Command {
  return new Command('clearing')
    .description('clearing files of a business day, and those of the card network')
    .addCommand(clearingReceiveCommand(io))
    .addCommand(clearingItemsCommand(io))
}
