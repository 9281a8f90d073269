import { Command } from 'commander'
import { clearingCorrectCommand } from './clearing-correct.ts'
import {
  clearingDeliverCommand,
  clearingDeliveriesCommand,
  clearingResendCommand,
  clearingSignAgainCommand,
} from './clearing-deliver.ts'
import {
  clearingBuildCommand,
  clearingListCommand,
  clearingShowCommand,
  clearingVerifyCommand,
} from './clearing-files.ts'
import { clearingInboxCommand } from './clearing-inbox.ts'
import { clearingKeysCommand } from './clearing-keys.ts'
import { clearingOpenCommand } from './clearing-open.ts'
import { clearingPostCommand } from './clearing-post.ts'
import { clearingItemsCommand, clearingReceiveCommand } from './clearing-receive.ts'
import { clearingReleaseCommand } from './clearing-release.ts'
import { clearingReportCommand } from './clearing-report.ts'
import { type CommandIo, processIo } from './command-io.ts'

/** `mizan clearing`: files that go out to the card network and the banks, and files that come from the network. */
export function clearingCommand(io: CommandIo = processIo): Command {
  return new Command('clearing')
    .description('clearing files of a business day, and those of the card network')
    .addCommand(clearingBuildCommand(io))
    .addCommand(clearingVerifyCommand(io))
    .addCommand(clearingListCommand(io))
    .addCommand(clearingShowCommand(io))
    .addCommand(clearingResendCommand(io))
    .addCommand(clearingSignAgainCommand(io))
    .addCommand(clearingCorrectCommand(io))
    .addCommand(clearingReceiveCommand(io))
    .addCommand(clearingItemsCommand(io))
    .addCommand(clearingPostCommand(io))
    .addCommand(clearingReleaseCommand(io))
    .addCommand(clearingDeliverCommand(io))
    .addCommand(clearingDeliveriesCommand(io))
    .addCommand(clearingInboxCommand(io))
    .addCommand(clearingOpenCommand(io))
    .addCommand(clearingReportCommand(io))
    .addCommand(clearingKeysCommand(io))
}
